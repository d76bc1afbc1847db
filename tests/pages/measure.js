// Measures the page as it is laid out now. Run by look.py; gives what a reader cannot see or read.
const width = document.documentElement.clientWidth;
const root = document.scrollingElement;

function named(element) {
  const id = element.id ? `#${element.id}` : "";
  const classes = [...element.classList].map((name) => `.${name}`).join("");
  const above = element.parentElement && !id ? `${element.parentElement.localName} > ` : "";
  const text = element.textContent.trim().replace(/\s+/g, " ").slice(0, 40);
  return `${above}${element.localName}${id}${classes}${text ? ` “${text}”` : ""}`;
}

// Text that only screen readers get: clipped away, pushed aside by its indent, in a box of a pixel.
function isForReadersOnly(element, style) {
  const isOutOfFlow = style.position === "absolute" || style.position === "fixed";
  return style.clipPath === "inset(50%)" || style.clip === "rect(0px, 0px, 0px, 0px)" ||
    Math.abs(parseFloat(style.textIndent)) >= 100 ||
    (isOutOfFlow && (element.clientWidth <= 1 || element.clientHeight <= 1));
}

function scrollsSideways(element) {
  for (let one = element.parentElement; one && one !== document.body; one = one.parentElement) {
    const overflow = getComputedStyle(one).overflowX;
    if ((overflow === "auto" || overflow === "scroll") && one.scrollWidth > one.clientWidth) return true;
  }
  return false;
}

const FIELDS = "input, select, textarea, option, optgroup, svg *, canvas, img, iframe";
const HIDES = new Set(["hidden", "clip"]);
const cut = [], shortened = [], outside = [], small = [];
const told = new Set();  // what stands in a box that was named already is not named again

for (const element of document.body.querySelectorAll("*")) {
  if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
  const box = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  if (!box.width || !box.height) continue;
  if (told.has(element.parentElement)) { told.add(element); continue; }
  if (isForReadersOnly(element, style)) { told.add(element); continue; }
  if (!element.matches(FIELDS)) {
    const overflows = element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 1;
    if (HIDES.has(style.overflowX) && overflows) {
      told.add(element);
      (style.textOverflow === "ellipsis" ? shortened : cut).push(
        `${named(element)}: ${element.scrollWidth - element.clientWidth} px`);
      continue;
    }
  }
  const beyond = Math.max(box.right - width, box.right > 0 && box.bottom > 0 ? -box.left : 0);
  if (beyond > 1 && !element.matches("svg *") && !scrollsSideways(element)) {
    told.add(element);
    outside.push(`${named(element)}: ${Math.round(beyond)} px`);
  }
}

for (const element of document.body.querySelectorAll("*")) {
  const hasText = [...element.childNodes].some(
    (node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  if (!hasText || !element.checkVisibility({ visibilityProperty: true })) continue;
  if (element.matches("script, style, option, optgroup, title, desc")) continue;
  const scale = element instanceof SVGElement && element.getScreenCTM ? element.getScreenCTM().a : 1;
  const size = parseFloat(getComputedStyle(element).fontSize) * scale;
  if (size < 10.99) small.push(`${named(element)}: ${size.toFixed(1)} px`);
}

return { width, sideways: root.scrollWidth - root.clientWidth, cut, shortened, outside, small };
