// SPDX-License-Identifier: BSD-2-Clause
// Amounts and times as people read them. null and undefined are what is not known.

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** 1024-based, as in /proc and in the text report: "1.4 GB". */
export function bytes(n) {
  if (n === null || n === undefined) return "–";
  const sign = n < 0 ? "−" : "";
  let value = Math.abs(n), unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${sign}${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** What the kernel counts beside RSS; true: of note beside a call site, too. */
const KINDS = [
  ["hugetlb", "HugeTLB, not in RSS", true], ["lazyfree", "Freed lazily, in RSS", true],
  ["ksm", "Merged by KSM", true], ["anon_huge_pages", "Transparent huge pages", false],
  ["shmem_pmd_mapped", "Huge pages, shared", false], ["file_pmd_mapped", "Huge pages, files", false],
];

/** [label, amount] of each kind of page that there is any of. */
export function pageKinds(of, ofNote) {
  return KINDS.filter(([key, , note]) => of[key] && (note || !ofNote))
    .map(([key, label]) => [label, bytes(of[key])]);
}

export function change(n) {
  if (n === null || n === undefined) return "–";
  return n > 0 ? `+${bytes(n)}` : bytes(n);
}

export function percent(part, whole) {
  if (!whole) return "0 %";
  const value = (100 * part) / whole;
  return value > 0 && value < 0.1 ? "< 0.1 %" : `${value.toFixed(value < 10 ? 1 : 0)} %`;
}

/** "21:31:07" of an ISO time, in the reader's time zone. */
export function clock(iso) {
  return iso ? new Date(iso).toLocaleTimeString([], { hour12: false }) : "–";
}

export function moment(iso) {
  return iso ? new Date(iso).toLocaleString([], { hour12: false }) : "–";
}

export function baseName(path) {
  return path ? path.slice(path.lastIndexOf("/") + 1) || path : "";
}

export function frameName(frame) {
  if (frame.note) return `[${frame.note}]`;
  if (frame.function) return frame.function;
  return `${frame.module ? `${baseName(frame.module)}+` : ""}${frame.offset}`;
}

/** Names of classes as CSS classes: "anonymous read-write" → "k-anonymous-read-write". */
export function classOf(name) {
  return `k-${name.replace(/[^a-z]+/g, "-")}`;
}
