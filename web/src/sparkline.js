// SPDX-License-Identifier: BSD-2-Clause
// RSS of the last hour, from nothing to its own most, as a line of a word's size.
import { svg } from "./dom.js";
import { bytes } from "./format.js";

const WIDTH = 80, HEIGHT = 18;

export function sparkline() {
  return svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" },
    svg("path", {}));
}

/** What is null is a gap. */
export function linePath(values, x, y) {
  let path = "", open = false;
  values.forEach((value, i) => {
    if (value === null) {
      open = false;
      return;
    }
    // A single figure is a dash.
    path += open ? `L${x(i)} ${y(value)}` : `M${x(i) - 3} ${y(value)}h3`;
    open = true;
  });
  return path;
}

export function drawSparkline(element, values) {
  const known = (values || []).filter((value) => value !== null);
  const most = Math.max(1, ...known), n = values ? values.length : 0;
  const path = known.length ? linePath(values,
    (i) => 3 + Math.round(((WIDTH - 4) * i) / (n - 1)),
    (value) => (HEIGHT - 1 - ((HEIGHT - 2) * value) / most).toFixed(1)) : "";
  if (element.firstChild.getAttribute("d") === path) return;
  element.firstChild.setAttribute("d", path);
  element.setAttribute("aria-label", known.length
    ? `from ${bytes(known[0])} to ${bytes(known[known.length - 1])}, most ${bytes(most)}`
    : "not known");
}
