// SPDX-License-Identifier: BSD-2-Clause
// Elements from names, attributes and text. Text goes in as text nodes only: whatever a process
// or a region is called, it is shown and never run. There is no innerHTML in this program.

export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** A bar of a share, for the eye only: the number stands beside it. */
export function bar(share, kind = "") {
  const fill = el("span", { class: `fill ${kind}` });
  fill.style.width = `${Math.min(100, 100 * share)}%`;
  return el("span", { class: "bar", "aria-hidden": "true" }, fill);
}

/** Text that changes only when it must, so that screen readers do not repeat it. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Runs what changes the document; the focused element keeps the focus. */
export function keepingFocus(change) {
  const focused = document.activeElement;
  change();
  if (focused && focused !== document.activeElement && focused.isConnected)
    focused.focus({ preventScroll: true });
}
