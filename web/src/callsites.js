// SPDX-License-Identifier: BSD-2-Clause
// Call sites, each with its stack to unfold.
import { select } from "d3-selection/src/index.js";
import { el, keepingFocus, setText } from "./dom.js";
import { baseName, bytes, clock, frameName, pageKinds } from "./format.js";

function frameLine(frame, owner) {
  const where = frame.file ? `${baseName(frame.file)}${frame.line ? `:${frame.line}` : ""}` : "";
  const isOwner = owner && frame.function === owner.function && frame.module === owner.module;
  return el("li", {}, el("code", { class: isOwner ? "owner" : null }, frameName(frame)),
    frame.inlined ? " (inlined)" : null,
    el("span", { class: "soft" }, frame.module ? ` ${frame.module}` : "", where ? ` ${where}` : ""));
}

/** What stays the same as long as it is the same call site; its id is only its rank. */
function keyOf(site) {
  return (site.samples === undefined ? "map\n" : "touch\n") + site.stack.map((f) => `${f.module}+${f.offset} ${f.function}`).join("\n") +
    (site.stack.length ? "" : `none ${site.first_seen}`);
}

function title(site) {
  if (site.owner && (site.owner.function || site.owner.module))
    return site.owner.function || baseName(site.owner.module);
  return site.stack.length ? frameName(site.stack[0]) : "(no stack)";
}

function newSite(site) {
  const stack = el("ol", {}, ...site.stack.map((frame) => frameLine(frame, site.owner)));
  return el("details", {},
    el("summary", {}, el("span", { class: "n rss" }), el("code", {}, title(site)),
      el("span", { class: "soft more" })),
    el("p", { class: "soft seen" }), stack,
    site.truncated ? el("p", { class: "soft" }, "Truncated: what called this is not known.") : null);
}

function plural(n, what) {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

/** What there is to say of a site but its stack: of one that mapped memory, of one that touched it. */
const ABOUT = {
  map: {
    more: (site) => `${bytes(site.mapped)} mapped in ${plural(site.regions, "region")}` +
      pageKinds(site, true).map(([label, amount]) => `; ${label}: ${amount}`).join(""),
    seen: (site) => `In all ${bytes(site.total_mapped)} mapped, ` +
      `${bytes(site.total_unmapped)} unmapped; `,
  },
  touch: {
    more: (site) => `± ${bytes(site.rss_error)}, ${plural(site.samples, "sample")}`,
    seen: () => "",
  },
};

function fillSite(element, site, about) {
  const of = site.owner || site.stack[0];
  const module = of && of.module ? ` in ${baseName(of.module)}` : "";
  setText(element.querySelector(".rss"), bytes(site.rss));
  setText(element.querySelector(".more"), `${module}, ${about.more(site)}`);
  const seen = `${about.seen(site)}first seen ${clock(site.first_seen)}, last ` +
    `${clock(site.last_seen)}; stack by ${site.stack_source}.`;
  setText(element.querySelector(".seen"), seen[0].toUpperCase() + seen.slice(1));
}

/** Of what no site tells. */
function untold({ touch }) {
  if (touch.state !== "on")
    return `First touches are not sampled (${touch.state}).`;
  return `${bytes(touch.unsampled)} of ${bytes(touch.resident)} of anonymous and shared memory ` +
    "have no sample: what touched them first is not known.";
}

let lists = 0;

export function callsiteList() {
  const state = { by: "map", report: null };
  const list = el("div", {});
  const none = el("p", { class: "soft" }, "There are none.");
  const note = el("p", { class: "soft untold" });
  const name = `by-${++lists}`;
  const radio = (by, label) => el("label", {}, el("input", { type: "radio", name, value: by,
    checked: by === state.by, onchange: () => { state.by = by; show(); } }), ` ${label}`);
  const element = el("section", { "aria-label": "Call sites" }, el("h2", {}, "Call sites"),
    el("div", { class: "controls" }, el("fieldset", {},
      el("legend", { class: "hidden" }, "Whose call sites"),
      radio("map", "what mapped it"), radio("touch", "what touched it"))),
    none, note, list);

  function show() {
    const { report, by } = state;
    const sites = by === "touch" ? report.touch.sites
      : report.callsites.filter((site) => site.rss || site.mapped);
    note.hidden = by !== "touch";
    setText(note, by === "touch" ? untold(report) : "");
    none.hidden = sites.length > 0;
    keepingFocus(() => {
      select(list).selectAll("details").data(sites, keyOf)
        .join((enter) => enter.append((site) => newSite(site)))
        .order()
        .each(function each(site) { fillSite(this, site, ABOUT[by]); });
    });
  }
  element.update = (report) => {
    state.report = report;
    show();
  };
  return element;
}
