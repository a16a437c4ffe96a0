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
  return site.stack.map((f) => `${f.module}+${f.offset} ${f.function}`).join("\n") +
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

function fillSite(element, site) {
  const of = site.owner || site.stack[0];
  const module = of && of.module ? ` in ${baseName(of.module)}` : "";
  setText(element.querySelector(".rss"), bytes(site.rss));
  setText(element.querySelector(".more"), `${module}, ${bytes(site.mapped)} mapped in ` +
    `${site.regions} region${site.regions === 1 ? "" : "s"}` +
    pageKinds(site, true).map(([label, amount]) => `; ${label}: ${amount}`).join(""));
  setText(element.querySelector(".seen"), `In all ${bytes(site.total_mapped)} mapped, ` +
    `${bytes(site.total_unmapped)} unmapped; first seen ${clock(site.first_seen)}, last ` +
    `${clock(site.last_seen)}; stack by ${site.stack_source}.`);
}

export function callsiteList() {
  const list = el("div", {});
  const none = el("p", { class: "soft" }, "There are none.");
  const element = el("section", { "aria-label": "Call sites" }, el("h2", {}, "Call sites"),
    none, list);
  element.update = (sites) => {
    none.hidden = sites.length > 0;
    keepingFocus(() => {
      select(list).selectAll("details").data(sites, keyOf)
        .join((enter) => enter.append((site) => newSite(site)))
        .order()
        .each(function each(site) { fillSite(this, site); });
    });
  };
  return element;
}
