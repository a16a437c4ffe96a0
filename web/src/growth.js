// SPDX-License-Identifier: BSD-2-Clause
// What grew between two moments: by call site, name and category.
import { byChoice, siteEntry, siteTitle } from "./callsites.js";
import { el, setText } from "./dom.js";
import { baseName, bytes, change, moment } from "./format.js";

const ROWS = 100;

function amounts(row) {
  return el("span", { class: "soft" }, ` ${bytes(row.a)} → ${bytes(row.b)}`);
}

function siteRow(row) {
  const module = row.owner && row.owner.module ? ` in ${baseName(row.owner.module)}` : "";
  return siteEntry(row, el("summary", {}, el("span", { class: "n" }, change(row.growth)),
    el("code", {}, siteTitle(row)), el("span", { class: "soft" }, module), amounts(row)));
}

function changed(section) {
  return section.rows.filter((row) => row.growth).slice(0, ROWS);
}

function nameTable(label, section) {
  const rows = changed(section);
  if (!rows.length) return null;
  return el("section", { "aria-label": `${label} that changed` }, el("h3", {}, label),
    el("table", { "aria-label": label }, el("tbody", {}, ...rows.map((row) => el("tr", {},
      el("th", { scope: "row" }, row.name), el("td", { class: "n" }, change(row.growth)),
      el("td", { class: "n" }, bytes(row.a)), el("td", { class: "n" }, bytes(row.b)))))));
}

export function growthPanel(selector) {
  const state = { key: "", by: "map", data: null };
  const of = selector ? `${selector}&` : "";
  const words = el("p", { role: "status" });
  const sites = el("div", {});
  const rest = el("div", {});
  const json = el("a", {}, "JSON");
  const choice = byChoice(state.by, (by) => {
    state.by = by;
    showSites();
  });
  const details = el("div", { hidden: true }, el("div", { class: "controls" }, choice, json), sites, rest);
  const element = el("section", { "aria-label": "What grew", hidden: true },
    el("h2", {}, "What grew"), words, details);

  function showSites() {
    const section = state.data[state.by === "touch" ? "touched" : "callsites"];
    const rows = changed(section);
    const others = section.others && section.others.growth;
    sites.replaceChildren(...rows.map(siteRow),
      rows.length ? "" : el("p", { class: "soft" }, "No call site grew or shrank."),
      others ? el("p", { class: "soft" }, `${change(others)} in others`) : "");
  }

  function show(data) {
    const { rss } = data.totals;
    state.data = data;
    details.hidden = false;
    setText(words, `From ${moment(data.a.taken_at)} to ${moment(data.b.taken_at)}: RSS ` +
      `${change(rss.growth)}, ${bytes(rss.a)} → ${bytes(rss.b)}.`);
    showSites();
    rest.replaceChildren(...[nameTable("Names", data.names), nameTable("Categories", data.categories)]
      .filter(Boolean));
  }
  return {
    element,
    /** Asks once for each range; null: none is chosen. */
    async load(get, from, to, started) {
      const key = from && to ? `/debug/memory/diff?${of}${started}top=${ROWS}&format=json` +
        `&from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}` : "";
      if (key === state.key) return;
      state.key = key;
      element.hidden = !key;
      details.hidden = true;
      json.href = key;
      if (!key || !get) return;
      setText(words, "Comparing…");
      try {
        const data = await get(key, null);
        if (state.key === key) show(data);
      } catch (error) {
        if (state.key === key) setText(words, `They could not be compared: ${error.message}.`);
      }
    },
  };
}
