// SPDX-License-Identifier: BSD-2-Clause
// One process, or the node: what it holds, how much of that is known, and its call sites.
import { callsiteList } from "./callsites.js";
import { bar, el } from "./dom.js";
import { flameGraph } from "./flame.js";
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

function links(pid) {
  const query = pid === null ? "" : `?pid=${pid}`;
  const and = query ? `${query}&` : "?";
  return el("p", { class: "links" },
    el("a", { href: `/debug/memory/flamegraph${query}` }, "Flame graph to save"),
    el("a", { href: `/debug/memory${query}` }, "Text"),
    el("a", { href: `/debug/memory${and}format=json&all=1` }, "JSON"),
    el("a", { href: `/debug/memory${and}format=folded` }, "Folded stacks"));
}

function heading(report) {
  return report.pid === null ? "The whole node" : `${report.comm} ${report.pid}`;
}

/** pid is null for the node. */
export function processView(pid) {
  const state = { report: null, flame: null, all: false };
  const title = el("h2", { tabindex: "-1" }, pid === null ? "The whole node" : `Process ${pid}`);
  const summary = el("div", {});
  const graph = flameGraph();
  const sites = callsiteList();
  let again = () => {};
  const all = el("input", { type: "checkbox", onchange: () => {
    state.all = all.checked;
    again();
  } });
  // Nothing in the summary can have the focus: it is made anew each time.
  const whole = el("div", { hidden: true }, links(pid), summary,
    el("section", { "aria-label": "Flame graph" }, el("h2", {}, "Flame graph"), graph), sites,
    el("p", {}, el("label", {}, all, " all call sites, not only the 50 largest")));
  const element = el("div", {}, el("p", {}, el("a", { href: "#/" }, "← All processes")), title,
    whole);

  function show() {
    const { report } = state;
    title.textContent = heading(report);
    whole.hidden = false;
    summary.replaceChildren(...[
      facts(report), warnings(report),
      el("section", { "aria-label": "Breakdown" }, el("h2", {}, "Where resident memory is"),
        barTable("Breakdown", breakdownRows(report.breakdown), report.totals.rss)),
      el("section", { "aria-label": "Coverage" }, el("h2", {}, "How much of it is known"),
        barTable("Coverage", Object.entries(report.coverage).map(([name, n]) =>
          [`${COVERAGE[name] || name}`, n, `c-${name}`]), report.totals.rss)),
    ].filter(Boolean));
    graph.update(state.flame);
    sites.update(report);
  }
  return {
    element,
    show,
    title: () => (state.report ? `${heading(state.report)}: memprov` : "memprov"),
    onwant: (refresh) => { again = refresh; },
    async load(get) {
      const of = pid === null ? "" : `pid=${pid}&`;
      [state.report, state.flame] = await Promise.all([
        get(`/debug/memory?${of}format=json&${state.all ? "all=1" : "top=50"}`),
        get(`/debug/memory/flamegraph?${of}format=json`)]);
      return state.report.taken_at;
    },
  };
}
