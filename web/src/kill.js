// SPDX-License-Identifier: BSD-2-Clause
// One kill for want of memory: who, for which limit, at whose wish, and what it had just before.
import { link } from "./address.js";
import { callsiteList, siteEntry, siteTitle } from "./callsites.js";
import { el } from "./dom.js";
import { bytes, change, moment } from "./format.js";
import { links } from "./links.js";
import { reportParts } from "./report.js";

const BEFORE_MS = 3600 * 1000;

function nameOf(process) {
  return `${process.comm || "process"} ${process.pid}`;
}

function facts({ at, scope, cgroup, limit, victim, trigger, report }) {
  const { container } = victim;
  const from = new Date(new Date(at) - BEFORE_MS).toISOString();
  const before = link(["pid", victim.pid], { from, to: at,
    ...report && report.start_time ? { start_time: report.start_time } : {} });
  const pairs = [
    ["Killed", moment(at)],
    ["Victim", el("a", { href: before }, `${nameOf(victim)}, its last hour`)],
    ["Its RSS", bytes(victim.rss)],
    ["Short of memory", scope === "node" ? "the node" : `cgroup ${cgroup}`],
    ["Limit", bytes(limit)],
    ["Trigger", trigger.pid === victim.pid ? "the victim itself" : nameOf(trigger)],
    ["oom_score_adj", victim.oom_score_adj],
    ["Container", container && el("a", { href: link(["container", container.id]) },
      container.pod ? `${container.namespace}/${container.pod} ${container.name || ""}`
        : container.id.slice(0, 12))],
  ];
  return el("dl", {}, ...pairs.filter(([, value]) => value !== null).map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function section(title, ...children) {
  return el("section", { "aria-label": title }, el("h2", {}, title), ...children);
}

function growthSection(growth) {
  return section("What grew before", ...growth.map((entry) => {
    const words = el("summary", {}, el("span", { class: "n" }, change(entry.growth)),
      el("code", {}, entry.name || siteTitle(entry)));
    return entry.stack ? siteEntry(entry, words) : el("p", {}, words.textContent);
  }));
}

export function killView(id) {
  let oom = null;
  const element = el("div", {}, el("h2", { tabindex: "-1" }, `Kill ${id}`));
  const title = () => (oom ? `${nameOf(oom.victim)}, killed for want of memory` : `Kill ${id}`);

  function parts() {
    const address = `/debug/memory/oom/${id}`;
    const sites = callsiteList();
    const reportOf = oom.report
      ? [el("h2", {}, `Its last report, ${oom.report.age_ms} ms before`),
        ...reportParts(oom.report), sites]
      : [el("p", { class: "soft" }, "No report of it was taken before: it came too fast, or too soon after memprov's start.")];
    if (oom.report) sites.update(oom.report, Infinity);
    return [el("h2", { tabindex: "-1" }, title()),
      links("", { json: `${address}?format=json`, text: address, only: true }), facts(oom),
      oom.growth && oom.growth.length ? growthSection(oom.growth) : null,
      section("Others in the same place", oom.others.length
        ? el("ul", { class: "news" }, ...oom.others.map((other) => el("li", {},
          el("a", { href: link(["pid", other.pid]) }, nameOf(other)), ` ${bytes(other.rss)}`)))
        : el("p", { class: "soft" }, "There were none.")),
      ...reportOf].filter(Boolean);
  }
  return {
    element,
    once: true, // it does not change
    title: () => `${title()}: memprov`,
    async load(get) {
      [oom] = (await get(`/debug/memory/oom/${encodeURIComponent(id)}?format=json`)).ooms;
      return oom.at;
    },
    show: () => element.replaceChildren(...parts()),
  };
}
