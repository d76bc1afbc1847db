// Renews the strip of running jobs, and tells when one's own has ended: on the page and in its title.
// Nothing is asked while nothing runs. A page that reads otherwise since then can be shown anew.
// Which jobs are watched outlives a change of the page.
"use strict";
(() => {
  const strip = document.getElementById("jobs-strip");
  const region = document.getElementById("jobs-notices");
  if (!strip || !region) return;
  const PACE = 5000; // milliseconds between questions
  const HIDDEN_TURNS = 3; // while nobody looks, only each third turn asks: the title tells then
  const KEY = "seedbed:watched-jobs";
  const title = document.title;
  const split = (text) => (text ?? "").split(",").filter(Boolean);
  const recall = () => {
    try {
      return split(sessionStorage.getItem(KEY));
    } catch {
      return []; // a private window: this page only
    }
  };
  const watch = (ids) => {
    watched = ids;
    try {
      sessionStorage.setItem(KEY, ids.join(","));
    } catch {}
  };

  const tell = ({ text, url, html }) => {
    document.title = `${text} | ${title}`;
    if (url === location.pathname && !document.hidden) return; // its own page says it all
    const note = document.createElement("div");
    note.className = "sb-note";
    note.innerHTML = html;
    note.querySelector("[data-close]").addEventListener("click", () => {
      note.remove();
      document.title = title;
    });
    region.append(note);
    return note;
  };

  // What the page shows of records may be older than what has just ended. It is never changed under
  // somebody's hands: where it would read otherwise now, a link offers that.
  const RECORDS = "#content :is(table, dl, .sb-empty, .readonly)"; // what no script fills
  const words = (page) =>
    [...page.querySelectorAll(RECORDS)].map((one) => one.textContent.replace(/\s+/g, " ")).join();
  const offer = async (note) => {
    if (document.querySelector("#content [data-live-url]")) return; // it renews itself
    let fresh;
    try {
      const response = await fetch(location.pathname + location.search, {
        headers: { "X-Seedbed-Live": "1" },
        redirect: "manual",
        cache: "no-store",
      });
      if (!response.ok) return;
      fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    } catch {
      return;
    }
    const link = note.querySelector("[data-renew]");
    link.href = location.pathname + location.search;
    link.hidden = words(fresh) === asShown;
    note.dataset.compared = "";
  };

  const show = (answer) => {
    if (strip.innerHTML !== answer.html && !strip.contains(document.activeElement)) {
      strip.innerHTML = answer.html;
    }
    strip.hidden = !answer.html;
    const told = answer.ended.map(tell).filter(Boolean);
    if (told.length) offer(told.at(-1));
    watch(answer.mine);
    if (strip.hidden && !watched.length) stop();
  };

  const asShown = words(document);
  let turn = 0;
  let isAsking = false;
  const renew = async () => {
    turn += 1;
    if (isAsking || (document.hidden && turn % HIDDEN_TURNS)) return;
    isAsking = true;
    try {
      const response = await fetch(`${strip.dataset.url}?watched=${watched.join(",")}`, {
        headers: { Accept: "application/json", "X-Seedbed-Live": "1" },
        redirect: "manual", // which leads to the login
        cache: "no-store",
      });
      if (response.ok) show(await response.json());
      else if (response.status < 500) stop(); // signed out
    } catch {
      // The network is away: the next turn asks again.
    }
    isAsking = false;
  };

  const here = split(strip.dataset.mine);
  const before = recall();
  let watched = [];
  watch([...new Set([...before, ...here])]);
  if (strip.hidden && !watched.length) return;
  const turns = setInterval(renew, PACE);
  const stop = () => clearInterval(turns);
  if (before.some((id) => !here.includes(id))) renew(); // ended while another page was shown
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) document.title = title;
  });
})();
