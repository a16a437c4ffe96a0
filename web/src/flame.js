// SPDX-License-Identifier: BSD-2-Clause
// The flame graph, root on top. A tree for keyboard and screen reader: arrow keys walk it, Enter
// zooms, Escape goes back to the whole.
import { select } from "d3-selection/src/index.js";
import { el, keepingFocus, setText } from "./dom.js";
import { flameTree, MAPPED, RSS, TOUCHED } from "./flametree.js";
import { bytes, classOf, percent } from "./format.js";

const ROW = 24; // px; also the least size of a target that WCAG asks for
const NARROWEST = 2; // px; what is narrower is not drawn

/** Resident memory by what mapped it, all of that mapped, or resident memory by what touched it. */
const MEASURES = [[RSS, "resident", "rss"], [MAPPED, "mapped", "mapped"], [TOUCHED, "touched", "touched"]];

function measureName(measure) {
  return MEASURES.find(([which]) => which === measure)[1];
}

function controls(state) {
  const radio = ([measure, label, value]) => {
    const input = el("input", { type: "radio", name: state.name, value,
      checked: measure === state.measure, onchange: () => state.show({ measure }) });
    return el("label", {}, input, ` ${label}`);
  };
  state.search = el("input", { type: "search", placeholder: "function or module",
    autocomplete: "off", spellcheck: "false", oninput: () => state.show({}) });
  state.reset = el("button", { type: "button", disabled: true,
    onclick: () => state.zoom(state.root) }, "Whole graph");
  return el("div", { class: "controls" },
    el("fieldset", {}, el("legend", { class: "hidden" }, "What is measured"),
      ...MEASURES.map(radio)),
    el("label", {}, "Search ", state.search), state.reset);
}

function describe(state, node) {
  const classes = [...node.sums].map(([kind, n]) => `${state.data.classes[kind]} ${bytes(n)}`);
  const module = node.data.module ? ` in ${node.data.module}` : "";
  return `${node.data.name}${module}: ${bytes(node.value)}, ` +
    `${percent(node.value, state.root.value)}; ${classes.join(", ")}`;
}

function matches(state) {
  const wanted = state.search.value.trim().toLowerCase();
  if (!wanted) return null;
  const found = new Set();
  state.found = 0;
  state.root.each((node) => {
    const text = `${node.data.name}\n${node.data.module || ""}`.toLowerCase();
    node.within = Boolean(node.parent && node.parent.within);
    if (!text.includes(wanted)) return;
    found.add(node);
    if (!node.within) state.found += node.value; // every byte once
    node.within = true;
  });
  return found;
}

/** The frame that an arrow key leads to. */
function neighbour(node, key, drawn) {
  const siblings = node.parent ? node.parent.children.filter((n) => drawn.has(n)) : [node];
  const place = siblings.indexOf(node);
  switch (key) {
    case "ArrowUp": return node.parent;
    case "ArrowDown": return (node.children || []).find((n) => drawn.has(n));
    case "ArrowLeft": return siblings[place - 1];
    case "ArrowRight": return siblings[place + 1];
  }
  return null;
}

function onKey(state, event, node) {
  const to = neighbour(node, event.key, state.drawn);
  if (to && state.drawn.has(to)) state.focus(to);
  else if (event.key === "Enter" || event.key === " ") state.zoom(node);
  else if (event.key === "Escape" || event.key === "Home") state.zoom(state.root);
  else if (!event.key.startsWith("Arrow")) return;
  event.preventDefault();
}

/** What of the tree is seen at this zoom: the way up from the zoomed frame, and all below it. */
function visible(state, width) {
  const { x0, x1 } = state.at;
  const shown = [];
  state.narrow = 0;
  const visit = (node) => {
    if (node.x1 <= x0 || node.x0 >= x1) return;
    const left = Math.max(0, (node.x0 - x0) / (x1 - x0));
    const right = Math.min(1, (node.x1 - x0) / (x1 - x0));
    if ((right - left) * width < NARROWEST) {
      state.narrow++;
      return;
    }
    shown.push({ node, left, width: right - left });
    for (const kid of node.children || []) visit(kid);
  };
  visit(state.root);
  return shown;
}

function draw(state) {
  const shown = visible(state, state.graph.clientWidth || 800);
  const found = matches(state);
  const depth = Math.max(...shown.map((d) => d.node.depth));
  state.drawn = new Map();
  state.graph.style.height = `${(depth + 1) * ROW}px`;
  if (!shown.some((d) => d.node.data.key === state.tabbed)) state.tabbed = state.at.data.key;
  keepingFocus(() => {
    select(state.graph).selectAll("div").data(shown, (d) => d.node.data.key)
      .join((enter) => enter.append("div").attr("role", "treeitem"))
      .order()
      .each(function frame(d) {
        const kind = d.node.sums.keys().next().value;
        state.drawn.set(d.node, this);
        this.className = `frame ${kind === undefined ? "" : classOf(state.data.classes[kind])}` +
          `${d.node.depth < state.at.depth ? " above" : ""}${d.node.data.note ? " note" : ""}` +
          `${found ? (found.has(d.node) ? " match" : " dim") : ""}`;
        this.style.left = `${100 * d.left}%`;
        this.style.width = `${100 * d.width}%`;
        this.style.top = `${d.node.depth * ROW}px`;
        this.tabIndex = d.node.data.key === state.tabbed ? 0 : -1;
        this.dataset.bytes = d.node.value;
        this.setAttribute("aria-level", d.node.depth + 1);
        this.setAttribute("aria-label", describe(state, d.node));
        if (d.node.children) this.setAttribute("aria-expanded", "true");
        setText(this, d.node.data.name);
        this.onclick = () => state.zoom(d.node);
        this.onkeydown = (event) => onKey(state, event, d.node);
        this.onfocus = () => setText(state.detail, describe(state, d.node));
        this.onmouseenter = this.onfocus;
      });
  });
  summarise(state, found);
}

function summarise(state, found) {
  const what = measureName(state.measure);
  state.total.dataset.bytes = state.root.value;
  setText(state.total, `${bytes(state.root.value)} ${what} in all`);
  const notes = [];
  if (found) notes.push(`${found.size} frames found, ${bytes(state.found)}, ` +
    percent(state.found, state.root.value));
  if (state.narrow) notes.push(`${state.narrow} frames are too narrow to draw here`);
  setText(state.status, notes.join("; "));
  state.reset.disabled = state.at === state.root;
  state.legend.replaceChildren(...[...state.root.sums].map(([kind, n]) =>
    el("li", {}, el("span", { class: `swatch ${classOf(state.data.classes[kind])}` }),
      `${state.data.classes[kind]} ${bytes(n)}`)));
}

let graphs = 0;

/** An element with the graph in it; .update(data) shows another state of the same process. */
export function flameGraph(first = RSS) {
  const state = { name: `measure-${++graphs}`, measure: first, data: null };
  state.graph = el("div", { class: "flame", role: "tree", "aria-label": "Flame graph" });
  state.total = el("strong", { class: "total" });
  state.status = el("span", { role: "status" });
  state.detail = el("p", { class: "detail" }, "Choose a frame to read about it. Arrow keys walk, " +
    "Enter zooms, Escape shows the whole.");
  state.legend = el("ul", { class: "legend", "aria-label": "Classes of memory" });
  const element = el("div", { class: "flamegraph" }, controls(state),
    el("p", {}, state.total, " ", state.status), state.legend, state.graph, state.detail);

  state.focus = (node) => {
    state.tabbed = node.data.key;
    for (const [other, frame] of state.drawn) frame.tabIndex = other === node ? 0 : -1;
    state.drawn.get(node).focus();
  };
  state.zoom = (node) => {
    const focused = state.graph.contains(document.activeElement);
    state.at = node;
    state.tabbed = node.data.key;
    draw(state);
    if (focused) state.focus(node);
  };
  state.show = ({ data = state.data, measure = state.measure }) => {
    const at = state.at && state.at.data.key;
    if (data !== state.data || measure !== state.measure || !state.root) {
      state.root = flameTree(data, measure);
      state.at = state.root;
      // The frame that was zoomed into, if it is still there.
      state.root.each((node) => {
        if (at && node.data.key === at && node.value) state.at = node;
      });
    }
    Object.assign(state, { data, measure });
    draw(state);
  };
  new ResizeObserver(() => state.data && draw(state)).observe(state.graph);
  element.update = (data) => state.show({ data });
  return element;
}
