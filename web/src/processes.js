// SPDX-License-Identifier: BSD-2-Clause
// The first page: kills and alerts, and the processes of the node.
import { link } from "./address.js";
import { el } from "./dom.js";
import { bytes, change } from "./format.js";
import { links } from "./links.js";
import { newsOf } from "./news.js";
import { table } from "./table.js";

const COLUMNS = [
  { key: "comm", label: "Process" },
  { key: "pid", label: "PID", number: true },
  { key: "rss", label: "RSS", number: true, show: bytes },
  { key: "pss", label: "PSS", number: true, show: bytes },
  { key: "growth", label: "Growth", number: true, show: change },
  { key: "trend", label: "Last hour", trend: true },
  { key: "largest_name", label: "Largest name" },
];

// Growth since memprov saw a process first, where it tells that; else since this page did.
const seenFirst = new Map();

function rowOf(process) {
  const key = `${process.pid} ${process.comm}`;
  if (!seenFirst.has(key)) seenFirst.set(key, process.rss);
  return {
    ...process,
    id: process.pid,
    growth: process.growth ?? process.rss - seenFirst.get(key),
    href: link(["pid", process.pid]),
    otherwise: `(process ${process.pid})`,
    words: `${process.comm || ""}\n${process.pid}\n${process.largest_name || ""}`,
  };
}

/** Numbers of processes are used again; the map must not grow with every one there ever was. */
function forgetGone(rows) {
  const here = new Set(rows.map((row) => `${row.pid} ${row.comm}`));
  for (const key of seenFirst.keys()) if (!here.has(key)) seenFirst.delete(key);
}

export function processesView() {
  let data;
  const news = newsOf();
  const processes = table({ columns: COLUMNS, filterLabel: "name, PID or region",
    what: "processes", caption: "Processes of this node. Growth is since memprov saw " +
      "a process first, or since this page did" });
  const element = el("div", {}, news.element, el("h2", {}, "Processes"),
    links("", { json: "/debug/memory/processes?format=json", text: "/debug/memory/processes" }),
    processes.element);
  return {
    element,
    title: () => "memprov",
    filter: processes.filter,
    async load(get) {
      [data] = await Promise.all([get("/debug/memory/processes?format=json&trend=20"),
        news.load(get)]);
      forgetGone(data.processes);
      return data.taken_at;
    },
    apply: (params) => processes.apply(params),
    show() {
      const unreadable = data.unreadable_processes;
      news.show();
      processes.update(data.processes.map(rowOf),
        unreadable ? `; ${unreadable} more could not be read` : "");
    },
  };
}
