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

export function siteTitle(site) {
  if (site.owner && (site.owner.function || site.owner.module))
    return site.owner.function || baseName(site.owner.module);
  return site.stack && site.stack.length ? frameName(site.stack[0]) : "(no stack)";
}

/** An entry to unfold; its stack is made when it is: thousands of entries have 30 frames each. */
export function siteEntry(site, ...head) {
  const entry = el("details", { ontoggle: () => {
    if (entry.open && !entry.querySelector("ol"))
      entry.append(el("ol", {}, ...site.stack.map((frame) => frameLine(frame, site.owner))),
        ...site.truncated
          ? [el("p", { class: "soft" }, "Truncated: what called this is not known.")] : []);
  } }, ...head);
  return entry;
}

function newSite(site) {
  return siteEntry(site, el("summary", {}, el("span", { class: "n rss" }),
    el("code", {}, siteTitle(site)), el("span", { class: "soft more" })),
  el("p", { class: "soft seen" }));
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

/** Whose call sites: of what mapped memory, or of what touched it first. */
export function byChoice(by, choose) {
  const name = `by-${++lists}`;
  const inputs = [["map", "what mapped it"], ["touch", "what touched it"]].map(([value, label]) =>
    el("label", {}, el("input", { type: "radio", name, value, checked: value === by,
      onchange: () => choose(value) }), ` ${label}`));
  return el("fieldset", {}, el("legend", { class: "hidden" }, "Whose call sites"), ...inputs);
}

/** more: what to do when more of them are wanted; none: there are no more. */
export function callsiteList(more = null) {
  const state = { by: "map", report: null, top: 0 };
  const list = el("div", {});
  const none = el("p", { class: "soft" }, "There are none.");
  const note = el("p", { class: "soft untold" });
  const button = el("button", { type: "button", hidden: true, onclick: more }, "Show more");
  const element = el("section", { "aria-label": "Call sites" }, el("h2", {}, "Call sites"),
    el("div", { class: "controls" }, byChoice(state.by, (by) => {
      state.by = by;
      show();
    })), none, note, list, el("p", {}, button));

  function show() {
    const { report, by } = state;
    const sites = by === "touch" ? report.touch.sites
      : report.callsites.filter((site) => site.rss || site.mapped);
    note.hidden = by !== "touch";
    setText(note, by === "touch" ? untold(report) : "");
    none.hidden = sites.length > 0;
    button.hidden = !more || sites.length < state.top;
    keepingFocus(() => {
      select(list).selectAll("details").data(sites, keyOf)
        .join((enter) => enter.append((site) => newSite(site)))
        .order()
        .each(function each(site) { fillSite(this, site, ABOUT[by]); });
    });
  }
  /** top: how many were asked for. */
  element.update = (report, top) => {
    Object.assign(state, { report, top });
    show();
  };
  return element;
}
