// SPDX-License-Identifier: BSD-2-Clause
// The processes of the node: a table that can be sorted and filtered.
import { select } from "d3-selection/src/index.js";
import { bar, el, keepingFocus, setText } from "./dom.js";
import { bytes, change } from "./format.js";

const COLUMNS = [
  { key: "comm", label: "Process" },
  { key: "pid", label: "PID", number: true },
  { key: "rss", label: "RSS", number: true, show: bytes },
  { key: "pss", label: "PSS", number: true, show: bytes },
  { key: "growth", label: "Growth", number: true, show: change },
  { key: "largest_name", label: "Largest name" },
];

// Growth since memprov saw a process first, where it tells that; else since this page did.
const seenFirst = new Map();

function withGrowth(row) {
  const key = `${row.pid} ${row.comm}`;
  if (!seenFirst.has(key)) seenFirst.set(key, row.rss);
  return { ...row, growth: row.growth ?? row.rss - seenFirst.get(key) };
}

/** Numbers of processes are used again; the map must not grow with every one there ever was. */
function forgetGone(rows) {
  const here = new Set(rows.map((row) => `${row.pid} ${row.comm}`));
  for (const key of seenFirst.keys()) if (!here.has(key)) seenFirst.delete(key);
}

/** What is not known comes last, whichever way is sorted. */
function compare(key, descending) {
  return (a, b) => {
    const x = a[key], y = b[key];
    const missing = (x === null || x === undefined) - (y === null || y === undefined);
    if (missing) return missing;
    const order = typeof x === "string" ? x.localeCompare(y) : x - y;
    return (descending ? -order : order) || a.pid - b.pid;
  };
}

function fits(row, wanted) {
  return `${row.comm || ""}\n${row.pid}\n${row.largest_name || ""}`.toLowerCase().includes(wanted);
}

function newRow(tr) {
  for (const column of COLUMNS) {
    if (column.key === "comm") {
      tr.append("th").attr("scope", "row").attr("role", "rowheader").append("a");
      continue;
    }
    const td = tr.append("td").attr("role", "cell").attr("class", column.number ? "n" : null)
      .attr("data-label", column.label);
    td.append("span");
    if (column.key === "rss") td.append(() => bar(0));
  }
  return tr;
}

function fillRow(tr, row, largest) {
  const link = tr.querySelector("a");
  link.href = `#/pid/${row.pid}`;
  setText(link, row.comm || `(process ${row.pid})`);
  COLUMNS.slice(1).forEach((column, i) => {
    const td = tr.children[i + 1], value = row[column.key];
    setText(td.firstChild, column.show ? column.show(value) : String(value ?? ""));
    td.hidden = !td.firstChild.textContent && column.key === "largest_name" &&
      matchMedia("(max-width: 40rem)").matches;
  });
  tr.querySelector(".fill").style.width = `${(100 * row.rss) / (largest || 1)}%`;
}

function sortBy(state, key, descending) {
  state.key = key;
  state.descending = descending;
  draw(state);
}

function head(state) {
  const heads = COLUMNS.map((column) => {
    const button = el("button", { type: "button", onclick: () =>
      sortBy(state, column.key, state.key === column.key ? !state.descending
        : Boolean(column.number)) }, column.label);
    const th = el("th", { scope: "col", role: "columnheader",
      class: column.number ? "n" : null }, button);
    state.heads.set(column.key, th);
    return th;
  });
  return el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...heads));
}

/** On a narrow screen there are no headings to press. */
function sortChoice(state) {
  const options = COLUMNS.map((c) => el("option", { value: c.key }, c.label));
  state.choice = el("select", { onchange: (event) => sortBy(state, event.target.value,
    Boolean(COLUMNS.find((c) => c.key === event.target.value).number)) }, ...options);
  return el("label", { class: "sorts" }, "Sort by ", state.choice);
}

function draw(state) {
  const wanted = state.filter.value.trim().toLowerCase();
  const all = state.data.processes;
  const rows = all.filter((row) => fits(row, wanted)).sort(compare(state.key, state.descending));
  const largest = Math.max(...all.map((row) => row.rss));

  for (const [key, th] of state.heads) {
    if (key === state.key) th.setAttribute("aria-sort", state.descending ? "descending"
      : "ascending");
    else th.removeAttribute("aria-sort");
  }
  state.choice.value = state.key;
  keepingFocus(() => {
    select(state.body).selectAll("tr").data(rows, (row) => row.pid)
      .join((enter) => newRow(enter.append("tr").attr("role", "row")))
      .order()
      .each(function each(row) { fillRow(this, row, largest); });
  });
  const unreadable = state.data.unreadable_processes;
  setText(state.count, `${rows.length} of ${all.length} processes` +
    (unreadable ? `; ${unreadable} more could not be read` : ""));
}

export function processesView() {
  const state = { key: "rss", descending: true, heads: new Map() };
  state.filter = el("input", { type: "search", placeholder: "name, PID or region",
    autocomplete: "off", spellcheck: "false", oninput: () => state.data && draw(state) });
  state.count = el("span", { class: "soft", role: "status" });
  state.body = el("tbody", { role: "rowgroup" });
  const table = el("table", { class: "cards", role: "table" },
    el("caption", { class: "hidden" }, "Processes of this node. Growth is since memprov saw " +
      "a process first, or since this page did"), head(state), state.body);
  const element = el("div", {}, el("h2", {}, "Processes"),
    el("div", { class: "controls" }, el("label", {}, "Filter ", state.filter),
      sortChoice(state), state.count, el("a", { href: "#/node" }, "The whole node")), table);
  return {
    element,
    title: () => "memprov",
    async load(get) {
      state.data = await get("/debug/memory/processes?format=json");
      forgetGone(state.data.processes);
      state.data.processes = state.data.processes.map(withGrowth);
      return state.data.taken_at;
    },
    show: () => draw(state),
  };
}
