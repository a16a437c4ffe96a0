// SPDX-License-Identifier: BSD-2-Clause
// What is on the screen, for other programs.
import { el } from "./dom.js";

/** selector: "pid=42", "pod=NS/NAME", …, "" for the node; json and text: instead of a report's,
 * only: there is no profile. */
export function links(selector, { json, text, only } = {}) {
  const query = selector ? `?${selector}` : "";
  const and = query ? `${query}&` : "?";
  const a = (href, name) => el("a", { href }, name);
  return el("p", { class: "links" },
    a(json || `/debug/memory${and}format=json&all=1`, "JSON"),
    a(text || `/debug/memory${query}`, "Text"),
    ...only ? [] : [a(`/debug/memory/pprof${query}`, "pprof")],
    ...json ? [] : [
      a(`/debug/memory${and}format=folded`, "Folded stacks"),
      a(`/debug/memory/flamegraph${query}`, "Flame graph to save")]);
}
