// SPDX-License-Identifier: BSD-2-Clause
// The page at "/": which view the address names, and when it is loaded again.
import { read } from "./address.js";
import { containersView } from "./containers.js";
import { setText } from "./dom.js";
import { clock } from "./format.js";
import { killView } from "./kill.js";
import { processesView } from "./processes.js";
import { subjectView } from "./subject.js";

const main = document.getElementById("main");
const status = document.getElementById("status");
const problem = document.getElementById("problem");
const pause = document.getElementById("pause");
const every = document.getElementById("every");
const state = { view: null, where: null, paused: false, timer: 0, abort: null };

/** Given up when the page loads anew, unless it has a signal of its own, or null. */
async function get(path, signal = state.abort.signal) {
  const response = await fetch(path, { signal, cache: "no-store" });
  const body = await response.json();
  if (!response.ok) throw Object.assign(new Error(body.error.message), { status: response.status });
  return body;
}

function viewOf([kind, ...rest]) {
  const [first, second] = rest;
  if (kind === "pid" && /^\d{1,7}$/.test(first))
    return subjectView(`pid=${first}`, `Process ${first}`);
  if (kind === "pod" && second)
    return subjectView(`pod=${encodeURIComponent(`${first}/${second}`)}`, `Pod ${first}/${second}`);
  if (kind === "container" && first)
    return subjectView(`container=${encodeURIComponent(first)}`, `Container ${first.slice(0, 12)}`);
  if (kind === "oom" && first) return killView(first);
  if (kind === "node") return subjectView("", "The whole node");
  return kind === "containers" ? containersView() : processesView();
}

/** One at a time; the next is planned when this one is done, so a slow node is not pressed. */
async function load() {
  const { view } = state;
  clearTimeout(state.timer);
  if (state.abort) state.abort.abort();
  state.abort = new AbortController();
  const { signal } = state.abort;
  try {
    const takenAt = await view.load(get);
    if (signal.aborted) return;
    view.show();
    document.title = view.title();
    problem.hidden = true;
    setText(status, `As of ${clock(takenAt)}${state.paused ? ", paused" : ""}`);
  } catch (error) {
    if (signal.aborted) return;
    setText(problem, `Could not load: ${error.message}`);
    problem.hidden = false;
  }
  plan();
}

function plan() {
  clearTimeout(state.timer);
  if (!state.paused && !document.hidden && !(state.view.once && problem.hidden))
    state.timer = setTimeout(load, every.value * 1000);
}

function open() {
  const { path, params } = read(location.hash);
  const where = path.join("/");
  const before = state.view;
  if (before && where === state.where) {
    // Back, or a link to another state of the same.
    if (before.apply) before.apply(params);
    load();
    return;
  }
  state.where = where;
  state.view = viewOf(path);
  if (state.view.onwant) state.view.onwant(load);
  main.replaceChildren(state.view.element);
  for (const a of document.querySelectorAll("nav a"))
    if (read(a.hash).path.join("/") === where) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  if (state.view.apply) state.view.apply(params);
  // A chosen link moves the focus to its target; a first load leaves the focus alone.
  if (before) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  load();
}

pause.addEventListener("click", () => {
  state.paused = !state.paused;
  pause.setAttribute("aria-pressed", String(state.paused));
  if (state.paused) {
    setText(status, `${status.textContent}, paused`);
    plan();
  } else {
    load();
  }
});
document.getElementById("now").addEventListener("click", load);
every.addEventListener("change", plan);
// The part behind the # names the view, so the skip link must not change it.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("keydown", (event) => {
  const { filter } = state.view;
  if (event.key !== "/" || !filter || event.target.matches("input, select")) return;
  event.preventDefault();
  filter.focus();
});
addEventListener("hashchange", open);
document.addEventListener("visibilitychange", () =>
  (document.hidden || state.paused ? plan() : load()));
open();
