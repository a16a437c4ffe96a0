// SPDX-License-Identifier: BSD-2-Clause
// The page at "/": which view the address names, and when it is loaded again.
import { setText } from "./dom.js";
import { clock } from "./format.js";
import { processView } from "./process.js";
import { processesView } from "./processes.js";

const main = document.getElementById("main");
const status = document.getElementById("status");
const problem = document.getElementById("problem");
const pause = document.getElementById("pause");
const every = document.getElementById("every");
const state = { view: null, paused: false, timer: 0, abort: null };

async function get(path) {
  const response = await fetch(path, { signal: state.abort.signal, cache: "no-store" });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error.message);
  return body;
}

function viewOf(address) {
  const match = /^#\/pid\/(\d{1,7})$/.exec(address);
  if (match) return processView(Number(match[1]));
  return address === "#/node" ? processView(null) : processesView();
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
  if (!state.paused && !document.hidden) state.timer = setTimeout(load, every.value * 1000);
}

function open() {
  const before = state.view;
  state.view = viewOf(location.hash);
  if (state.view.onwant) state.view.onwant(load);
  main.replaceChildren(state.view.element);
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
addEventListener("hashchange", open);
document.addEventListener("visibilitychange", () =>
  (document.hidden || state.paused ? plan() : load()));
open();
