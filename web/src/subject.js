// SPDX-License-Identifier: BSD-2-Clause
// One process, pod or container, or the node: how it came here, what it holds, and its call sites.
import { change, link } from "./address.js";
import { callsiteList } from "./callsites.js";
import { el } from "./dom.js";
import { flameGraph } from "./flame.js";
import { bytes } from "./format.js";
import { links } from "./links.js";
import { reportParts } from "./report.js";
import { timeline } from "./timeline.js";

const MEMBERS = 20;
const TOP = 50, TOP_MAX = 10000; // call sites at first, and at most
const STACKS = 1000; // of the graph; the rest are one frame

/** The largest processes of several. */
function members(report) {
  const largest = report.processes.slice(0, MEMBERS);
  return el("section", { "aria-label": "Processes" }, el("h2", {}, "Processes"),
    el("ul", { class: "news" }, ...largest.map((row) => el("li", {},
      el("a", { href: link(["pid", row.pid]) }, `${row.comm || "process"} ${row.pid}`),
      ` ${bytes(row.rss)}`))),
    report.processes.length > MEMBERS
      ? el("p", { class: "soft" }, `and ${report.processes.length - MEMBERS} smaller ones`) : null);
}

/** selector: as in the address of its report, "" for the node; name: as far as it is known. */
export function subjectView(selector, name) {
  const state = { report: null, flame: null, top: TOP };
  const of = selector ? `${selector}&` : "";
  const isProcess = selector.startsWith("pid=");
  const title = el("h2", { tabindex: "-1" }, name);
  const summary = el("div", {});
  const past = timeline(selector);
  const graph = flameGraph();
  let again = () => {};
  const sites = callsiteList(() => {
    state.top = Math.min(TOP_MAX, state.top + 100);
    change({ sites: state.top });
    again();
  });
  // Nothing in the summary can have the focus but the links to processes: it is made anew each time.
  const whole = el("div", { hidden: true }, summary,
    el("section", { "aria-label": "Flame graph" }, el("h2", {}, "Flame graph"), graph), sites);
  const element = el("div", {}, title, links(selector), past.element, whole);

  function heading() {
    const { report } = state, container = report && report.container;
    if (report && isProcess) return `${report.comm} ${report.pid}`;
    return container && container.name
      ? `Container ${container.name} of ${container.namespace}/${container.pod}` : name;
  }
  return {
    element,
    title: () => `${heading()}: memprov`,
    onwant(refresh) {
      again = refresh;
      past.onwant(refresh);
    },
    apply(params) {
      state.top = Math.min(TOP_MAX, Number.parseInt(params.get("sites"), 10) || TOP);
      past.apply(params);
    },
    async load(get) {
      // What is gone has a history, and no report.
      const history = past.load(get);
      try {
        [state.report, state.flame] = await Promise.all([
          get(`/debug/memory?${of}format=json&top=${state.top}`),
          get(`/debug/memory/flamegraph?${of}format=json&top=${STACKS}`)]);
      } finally {
        await history;
        past.show();
      }
      if (!past.isOf(state.report.start_time))
        throw new Error("the process that started then is gone: its history is left");
      return state.report.taken_at;
    },
    show() {
      const { report } = state;
      title.textContent = heading();
      whole.hidden = false;
      summary.replaceChildren(...reportParts(report),
        ...report.processes && selector ? [members(report)] : []);
      graph.update(state.flame);
      sites.update(report, state.top);
    },
  };
}
