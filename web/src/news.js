// SPDX-License-Identifier: BSD-2-Clause
// What a person should see first: who grows abnormally, and who was killed for want of memory.
import { link } from "./address.js";
import { el } from "./dom.js";
import { bytes, change, moment } from "./format.js";
import { siteTitle } from "./callsites.js";

const FIRST = 5;

/** A memprov that has no alerts is not asked again: each refusal is a line on the console. */
let alertsUnknown = false;

async function getAlerts(get) {
  if (alertsUnknown) return null;
  try {
    return (await get("/debug/memory/alerts?format=json")).alerts;
  } catch (error) {
    if (error.status !== 404) throw error;
    alertsUnknown = true;
    return null;
  }
}

function perMinute(slope) {
  return `${change(Math.round(slope * 60))} a minute`;
}

function alertItem(alert) {
  const group = alert.container && !alert.pid;
  const name = group ? alert.container.name || alert.container.id.slice(0, 12)
    : `${alert.comm || "process"} ${alert.pid}`;
  const href = group ? link(["container", alert.container.id])
    : link(["pid", alert.pid], alert.since ? { from: alert.since } : {});
  const [site] = alert.callsites || [], [named] = alert.names || [];
  const maps = alert.kind === "map_count";
  const words = [
    maps ? "its mappings come near vm.max_map_count" : perMinute(alert.slope_bytes_per_s),
    maps ? null : `RSS ${bytes(alert.rss)}`,
    alert.limit_at ? `at its limit ${moment(alert.limit_at)}` : null,
    site ? `${siteTitle(site)} ${maps ? "" : change(site.growth)}` : null,
    named ? `${named.name} ${change(named.growth)}` : null,
  ];
  return el("li", { class: `alert ${alert.state}` }, el("strong", {}, alert.state), " ",
    el("a", { href }, name), ` since ${moment(alert.since)}: `,
    words.filter(Boolean).join("; "));
}

export function killItem(oom) {
  const { victim, trigger } = oom;
  const other = trigger.pid && trigger.pid !== victim.pid
    ? `, when ${trigger.comm || "process"} ${trigger.pid} wanted more` : "";
  return el("li", {}, `${moment(oom.at)} `,
    el("a", { href: link(["oom", oom.id]) }, `${victim.comm || "process"} ${victim.pid}`),
    ` with ${bytes(victim.rss)} at the limit of ${bytes(oom.limit)} of ` +
    `${oom.cgroup || "the node"}${other}${oom.report ? "" : "; no report of it"}`);
}

function section(title, none, newItem) {
  const state = { items: [], all: false, shown: "" };
  const empty = el("p", { class: "soft" }, none);
  const list = el("ul", { class: "news" });
  const more = el("button", { type: "button", onclick: () => {
    state.all = true;
    draw();
  } });
  const element = el("section", { "aria-label": title }, el("h2", {}, title), empty, list, more);

  function draw() {
    const items = state.all ? state.items : state.items.slice(0, FIRST);
    const text = JSON.stringify(items);
    empty.hidden = items.length > 0;
    more.hidden = items.length === state.items.length;
    more.textContent = `Show all ${state.items.length}`;
    // Links that are the same stay, and the focus with them.
    if (text !== state.shown) list.replaceChildren(...items.map(newItem));
    state.shown = text;
  }
  return {
    element,
    update(items) {
      element.hidden = !items;
      state.items = items || [];
      draw();
    },
  };
}

/** Most recent first, and what is firing before what has been resolved. */
function inOrder(alerts) {
  const rank = (alert) => ["firing", "pending", "resolved"].indexOf(alert.state);
  return [...alerts].sort((a, b) => rank(a) - rank(b) || (a.since < b.since ? 1 : -1));
}

export function newsOf() {
  let alerts = null, ooms = [];
  const growing = section("Growing abnormally", "Nothing grows abnormally.", alertItem);
  const killed = section("Killed for want of memory",
    "Nothing was killed for want of memory since memprov began to watch.", killItem);
  return {
    element: el("div", { class: "two" }, killed.element, growing.element),
    async load(get) {
      [{ ooms }, alerts] = await Promise.all([
        get("/debug/memory/oom?format=json&reports=0"), getAlerts(get)]);
    },
    show() {
      killed.update(ooms);
      growing.update(alerts && inOrder(alerts));
    },
  };
}
