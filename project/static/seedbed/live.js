// Renews what changes on a page while a job runs. An element names its address in data-live-url; of
// what stands in it, a data-live-part is replaced when it has changed, and nothing else is touched.
// A [role=status] in it says the sentence of the answer, when that is another one than before.
"use strict";

const PAUSE = 1500; // milliseconds from an answer to the next question, unless it says when
const PAUSE_AT_MOST = 30000; // while there is no answer, each pause is twice the one before
const PATIENCE = 15000; // with one question
const ENDS = {
  0: "You are signed out.", // all that a script is told of an answer that leads elsewhere
  401: "You are signed out.",
  403: "You may not look at this any more.",
  404: "This is not there any more. Perhaps it was deleted.",
};
const SCROLLED = "[data-live-end], .sb-scroll, .sb-log";

class Live {
  constructor(root) {
    this.root = root;
    this.status = root.querySelector("[role=status]");
    this.at = root.dataset.liveAt;
    this.said = root.dataset.liveSaid;
    this.failures = 0;
    this.isOver = false;
    this.parts = new Map();
    for (const part of root.querySelectorAll("[data-live-part]")) {
      this.parts.set(part.dataset.livePart, { part, html: part.innerHTML });
    }
    for (const log of root.querySelectorAll("[data-live-end]")) log.scrollTop = log.scrollHeight;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.rest();
      else this.renew();
    });
    this.wait(Number(root.dataset.livePause) || PAUSE);
  }

  wait(pause) {
    this.timer = setTimeout(() => this.renew(), pause);
  }

  // Drops the next question, and the one that is under way: nobody waits for its answer any more.
  rest() {
    clearTimeout(this.timer);
    const asked = this.asked;
    this.asked = null;
    asked?.abort();
  }

  async renew() {
    this.rest();
    if (this.isOver || document.hidden) return;
    const asked = (this.asked = new AbortController());
    const patience = setTimeout(() => asked.abort(), PATIENCE);
    let response, answer;
    try {
      response = await fetch(this.root.dataset.liveUrl, {
        // Nobody's act: idle sessions end.
        headers: { Accept: "application/json", "X-Seedbed-Live": "1" },
        redirect: "manual", // which leads to the login
        cache: "no-store",
        signal: asked.signal,
      });
      if (response.ok) answer = await response.json();
    } catch {
      answer = undefined; // no network, no patience, or no JSON
    }
    clearTimeout(patience);
    if (asked !== this.asked) return;
    if (answer?.parts) this.show(answer);
    else if (response?.status in ENDS) this.end(response.status);
    else this.fail();
  }

  show(answer) {
    this.failures = 0;
    this.at = answer.at;
    this.note?.remove();
    for (const [name, html] of Object.entries(answer.parts)) this.replace(name, html);
    if (answer.said !== this.said) this.status.textContent = this.said = answer.said;
    this.isOver = !answer.is_active;
    if (!this.isOver) this.wait(answer.pause ?? PAUSE);
  }

  fail() {
    this.failures += 1;
    this.tell(`Not renewed since ${this.at}, trying again.`);
    this.wait(Math.min(PAUSE_AT_MOST, PAUSE * 2 ** this.failures));
  }

  end(status) {
    this.isOver = true;
    this.tell(ENDS[status]);
    this.status.textContent = ENDS[status];
    if (status === 404) return;
    const next = encodeURIComponent(location.pathname + location.search);
    const link = document.createElement("a");
    link.href = `${this.root.dataset.liveLogin}?next=${next}`;
    link.textContent = "Log in again";
    this.note.append(" ", link);
  }

  tell(text) {
    this.note ??= document.createElement("p");
    this.note.className = "sb-note sb-warn";
    this.note.textContent = text;
    if (!this.note.isConnected) this.root.prepend(this.note);
  }

  // Keeps the focus, what is unfolded and how far it is scrolled; a log at its end stays there.
  replace(name, html) {
    const known = this.parts.get(name);
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    if (!known || fresh.innerHTML === known.html) return;
    known.html = fresh.innerHTML;
    const { part } = known;
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const unfolded = byName(part, "details", (each) => each.open);
    const scrolled = byName(part, SCROLLED, placeOf);
    part.replaceChildren(fresh.content);
    for (const each of part.querySelectorAll("details")) {
      each.open = unfolded.get(nameOf(each)) ?? each.open;
    }
    for (const each of part.querySelectorAll(SCROLLED)) {
      const { top, left, isAtEnd } = scrolled.get(nameOf(each)) ?? placeOf(each);
      const sticks = "liveEnd" in each.dataset && (isAtEnd || !scrolled.has(nameOf(each)));
      each.scrollTo(left, sticks ? each.scrollHeight : top);
    }
    if (!focused) return;
    // What had the focus may be gone, as a button to stop what has ended: then the part has it.
    const alike = [...part.querySelectorAll(focused.tagName)];
    const again = alike.find((each) => nameOf(each) === nameOf(focused)) ?? part;
    if (again === part) part.tabIndex = -1;
    again.focus({ preventScroll: true });
  }
}

const byName = (part, chosen, what) =>
  new Map([...part.querySelectorAll(chosen)].map((each) => [nameOf(each), what(each)]));
const nameOf = (element) => element.id || (element.querySelector("summary") ?? element).textContent;
const placeOf = (element) => ({
  top: element.scrollTop,
  left: element.scrollLeft,
  isAtEnd: element.scrollTop + element.clientHeight >= element.scrollHeight - 4,
});

for (const root of document.querySelectorAll("[data-live-url]")) new Live(root);
