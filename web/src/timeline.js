// SPDX-License-Identifier: BSD-2-Clause
// Resident memory by category over time. A range of it, chosen by dragging or by two handles that
// arrow keys move, is compared: what grew from its beginning to its end.
import { change } from "./address.js";
import { el, setText, svg } from "./dom.js";
import { bytes, clock, moment } from "./format.js";
import { growthPanel } from "./growth.js";

const CATEGORIES = ["heap", "stack", "metadata", "named", "file", "anonymous", "other"];
const SPANS = [["1h", "hour", 3600, 10], ["6h", "6 hours", 21600, 60], ["24h", "day", 86400, 300],
  ["7d", "week", 604800, 1800], ["14d", "2 weeks", 1209600, 3600]];
const WIDTH = 1000, HEIGHT = 160;
const GAP = 3; // steps without a point: nothing was known in between

function timeOf(point) {
  return new Date(point.at).getTime();
}

/** Cut where nothing is known. */
function pieces(points, step) {
  const found = [];
  points.forEach((point, i) => {
    if (!i || timeOf(point) - timeOf(points[i - 1]) > GAP * step * 1000) found.push([]);
    found[found.length - 1].push(point);
  });
  return found;
}

/** One path for each category, each on top of those before. */
function areas(points, step, x, y) {
  const lower = new Map(points.map((point) => [point, 0]));
  return CATEGORIES.map((category) => {
    let path = "";
    for (const piece of pieces(points, step)) {
      const below = piece.map((point) => `${x(point)} ${y(lower.get(point))}`);
      const above = piece.map((point) => {
        lower.set(point, lower.get(point) + (point[category] || 0));
        return `${x(point)} ${y(lower.get(point))}`;
      });
      if (piece.length === 1) path += `M${below[0]}H${x(piece[0]) + 2}V${y(lower.get(piece[0]))}H${x(piece[0])}z`;
      else path += `M${above.join("L")}L${below.reverse().join("L")}z`;
    }
    return path;
  });
}

function describe(point) {
  const parts = CATEGORIES.filter((category) => point[category])
    .map((category) => `${category} ${bytes(point[category])}`);
  return `${moment(point.at)}: ${bytes(point.rss)}; ${parts.join(", ")}`;
}

export function timeline(selector) {
  const of = selector ? `${selector}&` : "";
  const state = { data: null, problem: null, points: [], span: SPANS[0], from: null, to: null,
    started: "", get: null, timer: 0 };
  let again = () => {};
  const paths = CATEGORIES.map((category) => svg("path", { class: `t-${category}` }));
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none",
    role: "img" }, ...paths);
  const range = el("div", { class: "range", hidden: true });
  const handles = [["Beginning of the range", 0], ["End of the range", 1]].map(([label, end]) =>
    el("div", { class: "handle", role: "slider", tabindex: "0", "aria-label": label,
      onkeydown: (event) => onKey(event, end) }));
  const most = el("span", { class: "most" });
  const chart = el("div", { class: "timeline", onpointerdown: begin, onpointermove: move,
    onpointerup: end, onpointercancel: end }, picture, range, ...handles, most);
  const ends = [el("span", {}), el("span", {})];
  const hint = "Drag over it, or move its ends with the arrow keys (with Shift ten at a time), to see what grew in between.";
  const detail = el("p", { class: "moment" }, hint);
  const legend = el("ul", { class: "legend", "aria-label": "Categories" });
  const spans = el("select", { onchange: () => {
    change({ span: spans.value === "1h" ? null : spans.value, from: null, to: null }, true);
    state.span = SPANS.find(([name]) => name === spans.value);
    choose(null, null, false);
    again();
  } }, ...SPANS.map(([value, label]) => el("option", { value }, label)));
  const clear = el("button", { type: "button", hidden: true, onclick: () => {
    select(null, null, true);
    handles[0].focus();
  } }, "No range");
  const json = el("a", {}, "JSON");
  const growth = growthPanel(selector);
  const problem = el("p", { class: "soft", role: "status" });
  const body = el("div", { hidden: true }, chart, el("div", { class: "ends" }, ...ends), legend, detail);
  const element = el("section", { "aria-label": "History" }, el("h2", {}, "How it came here"),
    el("div", { class: "controls" }, el("label", {}, "Last ", spans), clear, json),
    problem, body, growth.element);

  /* --- which part of time ------------------------------------------------------------------ */

  /** The time that is shown: the last hour or more, or around a range that lies before that. */
  function shownTime() {
    const now = Date.now(), length = state.span[2] * 1000;
    const a = state.from && new Date(state.from).getTime(), b = state.to && new Date(state.to).getTime();
    if (!a || !b || a >= now - length) return { from: `-${state.span[2]}s`, to: "now", step: state.span[3] };
    const around = Math.max((b - a) / 10, 60000), whole = b - a + 2 * around;
    return { from: new Date(a - around).toISOString(), to: new Date(Math.min(b + around, now)).toISOString(),
      step: Math.max(10, Math.ceil(whole / 1000 / 360)) };
  }

  function url(time) {
    const to = time.to === "now" ? "" : `&to=${encodeURIComponent(time.to)}`;
    return `/debug/memory/history?${of}${state.started}format=json&top=1&step=${time.step}s` +
      `&from=${encodeURIComponent(time.from)}${to}`;
  }

  /* --- the range ---------------------------------------------------------------------------- */

  function nearest(at) {
    const time = new Date(at).getTime();
    let best = 0;
    state.points.forEach((point, i) => {
      if (Math.abs(timeOf(point) - time) < Math.abs(timeOf(state.points[best]) - time)) best = i;
    });
    return best;
  }

  function indices() {
    return state.from && state.to ? [nearest(state.from), nearest(state.to)]
      : [0, state.points.length - 1];
  }

  /** For the screen; what grew is asked for when the choice has come to rest. */
  function choose(from, to, settled) {
    Object.assign(state, { from, to });
    clear.hidden = !from;
    place();
    clearTimeout(state.timer);
    if (settled) growth.load(state.get, from, to, state.started);
  }

  function select(from, to, push) {
    change({ from, to }, push);
    choose(from, to, false);
    state.timer = setTimeout(() => growth.load(state.get, from, to, state.started), from ? 200 : 0);
  }

  function selectIndices(a, b, push) {
    select(state.points[a].at, state.points[b].at, push);
  }

  const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10,
    Home: -Infinity, End: Infinity };

  function onKey(event, which) {
    const last = state.points.length - 1, at = indices();
    if (event.key === "Escape") select(null, null, true);
    else if (event.key in STEPS && last > 0) {
      const by = STEPS[event.key] * (event.shiftKey ? 10 : 1);
      at[which] = which ? Math.min(last, Math.max(at[0] + 1, at[1] + by))
        : Math.max(0, Math.min(at[1] - 1, at[0] + by));
      // Back undoes a range, not each of its steps.
      selectIndices(at[0], at[1], !state.from);
      setText(detail, describe(state.points[at[which]]));
    } else return;
    event.preventDefault();
  }

  function indexAt(event) {
    const box = chart.getBoundingClientRect();
    const [first, last] = bounds();
    return nearest(first + ((last - first) * (event.clientX - box.left)) / box.width);
  }

  function begin(event) {
    if (event.button || state.points.length < 2) return;
    // A handle that is dragged leaves the other end where it is.
    const which = handles.indexOf(event.target);
    state.drag = which < 0 ? indexAt(event) : indices()[1 - which];
    state.dragged = false;
    chart.setPointerCapture(event.pointerId);
  }

  function move(event) {
    if (!state.points.length) return;
    const i = indexAt(event);
    setText(detail, describe(state.points[i]));
    if (state.drag === undefined || (i === state.drag && !state.dragged)) return;
    state.dragged = true;
    const [a, b] = [Math.min(i, state.drag), Math.max(i, state.drag)];
    choose(state.points[a].at, state.points[b].at, false);
  }

  function end() {
    const dragged = state.dragged && state.from !== state.to;
    if (state.drag !== undefined && dragged) select(state.from, state.to, true);
    state.drag = undefined;
    state.dragged = false;
  }

  /* --- drawing ------------------------------------------------------------------------------ */

  function bounds() {
    return [timeOf(state.points[0]), timeOf(state.points[state.points.length - 1])];
  }

  function place() {
    const { points } = state;
    if (points.length < 2) return;
    const [first, last] = bounds(), at = indices();
    // A range may begin and end between two points.
    const left = [state.from, state.to].map((chosen, which) => {
      const time = new Date(chosen || NaN).getTime() || timeOf(points[at[which]]);
      return (100 * (Math.min(last, Math.max(first, time)) - first)) / (last - first);
    });
    handles.forEach((handle, which) => {
      handle.style.left = `${left[which]}%`;
      handle.setAttribute("aria-valuemin", which ? at[0] + 1 : 0);
      handle.setAttribute("aria-valuemax", which ? points.length - 1 : at[1] - 1);
      handle.setAttribute("aria-valuenow", at[which]);
      handle.setAttribute("aria-valuetext", `${moment(points[at[which]].at)}, ${bytes(points[at[which]].rss)}`);
    });
    range.hidden = !state.from;
    range.style.left = `${left[0]}%`;
    range.style.width = `${left[1] - left[0]}%`;
  }

  function draw() {
    const { points } = state, step = state.data.step_s;
    const top = points.reduce((so, point) => Math.max(so, point.rss), 1);
    const [first, last] = bounds();
    const x = (point) => Math.round((WIDTH * (timeOf(point) - first)) / Math.max(1, last - first));
    const y = (n) => (HEIGHT - (HEIGHT * n) / top).toFixed(1);
    areas(points, step, x, y).forEach((path, i) => paths[i].setAttribute("d", path));
    picture.setAttribute("aria-label", `Resident memory from ${moment(points[0].at)} to ` +
      `${moment(points[points.length - 1].at)}: most ${bytes(top)}, at the end ${bytes(points[points.length - 1].rss)}`);
    setText(most, bytes(top));
    const day = last - first > 20 * 3600 * 1000 ? moment : clock;
    ends.forEach((span, i) => setText(span, day(points[i ? points.length - 1 : 0].at)));
    const here = CATEGORIES.filter((category) => points.some((point) => point[category]));
    if (legend.childElementCount !== here.length)
      legend.replaceChildren(...here.map((category) => el("li", {},
        el("span", { class: `swatch s-${category}` }), category)));
    place();
  }

  return {
    element,
    onwant: (refresh) => { again = refresh; },
    /** Whether it is of the process that started then: numbers are used again. */
    isOf(startTime) {
      return !state.started ||
        Math.abs(new Date(startTime) - new Date(state.startTime)) < 1000;
    },
    /** As the address says. */
    apply(params) {
      state.span = SPANS.find(([name]) => name === params.get("span")) || SPANS[0];
      [spans.value] = state.span;
      const started = params.get("start_time");
      state.startTime = started;
      state.started = started ? `start_time=${encodeURIComponent(started)}&` : "";
      const from = params.get("from");
      choose(from, from ? params.get("to") || new Date().toISOString() : null, Boolean(state.get));
    },
    async load(get) {
      const address = url(shownTime());
      const first = !state.get;
      state.get = get;
      json.href = address;
      try {
        state.data = await get(address);
        state.problem = state.data.points.length ? null : "Nothing is known of this time.";
        state.points = state.data.points;
      } catch (error) {
        if (error.name === "AbortError") return;
        state.problem = `There is nothing to draw: ${error.message}.`;
      }
      if (first) growth.load(get, state.from, state.to, state.started);
    },
    show() {
      problem.hidden = !state.problem;
      setText(problem, state.problem || "");
      body.hidden = !state.points.length;
      if (state.points.length && !state.dragged) draw();
    },
  };
}
