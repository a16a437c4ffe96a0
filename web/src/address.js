// SPDX-License-Identifier: BSD-2-Clause
// What the page shows is in its address behind the #: a path and parameters, such as
// #/pid/42?from=…&to=…. So it can be shared, and Back goes to where one was.

export function read(hash) {
  const [path, query] = (hash || "#/").slice(1).split("?");
  return { path: path.split("/").slice(1).map(decoded), params: new URLSearchParams(query || "") };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function link(path, params = {}) {
  const query = new URLSearchParams(params).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${query ? `?${query}` : ""}`;
}

/** Changes parameters of the address that is shown; null removes one. With push, Back undoes it. */
export function change(changes, push = false) {
  const { path, params } = read(location.hash);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") params.delete(name);
    else params.set(name, value);
  }
  const to = link(path, params);
  if (to === (location.hash || "#/")) return;
  history[push ? "pushState" : "replaceState"](null, "", to);
}
