"use strict";
// Asks for the network's counts every five seconds while the page is looked at.
const state = document.getElementById("state");
async function look() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/api/v1/network/counts", { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const counts = await answer.json();
    for (const place of document.querySelectorAll("[data-count]")) {
      const count = counts[place.dataset.count];
      if (typeof count === "number") place.textContent = count.toLocaleString();
    }
    document.getElementById("doubt").hidden = !(counts.in_doubt > 0);
    state.textContent = "";
  } catch {
    state.textContent = "暂无数据 / no data now";
  }
}
look();
setInterval(look, 5000);
document.addEventListener("visibilitychange", look);
