"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, k) => row.cells[k].dataset.sort ?? row.cells[k].textContent.trim();
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const x = Number(a), y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
  };
  heads.forEach((head, k) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((h) => h.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const left = key(a, k), right = key(b, k);
        return left === "" || right === "" || !down ? compare(left, right) : compare(right, left);
      });
      table.tBodies[0].append(...rows);
    });
  });
}
for (const hint of document.querySelectorAll(".zoomable")) hint.hidden = false;
const dialog = document.querySelector("dialog");
if (dialog) {
  const part = (name) => dialog.querySelector(name);
  const slider = part("input");
  let cards = [], at = 0;
  const slide = () => part(".pair").style.setProperty("--at", slider.value + "%");
  const show = (k) => {
    at = (k + cards.length) % cards.length;
    const left = cards[0].querySelector(".enlarged"), right = cards[at].querySelector(".enlarged");
    part(".over").src = left.src;
    part(".below").src = right.src;
    part(".over").alt = left.alt;
    part(".below").alt = right.alt;
    part(".pair").style.setProperty("--shape", left.width / left.height);
    part(".left").textContent = cards[0].dataset.variant;
    part(".right").textContent = cards[at].dataset.variant;
  };
  for (const group of document.querySelectorAll(".looks")) {
    const all = [...group.querySelectorAll(".look")];
    all.forEach((card, k) => {
      const image = card.querySelector(".enlarged"), button = document.createElement("button");
      button.type = "button";
      button.className = "zoom";
      button.setAttribute("aria-label", "Zoom and compare: " + card.dataset.variant);
      image.replaceWith(button);
      button.append(image);
      button.addEventListener("click", () => {
        cards = all;
        slider.value = k ? 50 : 0;
        show(k);
        slide();
        dialog.showModal();
      });
    });
  }
  slider.addEventListener("input", slide);
  part(".previous").addEventListener("click", () => show(at - 1));
  part(".next").addEventListener("click", () => show(at + 1));
  part(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}
