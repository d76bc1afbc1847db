// Renews the part of a page that changes while a job runs: an element names its address in
// data-live-url, and is left alone when the job has ended or the session has.
"use strict";
for (const part of document.querySelectorAll("[data-live-url]")) {
  const renew = async () => {
    let answer;
    try {
      const response = await fetch(part.dataset.liveUrl, {
        headers: { Accept: "application/json", "X-Seedbed-Live": "1" }, // nobody's act: idle sessions end
      });
      if (!response.ok || response.redirected) return;
      answer = await response.json();
    } catch {
      setTimeout(renew, 5000); // the server restarts
      return;
    }
    const log = part.querySelector(".sb-log");
    const scrolled = log ? log.scrollTop : 0;
    part.innerHTML = answer.html;
    const renewed = part.querySelector(".sb-log");
    if (renewed) renewed.scrollTop = scrolled;
    if (answer.is_active) setTimeout(renew, 1500);
  };
  setTimeout(renew, 1500);
}
