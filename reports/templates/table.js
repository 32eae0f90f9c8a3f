"use strict";
// Sorts, filters and trims the trade-off table by what its rows and cells say of themselves in data attributes.
// Rows stay in their group, whose cases were measured alike. Without this script the table shows everything.
(function () {
  const table = document.getElementById("cases");
  if (!table) return;
  const controls = document.getElementById("controls");
  const count = controls.querySelector(".count");
  const headings = Array.from(table.tHead.rows[0].cells);
  const column = new Map(headings.map((one, index) => [one.dataset.key, index]));
  const names = new Intl.Collator("en", { numeric: true });
  const VERDICTS = ["valid", "doubtful", "invalid"];
  const groups = grouped();
  const total = groups.reduce((sum, group) => sum + group.rows.length, 0);
  // key: of the column sorted by, empty for the suite's order; up: ascending.
  let order = { key: "", up: true };

  // A group is a body of its own with a title, followed by a body for each of its cases.
  function grouped() {
    const found = [];
    for (const body of table.tBodies) {
      if (body.classList.contains("group")) found.push({ title: body, rows: [] });
      else found[found.length - 1].rows.push(body);
    }
    return found;
  }

  function label(key) {
    return headings[column.get(key)].dataset.label;
  }

  function keyOf(body, key) {
    if (key === "case") return body.dataset.variant;
    if (key === "verdict") return VERDICTS.indexOf(body.dataset.verdict);
    const value = body.rows[0].cells[column.get(key)].dataset.value;
    return value === undefined ? null : Number(value);
  }

  // What is missing stands last, whichever way the others are sorted.
  function compare(one, other) {
    if (one === null || other === null) return (one === null) - (other === null);
    const ascending = typeof one === "string" ? names.compare(one, other) : one - other;
    return order.up ? ascending : -ascending;
  }

  function sort(key, up) {
    order = { key: key, up: up };
    const all = document.createDocumentFragment();
    for (const group of groups) {
      const keyed = group.rows.map((body) => [key ? keyOf(body, key) : 0, body]);
      if (key) keyed.sort((one, other) => compare(one[0], other[0]));
      all.append(group.title, ...keyed.map((pair) => pair[1]));
    }
    table.append(all);
    for (const heading of headings) heading.removeAttribute("aria-sort");
    if (key) headings[column.get(key)].setAttribute("aria-sort", up ? "ascending" : "descending");
    controls.querySelector("[data-sort]").value = key;
    tell();
  }

  function firstUp(key) {
    return headings[column.get(key)].dataset.better !== "higher";
  }

  // The best first, then the worst first, then as the suite has them.
  function step(key) {
    const first = firstUp(key);
    if (order.key !== key) sort(key, first);
    else if (order.up === first) sort(key, !first);
    else sort("", true);
  }

  function tell() {
    const shown = groups.reduce((sum, group) => sum + group.rows.filter((body) => !body.hidden).length, 0);
    const sorted = order.key ? `, sorted by ${label(order.key)}, ${order.up ? "ascending" : "descending"}` : "";
    count.textContent = `${shown} of ${total} rows${sorted}`;
    controls.classList.toggle("partial", shown < total);
  }

  function filter() {
    const wanted = controls.querySelector("[data-find]").value.trim().toLowerCase();
    const picked = Array.from(controls.querySelectorAll("[data-filter]"), (one) => [one.dataset.filter, one.value]);
    const fits = (body) => body.dataset.variant.toLowerCase().includes(wanted)
      && picked.every(([key, value]) => !value || body.dataset[key] === value);
    for (const group of groups) {
      for (const body of group.rows) body.hidden = !fits(body);
      group.title.hidden = group.rows.every((body) => body.hidden);
    }
    tell();
  }

  function choose() {
    const boxes = Array.from(controls.querySelectorAll("[data-column]"));
    const indices = boxes.map((box) => [column.get(box.dataset.column), !box.checked]);
    for (const [index, hide] of indices) headings[index].hidden = hide;
    const span = headings.filter((one) => !one.hidden).length;
    for (const group of groups) {
      group.title.rows[0].cells[0].colSpan = span;
      for (const body of group.rows) {
        for (const [index, hide] of indices) body.rows[0].cells[index].hidden = hide;
        if (body.rows.length > 1) body.rows[1].cells[0].colSpan = span;
      }
    }
  }

  function reset() {
    controls.querySelector("[data-find]").value = "";
    for (const one of controls.querySelectorAll("[data-filter]")) one.value = "";
    for (const one of controls.querySelectorAll("[data-column]")) one.checked = true;
    controls.querySelector("[data-changes]").value = table.dataset.changes = "all";
    choose();
    sort("", true);
    filter();
  }

  // A sentence above links to its row, which a filter may have hidden.
  function follow() {
    const target = document.getElementById(location.hash.slice(1));
    if (!target || !table.contains(target) || !target.hidden) return;
    reset();
    target.scrollIntoView();
  }

  // The heading's own words become the button that sorts by it.
  function makeButton(heading) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => step(heading.dataset.key));
    heading.append(button);
  }

  headings.forEach(makeButton);
  controls.addEventListener("input", (event) => {
    const one = event.target;
    if (one.matches("[data-column]")) choose();
    else if (one.matches("[data-changes]")) table.dataset.changes = one.value;
    else if (one.matches("[data-sort]")) sort(one.value, !one.value || firstUp(one.value));
    else filter();
  });
  controls.querySelector("[data-reset]").addEventListener("click", reset);
  window.addEventListener("hashchange", follow);
  controls.hidden = false;
})();
