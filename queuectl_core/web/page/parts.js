// Small pieces that several views share.

import { h } from "./dom.js";
import { clock } from "./format.js";
import { say } from "./said.js";

const SIGNS = { pending: "○", processing: "▶", completed: "✓", failed: "↻", dead: "✕" };
const WORDS = { processing: "running", failed: "retrying" };

// What people call a state: a failed job is one that waits for its retry.
export function word(state) {
  return WORDS[state] || state;
}

export function badge(state, isSuspended) {
  const name = isSuspended ? "suspended" : word(state);
  return h("span", { class: `state ${isSuspended ? "pending" : state}` },
    h("span", { class: "sign", "aria-hidden": "true" }, isSuspended ? "❚❚" : SIGNS[state] || "·"), name);
}

export function sign(state) {
  return h("span", { class: `sign ${state}`, "aria-hidden": "true" }, SIGNS[state]);
}

// Describes a command, cut by the style sheet to one line; the title has all of it.
export function command(text, props) {
  return h("code", { class: "command", title: text, ...props }, text);
}

export function jobLink(id, props) {
  return h("a", { href: jobAddress(id), class: "id", title: id, ...props }, id);
}

function jobAddress(id) {
  return `#/jobs/${encodeURIComponent(id)}`;
}

export function button(label, onclick, props) {
  return h("button", { type: "button", onclick, ...props }, label);
}

export function section(title, props, ...content) {
  const { side, level = "h2", ...rest } = props || {};
  return h("section", { "aria-label": title, ...rest },
    h("div", { class: "head" }, h(level, {}, title), side || null), ...content);
}

export function empty(text) {
  return h("p", { class: "empty" }, text);
}

// Describes a notice: `kind` is "bad", "warn" or "note". It has a word besides its colour.
export function notice(kind, text, ...more) {
  const lead = { bad: "Stopped", warn: "Attention", note: "Note" }[kind];
  return h("div", { class: `notice ${kind}`, key: text }, h("strong", {}, lead),
    h("span", {}, sentence(text)), ...more);
}

const SPECIAL = /`([^`]*)`|(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)/;

// Describes a sentence of the queue: commands in backquotes as code, and times as this browser tells them.
export function sentence(text) {
  const parts = text.replace(/; for its output, run `[^`]*`/, "").split(SPECIAL);
  return parts.map((part, index) => {
    if (!part || index % 3 === 0) return part;
    return index % 3 === 1 ? h("code", {}, part) : h("time", { datetime: part }, clock(part));
  });
}

// Describes why a job waits, without what to do about it: in a list, the same advice would stand in each row.
export function cause(job) {
  return sentence((job.why?.text || job.reason || "").replace(/;[^;`]*`[^`]*`[^;]*$/, ""));
}

export function facts(pairs) {
  const given = pairs.filter(([, value]) => value !== null && value !== undefined && value !== ""
    && value !== false);
  return h("dl", { class: "facts" }, given.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

// Copies text. Where the browser refuses, says so; the text is on the page to select.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("copied");
  } catch {
    say("this browser does not copy here; select the text instead");
  }
}
