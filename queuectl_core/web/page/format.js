// Numbers and times as people read them.

import { h } from "./dom.js";

let offset_ms = 0;

// Takes over the clock of the server, which may differ from the one of this machine.
export function setClock(text) {
  const difference = Date.parse(text) - Date.now();
  offset_ms = Math.abs(difference) > 2000 ? difference : 0;
}

export function now() {
  return Date.now() + offset_ms;
}

export function number(value) {
  return Number(value).toLocaleString("en");
}

export function counted(count, word) {
  return `${number(count)} ${word}${count === 1 ? "" : "s"}`;
}

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

// Returns a length of time with at most two units: "1 h 20 min".
export function span(ms) {
  const total_s = ms / 1000;
  if (total_s < 10) return total_s < 1 ? `${Math.round(ms)} ms` : `${total_s.toFixed(1)} s`;
  let rest = Math.round(total_s);
  const parts = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count) parts.push(`${count} ${unit}`);
    else if (parts.length) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

// Returns a length of time with one unit: "3 min".
export function roughly(ms) {
  const total_s = Math.max(0, ms / 1000);
  const [unit, size] = UNITS.find(([, seconds]) => total_s >= seconds) || ["s", 1];
  return `${Math.floor(total_s / size)} ${unit}`;
}

export function bytes(size) {
  if (size < 1024) return `${size} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(size) / 10), units.length);
  const value = size / 2 ** (10 * power);
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power - 1]}`;
}

// Returns the local time of day, with the date unless it is today.
export function clock(iso) {
  const at = new Date(iso);
  const time = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  if (at.toDateString() === new Date(now()).toDateString()) return time;
  return `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${time.slice(0, 5)}`;
}

function relative(iso) {
  const difference = Date.parse(iso) - now();
  return difference > 0 ? `in ${roughly(difference + 999)}` : `${roughly(-difference)} ago`;
}

// Describes a time that says how long ago it was, and keeps saying so.
export function when(iso) {
  if (!iso) return null;
  return h("time", { datetime: iso, title: clock(iso), "data-form": "relative" }, relative(iso));
}

// Describes how long something has taken that began then.
export function since(iso) {
  if (!iso) return null;
  return h("time", { datetime: iso, title: `since ${clock(iso)}`, "data-form": "since" },
    span(now() - Date.parse(iso)));
}

const FORMS = { relative, since: (iso) => span(Math.max(0, now() - Date.parse(iso))) };

// Brings the times on the page up to date, except where text is selected.
export function tick() {
  for (const element of document.querySelectorAll("time[data-form]")) {
    const text = FORMS[element.dataset.form](element.dateTime);
    if (element.firstChild && element.firstChild.nodeValue !== text) element.firstChild.nodeValue = text;
  }
}
