// SPDX-License-Identifier: BSD-2-Clause
// From the stacks of /debug/memory/flamegraph?format=json to a tree of frames with positions.
import { hierarchy, partition } from "d3-hierarchy/src/index.js";
import { frameName } from "./format.js";

/** What is measured: of which stacks, and where in their bytes, after the class. */
export const RSS = ["stacks", 1], MAPPED = ["stacks", 2], TOUCHED = ["touched", 1];

function node(key, name, module, note) {
  return { key, name, module, note, self: 0, own: null, kids: new Map() };
}

function child(parent, key, make) {
  let found = parent.kids.get(key);
  if (!found) {
    found = make();
    parent.kids.set(key, found);
  }
  return found;
}

function add(to, kind, bytes) {
  to.own = to.own || new Map();
  to.own.set(kind, (to.own.get(kind) || 0) + bytes);
  to.self += bytes;
}

/** Bytes of one class belong to the innermost frame; those of several get a frame for each. */
function addStack(root, data, stack, place) {
  const bytes = stack.bytes.filter((entry) => entry[place] > 0);
  if (!bytes.length) return;
  let at = root;
  for (const index of stack.frames) {
    const frame = data.frames[index];
    const parent = at;
    at = child(parent, index, () =>
      node(`${parent.key}/${index}`, frameName(frame), frame.module || null, Boolean(frame.note)));
  }
  for (const entry of bytes) {
    const kind = entry[0];
    let leaf = at;
    if (bytes.length > 1) {
      const parent = at;
      leaf = child(parent, `class ${kind}`, () =>
        node(`${parent.key}/c${kind}`, `(${data.classes[kind]})`, null, true));
    }
    add(leaf, kind, entry[place]);
  }
}

/** Notes stand behind code; among equals the larger comes first. */
function order(a, b) {
  return a.data.note - b.data.note || b.value - a.value || (a.data.key < b.data.key ? -1 : 1);
}

/** Sums of a frame by class, largest first: [[class, bytes], …]. */
function sumClasses(root) {
  root.eachAfter((at) => {
    const sums = new Map(at.data.own || []);
    for (const kid of at.children || [])
      for (const [kind, bytes] of kid.sums) sums.set(kind, (sums.get(kind) || 0) + bytes);
    at.sums = new Map([...sums].sort((a, b) => b[1] - a[1]));
  });
}

export function rootName(data) {
  return data.pid === null ? "node" : `${data.comm || "process"} ${data.pid}`;
}

/** d3's hierarchy; x0 and x1 lie between 0 and 1, depth counts from the root. */
export function flameTree(data, [stacks, place]) {
  const top = node("", rootName(data), null, false);
  for (const stack of data[stacks]) addStack(top, data, stack, place);
  const root = hierarchy(top, (d) => (d.kids.size ? [...d.kids.values()] : null))
    .sum((d) => d.self)
    .sort(order);
  sumClasses(root);
  return partition()(root);
}
