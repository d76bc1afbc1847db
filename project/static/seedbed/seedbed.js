// The admin's frame: theme, palette, dialogs, menus. Nothing here is needed to reach a page: without
// it every button that opens something is a link or a form that does the same.
"use strict";
(() => {
  const root = document.documentElement;
  // Django's own key and values, set before the first paint: this file stands in the head.
  const ORDER = ["auto", "light", "dark"];
  let kept = null;
  try {
    kept = localStorage.getItem("theme");
  } catch {} // a private window
  root.dataset.theme = ORDER.includes(kept) ? kept : "auto";
  const nextTheme = () => {
    root.dataset.theme = ORDER[(ORDER.indexOf(root.dataset.theme) + 1) % 3];
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {} // it holds for this page only
  };

  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  document.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest(selector);
    if (hit(".theme-toggle")) nextTheme();
    const dialog = document.getElementById(hit("[data-dialog]")?.dataset.dialog);
    if (dialog) event.preventDefault();
    if (dialog && !dialog.open) dialog.showModal();
    if (event.target.matches("dialog")) event.target.close(); // its backdrop
    for (const menu of all("details.sb-menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });

  document.addEventListener("keydown", (event) => {
    const palette = document.getElementById("palette");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && palette) {
      event.preventDefault();
      palette.open ? palette.close() : palette.showModal();
    }
    if (event.key !== "Escape") return;
    for (const menu of all("details.sb-menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // Names and roles that Django's widgets leave out; they come when select2 and others are ready.
  const label = (field) => {
    field.ariaLabel ||= field.closest(".form-row")?.querySelector("label")?.textContent || "Search";
    field.removeAttribute("aria-labelledby");
  };
  const watch = new MutationObserver(() => {
    all(".select2-search__field, .select2-container [role=combobox]").forEach(label);
    all(".select2-selection__rendered[role=textbox]").forEach(label);
    for (const mark of all(".help-tooltip")) mark.role = "img";
    for (const clear of all(".select2-selection__clear")) clear.ariaHidden = "true";
  });
  watch.observe(root, { childList: true, subtree: true });

  document.addEventListener("DOMContentLoaded", () => {
    const palette = document.getElementById("palette");
    if (!palette) return;
    const input = palette.querySelector("input");
    const list = palette.querySelector("ul");
    const said = palette.querySelector("[role=status]");
    const links = () => all("li:not([hidden]) > a", list);
    const choose = (link) => {
      for (const other of all("a", list)) other.setAttribute("aria-selected", String(other === link));
      if (!link) return input.removeAttribute("aria-activedescendant");
      input.setAttribute("aria-activedescendant", link.id);
      link.scrollIntoView({ block: "nearest" });
    };
    const option = (found, number) => {
      const item = Object.assign(document.createElement("li"), { role: "none" });
      const link = document.createElement("a");
      Object.assign(link, { id: `found-${number}`, href: found.url, role: "option" }).append(found.title);
      link.append(Object.assign(document.createElement("span"), { textContent: found.what }));
      item.dataset.found = "";
      item.append(link);
      return item;
    };
    const show = (found) => {
      for (const old of all("[data-found]", list)) old.remove();
      list.append(...found.map(option));
      choose(links()[0]);
      said.textContent = links().length ? `${links().length} found` : "Nothing of that name";
    };
    let asked = null;
    const filter = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const item of all("li:not([data-found])", list))
        item.hidden = !words.every((word) => ` ${item.textContent.toLowerCase()}`.includes(` ${word}`));
      show([]);
      if (asked) asked.abort();
      const text = input.value.trim();
      if (text.length < 2) return;
      asked = new AbortController();
      const headers = { Accept: "application/json" };
      fetch(`${palette.dataset.url}?q=${encodeURIComponent(text)}`, { signal: asked.signal, headers })
        .then((answer) => (answer.ok ? answer.json() : { found: [] }))
        .then((answer) => show(answer.found))
        .catch(() => {}); // the pages are there all the same
    };
    input.addEventListener("input", filter);
    input.addEventListener("keydown", (event) => {
      const shown = links();
      const at = shown.findIndex((link) => link.getAttribute("aria-selected") === "true");
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step && shown.length) {
        event.preventDefault();
        choose(shown[(at + step + shown.length) % shown.length]);
      }
      if (event.key === "Enter" && shown[at]) shown[at].click();
    });
    palette.addEventListener("close", () => {
      input.value = "";
      filter();
    });
    filter();
  });
})();
