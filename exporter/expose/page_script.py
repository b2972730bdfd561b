"""The script of the pages. Everything works without it: it only adds what a server cannot do."""

from __future__ import annotations

SCRIPT = """
"use strict";
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const first = (selector) => document.querySelector(selector);
  const show = (element) => { if (element) element.hidden = false; };
  document.documentElement.classList.add("js");
  show(first(".tools"));

  // Times in the reader's zone.
  for (const time of all("time[datetime]")) {
    const then = new Date(time.dateTime);
    if (Number.isNaN(then.valueOf())) continue;
    const day = then.toLocaleDateString(undefined, { dateStyle: "medium" });
    const clock = then.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
    time.title = `${day}, ${clock}`;
    if (time.classList.contains("both") && then.getTimezoneOffset()) {
      const local = document.createElement("span");
      local.className = "soft local";
      local.textContent = ` (${clock})`;
      time.append(local);
    }
  }

  // Rows that hold the text typed, at once.
  const filter = first(".find input");
  const rows = all("table.main tbody tr");
  const told = first(".find output");
  if (filter && rows.length) {
    show(first(".find"));
    show(first(".keys"));
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const narrow = () => {
      const words = filter.value.toLowerCase().split(/\\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, place) => {
        row.hidden = !words.every((word) => texts[place].includes(word));
        shown += !row.hidden;
      });
      told.textContent = words.length ? `${shown} of ${rows.length} rows on this page` : "";
    };
    filter.addEventListener("input", narrow);
    narrow();
  }

  // Keys: / to the filter, j and k along the rows.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select, textarea")) {
      if (event.key === "Escape" && event.target === filter) {
        filter.value = "";
        filter.dispatchEvent(new Event("input"));
        filter.blur();
      }
      return;
    }
    if (event.key === "/" && filter) {
      event.preventDefault();
      filter.focus();
    }
    if (event.key === "j" || event.key === "k") {
      const links = rows.filter((row) => !row.hidden).map((row) => row.querySelector("th a"));
      const place = links.indexOf(document.activeElement);
      const next = event.key === "j" ? place + 1 : Math.max(place, 1) - 1;
      if (links[next]) links[next].focus();
    }
  });

  // The page again every minute, while it is looked at and nobody types.
  const refresh = first(".refresh");
  const remembered = (value) => {
    try {
      if (value !== undefined) sessionStorage.setItem("refresh", value);
      return sessionStorage.getItem("refresh") === "on";
    } catch {
      return value === "on";
    }
  };
  const press = (on) => refresh.setAttribute("aria-pressed", String(on));
  press(remembered());
  refresh.addEventListener("click", () => press(remembered(refresh.ariaPressed === "true" ? "off" : "on")));
  setInterval(() => {
    const busy = document.hidden || document.activeElement.matches("input, select") || String(getSelection());
    if (refresh.ariaPressed === "true" && !busy) location.reload();
  }, 60000);

  // A template on the clipboard, also where browsers give no access to it: over plain HTTP.
  for (const button of all("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = document.getElementById(button.getAttribute("aria-controls"));
      try {
        await navigator.clipboard.writeText(code.textContent);
      } catch {
        getSelection().selectAllChildren(code);
        document.execCommand("copy");
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  // Filters fold away where there is little room.
  if (matchMedia("(max-width: 48rem)").matches) {
    for (const filters of all("details.filters")) filters.open = false;
  }
})();
"""
