// SPDX-License-Identifier: BSD-2-Clause
// A table that can be sorted and filtered. So many rows at first, the rest on request: a browser
// takes its time for 2,000. How it is sorted and filtered is in the address.
import { select } from "d3-selection/src/index.js";
import { change } from "./address.js";
import { bar, el, keepingFocus, setText } from "./dom.js";
import { drawSparkline, sparkline } from "./sparkline.js";

const ROWS = 200;
const NARROW = "(max-width: 40rem)";

/** What is not known comes last, whichever way is sorted. */
function compare(key, descending) {
  return (a, b) => {
    const x = a[key], y = b[key];
    const missing = (x === null || x === undefined) - (y === null || y === undefined);
    if (missing) return missing;
    const order = typeof x === "string" ? x.localeCompare(y) : x - y;
    return (descending ? -order : order) || (a.id < b.id ? -1 : 1);
  };
}

function newRow(tr, columns) {
  columns.forEach((column, i) => {
    if (!i) {
      tr.append("th").attr("scope", "row").attr("role", "rowheader").append("a");
      return;
    }
    const td = tr.append("td").attr("role", "cell").attr("class", column.number ? "n" : null)
      .attr("data-label", column.label);
    if (column.trend) td.append(() => sparkline());
    else td.append(column.href ? "a" : "span");
    if (column.key === "rss") td.append(() => bar(0));
  });
  return tr;
}

function fillCell(td, column, row) {
  const inner = td.firstChild, value = row[column.key];
  if (column.trend) {
    drawSparkline(inner, value);
    td.hidden = !value && matchMedia(NARROW).matches;
    return;
  }
  setText(inner, column.show ? column.show(value) : String(value ?? ""));
  if (column.href && value) inner.href = column.href(row);
  td.hidden = !inner.textContent && !column.number && matchMedia(NARROW).matches;
}

function fillRow(tr, row, columns, largest) {
  const anchor = tr.querySelector("a");
  anchor.href = row.href;
  setText(anchor, row[columns[0].key] || row.otherwise);
  columns.slice(1).forEach((column, i) => fillCell(tr.children[i + 1], column, row));
  tr.querySelector(".fill").style.width = `${(100 * row.rss) / (largest || 1)}%`;
}

/** columns: the first is what a row is called; { key, label, number, show, trend, href }. */
export function table({ columns, caption, filterLabel, what }) {
  const state = { key: "rss", descending: true, limit: ROWS, rows: [], heads: new Map(), note: "" };
  const sortable = columns.filter((column) => !column.trend);

  function sortBy(key, descending) {
    change({ sort: key === "rss" && descending ? null : `${descending ? "-" : ""}${key}` });
    Object.assign(state, { key, descending });
    draw();
  }

  const heads = columns.map((column) => {
    const th = el("th", { scope: "col", role: "columnheader", class: column.number ? "n" : null },
      column.trend ? column.label : el("button", { type: "button", onclick: () =>
        sortBy(column.key, state.key === column.key ? !state.descending
          : Boolean(column.number)) }, column.label));
    state.heads.set(column.key, th);
    return th;
  });
  const filter = el("input", { type: "search", placeholder: filterLabel, autocomplete: "off",
    spellcheck: "false", oninput: () => {
      change({ q: filter.value });
      draw();
    } });
  // On a narrow screen there are no headings to press.
  const choice = el("select", { onchange: () => sortBy(choice.value,
    Boolean(columns.find((c) => c.key === choice.value).number)) },
  ...sortable.map((c) => el("option", { value: c.key }, c.label)));
  const count = el("span", { class: "soft", role: "status" });
  const body = el("tbody", { role: "rowgroup" });
  const more = el("button", { type: "button", onclick: () => {
    const first = state.limit;
    state.limit += ROWS;
    draw();
    body.children[first].querySelector("a").focus();
  } });

  function draw() {
    const wanted = filter.value.trim().toLowerCase();
    const fits = state.rows.filter((row) => row.words.toLowerCase().includes(wanted))
      .sort(compare(state.key, state.descending));
    const shown = fits.slice(0, state.limit);
    const largest = state.rows.reduce((most, row) => Math.max(most, row.rss), 0);
    for (const [key, th] of state.heads) {
      if (key === state.key) th.setAttribute("aria-sort", state.descending ? "descending"
        : "ascending");
      else th.removeAttribute("aria-sort");
    }
    choice.value = state.key;
    keepingFocus(() => {
      select(body).selectAll("tr").data(shown, (row) => row.id)
        .join((enter) => newRow(enter.append("tr").attr("role", "row"), columns))
        .order()
        .each(function each(row) { fillRow(this, row, columns, largest); });
    });
    setText(count, `${fits.length} of ${state.rows.length} ${what}${state.note}`);
    more.hidden = fits.length <= shown.length;
    setText(more, `Show more: ${fits.length - shown.length} are left`);
  }

  const element = el("div", {}, el("div", { class: "controls" },
    el("label", {}, "Filter ", filter), el("label", { class: "sorts" }, "Sort by ", choice), count),
  el("table", { class: "cards", role: "table" }, el("caption", { class: "hidden" }, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...heads)), body),
  el("p", {}, more));
  return {
    element,
    filter,
    /** Sorted and filtered as the address says. */
    apply(params) {
      const [, minus, key] = /^(-?)(\w*)$/.exec(params.get("sort") || "-rss") || [];
      const column = sortable.find((c) => c.key === key);
      state.key = column ? key : "rss";
      state.descending = column ? minus === "-" : true;
      filter.value = params.get("q") || "";
      draw();
    },
    update(rows, note = "") {
      Object.assign(state, { rows, note });
      draw();
    },
  };
}
