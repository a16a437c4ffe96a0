// SPDX-License-Identifier: BSD-2-Clause
// What a report says in numbers: of a process or several that are there, or of one that was killed.
import { bar, el } from "./dom.js";
import { bytes, moment, pageKinds, percent } from "./format.js";

const COVERAGE = {
  attributed: "Its creation was witnessed",
  predates: "Mapped before tracing began",
  kernel: "Mapped by exec or the kernel",
  unknown: "Not known: events were lost, or there are none",
};

function breakdownRows(b) {
  const rows = [
    ["Heap", b.runtime.heap, "k-heap"], ["Stack", b.runtime.stack, "k-stack"],
    ["Metadata", b.runtime.metadata, "k-metadata"],
    ...b.named.map((row) => [row.name, row.rss, "k-named"]),
    ...b.file_backed.map((row) => [row.name, row.rss, "k-file"]),
    ["Anonymous read-write", b.anonymous.read_write, "k-anon"],
    ["Anonymous read-only", b.anonymous.read_only, "k-anon"],
    ["Anonymous executable", b.anonymous.executable, "k-anon"], ["Other", b.other, "k-other"],
  ];
  return rows.filter((row) => row[1]);
}

function barTable(caption, rows, whole) {
  const most = Math.max(1, ...rows.map((row) => row[1]));
  return el("table", { "aria-label": caption }, el("tbody", {}, ...rows.map(([name, n, kind]) =>
    el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "n" }, bytes(n)),
      el("td", { class: "n" }, percent(n, whole), bar(n / most, kind))))));
}

function facts(report) {
  const pairs = [
    ["RSS", bytes(report.totals.rss)], ["PSS", bytes(report.totals.pss)],
    ["Swap", bytes(report.totals.swap)], ["Virtual", bytes(report.totals.virtual)],
    ...pageKinds(report.totals),
    ["Program", report.exe], ["Runtime", report.runtime],
    ["Started", report.start_time ? moment(report.start_time) : null],
    ["Cgroup", report.cgroup && report.cgroup.path],
    ["Cgroup limit", report.cgroup && report.cgroup.limit !== null
      ? bytes(report.cgroup.limit) : null],
  ];
  return el("dl", {}, ...pairs.filter((pair) => pair[1]).map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function warnings(report) {
  const { tracing } = report;
  const words = [];
  if (report.consistency === "racing")
    words.push("The process changed its map while it was read.");
  if (tracing.state === "off") words.push("Nothing is traced: there are no call sites.");
  if (tracing.state === "since_attach" && report.pid !== null)
    words.push(`It ran before tracing began (${moment(tracing.since)}).`);
  if (tracing.lost_events) words.push(`${tracing.lost_events} events were lost.`);
  return words.length ? el("p", { class: "soft" }, words.join(" ")) : null;
}

/** The parts of a report above its call sites. */
export function reportParts(report) {
  return [
    facts(report), warnings(report),
    el("section", { "aria-label": "Breakdown" }, el("h2", {}, "Where resident memory is"),
      barTable("Breakdown", breakdownRows(report.breakdown), report.totals.rss)),
    el("section", { "aria-label": "Coverage" }, el("h2", {}, "How much of it is known"),
      barTable("Coverage", Object.entries(report.coverage).map(([name, n]) =>
        [`${COVERAGE[name] || name}`, n, `c-${name}`]), report.totals.rss)),
  ].filter(Boolean);
}
