
"use strict";
(() => {
  const form = document.getElementById("filters");
  const rows = [...document.querySelectorAll("#rows > details")];
  if (!form || rows.length === 0) return;
  const text = document.getElementById("text");
  const count = document.getElementById("count");
  const choices = [...form.querySelectorAll("select")];
  const words = new Map();
  const number = (count) => count.toLocaleString("en");

  const content = (row) => {
    let known = words.get(row);
    if (known === undefined) {
      known = row.textContent.toLowerCase();
      words.set(row, known);
    }
    return known;
  };

  const chosen = (row) =>
    choices.every(({ value, dataset: { filter } }) => {
      if (value === "") return true;
      const own = row.dataset[filter];
      return filter === "credential" ? own.split(" ").includes(value) : own === value;
    });

  const apply = () => {
    const wanted = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits = chosen(row) && (wanted.length === 0 || wanted.every((word) => content(row).includes(word)));
      row.hidden = !fits;
      if (fits) shown += 1;
    }
    const all = shown === rows.length;
    for (const gap of document.querySelectorAll("#rows > .gap")) gap.hidden = !all;
    count.textContent = all ? `${number(rows.length)} shown` : `${number(shown)} of ${number(rows.length)} shown`;
  };

  const clear = () => {
    form.reset();
    apply();
  };

  const move = (by) => {
    const shown = rows.filter((row) => !row.hidden);
    const now = shown.indexOf(document.activeElement?.closest("#rows > details"));
    const next = now < 0 ? shown[0] : shown[Math.min(Math.max(now + by, 0), shown.length - 1)];
    next?.querySelector("summary").focus();
  };

  const follow = () => {
    const row = /^#e\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
    if (!row) return;
    if (row.hidden) clear();
    row.open = true;
    row.scrollIntoView({ block: "center" });
    row.querySelector("summary").focus({ preventScroll: true });
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input, select");
    const inList = event.target.closest("#rows") !== null;
    if (event.key === "Escape" && (typing || inList)) clear();
    else if (event.key === "Enter" && event.target === text) move(1);
    else if (typing) return;
    else if (event.key === "/") text.focus();
    else if (event.key === "j" || (inList && event.key === "ArrowDown")) move(1);
    else if (event.key === "k" || (inList && event.key === "ArrowUp")) move(-1);
    else return;
    event.preventDefault();
  });
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#e']");
    if (link && link.getAttribute("href") === location.hash) follow();
  });

  form.hidden = false;
  apply();
  follow();
})();
