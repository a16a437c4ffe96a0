// SPDX-License-Identifier: BSD-2-Clause
// The containers of the node and the pods that they are of, summed over their processes.
import { link } from "./address.js";
import { el } from "./dom.js";
import { bytes, change } from "./format.js";
import { links } from "./links.js";
import { table } from "./table.js";

const COLUMNS = [
  { key: "name", label: "Container" },
  { key: "podName", label: "Pod", href: (row) => link(["pod", row.namespace, row.pod]) },
  { key: "processes", label: "Processes", number: true },
  { key: "rss", label: "RSS", number: true, show: bytes },
  { key: "pss", label: "PSS", number: true, show: bytes },
  { key: "growth", label: "Growth", number: true, show: change },
  { key: "trend", label: "Last hour", trend: true },
];

/** Unknown where one is unknown; a trend's figure where none is known. */
function sum(a, b) {
  return a === null || b === null ? null : a + b;
}

function sumTrends(a, b) {
  if (!a || !b) return a || b;
  return a.map((value, i) => (value === null ? b[i] : value + (b[i] || 0)));
}

function add(rows, process) {
  const { id, pod, namespace, name, runtime } = process.container;
  const row = rows.get(id);
  if (row) {
    for (const key of ["rss", "pss", "growth"]) row[key] = sum(row[key], process[key]);
    row.trend = sumTrends(row.trend, process.trend);
    row.processes++;
    return;
  }
  const podName = pod ? `${namespace}/${pod}` : null;
  rows.set(id, { id, pod, namespace, podName, processes: 1, rss: process.rss, pss: process.pss,
    growth: process.growth, trend: process.trend, name: name || id.slice(0, 12),
    href: link(["container", id]), words: [name, podName, id, runtime].join("\n") });
}

export function containersView() {
  let data;
  const containers = table({ columns: COLUMNS, filterLabel: "name, pod or id", what: "containers",
    caption: "Containers of this node, each the sum of its processes" });
  const none = el("p", { class: "soft" }, "No process of this node that can be read is in a container.");
  const element = el("div", {}, el("h2", {}, "Containers and pods"),
    links("", { json: "/debug/memory/processes?format=json", text: "/debug/memory/processes" }),
    none, containers.element);
  return {
    element,
    title: () => "Containers: memprov",
    filter: containers.filter,
    async load(get) {
      data = await get("/debug/memory/processes?format=json&trend=20");
      return data.taken_at;
    },
    apply: (params) => containers.apply(params),
    show() {
      const rows = new Map();
      for (const process of data.processes) if (process.container) add(rows, process);
      none.hidden = rows.size > 0;
      containers.element.hidden = !rows.size;
      containers.update([...rows.values()]);
    },
  };
}
