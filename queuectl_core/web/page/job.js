// One job: why it is in its state, its attempts on a time line, its output, and what depends on it.

import { actOn, actOnOne, edit, move } from "./act.js";
import { attemptBar } from "./chart.js";
import { h, mounted, s } from "./dom.js";
import { bytes, clock, now, number, since, span, when } from "./format.js";
import { Output } from "./output.js";
import { badge, button, empty, facts, jobLink, section, sentence } from "./parts.js";
import { get } from "./server.js";

const TIMELINE = 40; // the most attempts that the table shows at once

let output = null;
let events = null; // the history in words, once a person asks for it

export const title = ({ id }) => id;
export const equalCommand = ({ id }) => `queuectl show ${id}`;

export async function load({ id }, signal) {
  const path = `api/jobs/${encodeURIComponent(id)}`;
  const data = await get(path, signal);
  if (events) events = (await get(`${path}/history`, signal)).events;
  return data;
}

export function leave() {
  output?.stop();
  output = events = null;
}

export function hide() {
  output?.stop();
}

export function fit() {
  output?.fit();
}

export function concerns({ id }, event) {
  return !event.id || event.id === id;
}

export function draw(data, app) {
  const { job } = data;
  if (output?.id !== job.id) {
    leave();
    output = new Output(job.id);
    output.update(job.history);
  } else if (output.attempts !== job.history) output.update(job.history);
  return [
    h("div", { class: "head jobhead" },
      h("h1", {}, badge(job.state, job.suspended), " ", h("span", { class: "id" }, job.id)),
      app.canWrite && tools(job, app)),
    h("pre", { class: "commandline", "aria-label": "Command" }, job.command),
    h("p", { class: "whyline" }, h("strong", {}, "Why: "),
      sentence(data.why?.text || job.reason || job.state)),
    h("div", { class: "columns" },
      h("div", { class: "wide" }, attempts(job),
        job.history.length > 0 && section("Output", {}, mounted(output.element))),
      h("div", { class: "narrow" },
        section("Facts", {}, about(job)),
        waitsFor(data), dependants(data), ahead(data), history(job, app),
        h("details", {}, h("summary", {}, "Full record"),
          h("pre", { class: "record" }, JSON.stringify(job, null, 2))))),
  ];
}

function tools(job, app) {
  const { state, id } = job;
  const target = { ids: [id] };
  const gone = () => app.go("/jobs", {});
  const isWaiting = state === "pending" || state === "failed";
  return h("div", { class: "tools" },
    state === "dead" && button("Retry", () => actOnOne("retry", id, app.refresh), { class: "main" }),
    state === "dead" && button("Retry with dependants…", () => actOn("dlq-retry", target, app.refresh)),
    isWaiting && job.next_run_at && button("Run now", () => actOnOne("retry", id, app.refresh),
      { class: "main" }),
    state === "pending" && !job.waits_for && button("Move to front", () => move(id, "front", app.refresh)),
    (isWaiting || state === "dead") && button(state === "dead" ? "Edit and retry…" : "Edit…",
      () => edit(job, app.refresh)),
    state === "processing" && button(job.suspended ? "Continue" : "Suspend",
      () => actOnOne(job.suspended ? "continue" : "suspend", id, app.refresh)),
    (isWaiting || state === "processing") && button("Cancel…", () => actOn("cancel", target, app.refresh),
      { class: "grave" }),
    state !== "processing" && button("Delete…", () => actOn("rm", target, gone), { class: "grave" }));
}

function about(job) {
  const spent = job.history.filter((attempt) => attempt.cpu_ms !== null && attempt.cpu_ms !== undefined);
  const peak = Math.max(...job.history.map((attempt) => attempt.peak_bytes || 0), 0);
  return facts([
    ["Name", job.name], ["Queue", h("a", { href: `#/jobs?queue=${encodeURIComponent(job.queue)}` },
      job.queue)],
    ["Batch", job.batch && h("a", { href: `#/jobs?batch=${encodeURIComponent(job.batch)}` }, job.batch)],
    ["Tags", job.tags && Object.entries(job.tags).map(([name, value]) =>
      h("span", { class: "tag", key: name }, `${name}=${value}`))],
    ["Schedule", job.schedule], ["Added", when(job.created_at)], ["Changed", when(job.updated_at)],
    ["Next run", when(job.next_run_at)], ["Worker", job.worker],
    ["Attempts", `${job.attempts} of ${job.max_retries + 1}`],
    ["Processor time", spent.length ? span(spent.reduce((sum, attempt) => sum + attempt.cpu_ms, 0)) : null],
    ["Memory, at most", peak ? bytes(peak) : null],
    ["Priority", job.priority || null], ["Time limit", job.timeout ? span(job.timeout * 1000) : null],
    ["Folder", h("code", {}, job.cwd)], ["Environment", job.env && Object.keys(job.env).join(", ")],
  ]);
}

// Describes the attempts as a table with a bar each on one scale: waited or backed off, then ran.
function attempts(job) {
  if (!job.history.length) return section("Attempts", {}, empty("It has not run yet."));
  const first = Date.parse(job.created_at);
  const last = Math.max(...job.history.map((attempt) =>
    (attempt.ended_at ? Date.parse(attempt.ended_at) : now())));
  const begins = [first, ...job.history.map((attempt) => Date.parse(attempt.ended_at || attempt.started_at))];
  const shown = job.history.map((attempt, index) => [attempt, index]).slice(-TIMELINE);
  return section("Attempts", { side: legend() }, h("table", { class: "rows attempts" },
    h("thead", {}, h("tr", {}, ["#", "Time line", "Waited", "Ran", "CPU", "Memory", "Result"].map((name) =>
      h("th", { scope: "col", key: name, class: /Waited|Ran|CPU|Memory/.test(name) ? "num" : "" }, name)))),
    h("tbody", {}, shown.map(([attempt, index]) => attemptRow(attempt, index,
      { from: begins[index], first, last })))));
}

function legend() {
  const part = (kind, text) => h("span", { key: kind },
    s("svg", { class: "attempt legend", viewBox: "0 0 24 14", "aria-hidden": "true" },
    kind === "completed" ? s("rect", { class: kind, x: 0, y: 3, width: 24, height: 8, rx: 2 }) : s("line",
      { class: kind, x1: 0, x2: 24, y1: 7, y2: 7 })), ` ${text}`);
  return h("span", { class: "legends quiet" }, part("wait", "waited"), part("backoff", "backed off"),
    part("completed", "ran"));
}

function attemptRow(attempt, index, { from, first, last }) {
  const began = Date.parse(attempt.started_at);
  const ended = attempt.ended_at ? began + (attempt.duration_ms ?? Date.parse(attempt.ended_at) - began)
    : now();
  const waited = Math.max(0, began - from);
  const waitedWord = index ? "backed off" : "waited";
  const result = resultOf(attempt);
  return h("tr", { key: index },
    h("td", {}, attempt.attempt),
    h("td", { class: "timeline" }, attemptBar({ from, began, ended, first, last,
      kind: { waited: index ? "backoff" : "wait", ran: result.kind },
      label: `${waitedWord} ${span(waited)}, ran ${span(ended - began)}, ${result.text}` })),
    h("td", { class: "num", title: waitedWord }, span(waited)),
    h("td", { class: "num", title: `started ${clock(attempt.started_at)} on ${attempt.worker}` },
      attempt.ended_at ? span(attempt.duration_ms ?? ended - began) : since(attempt.started_at)),
    h("td", { class: "num" }, attempt.cpu_ms === null || attempt.cpu_ms === undefined ? "–"
      : span(attempt.cpu_ms)),
    h("td", { class: "num" }, attempt.peak_bytes ? bytes(attempt.peak_bytes) : "–"),
    h("td", { class: "why" }, h("span", { class: `sign ${result.kind}`, "aria-hidden": "true" },
      result.sign), " ", result.text));
}

function resultOf(attempt) {
  if (!attempt.outcome) return { kind: "processing", sign: "▶", text: "running" };
  const { outcome, exit_code, reason } = attempt;
  if (outcome === "exit" && exit_code === 0) return { kind: "completed", sign: "✓", text: "exit code 0" };
  return { kind: "dead", sign: "✕", text: reason || outcome };
}

function waitsFor({ after = [] }) {
  return after.length > 0 && section("Waits for", {}, jobList(after));
}

function dependants({ dependants: jobs = [] }) {
  return jobs.length > 0 && section("Jobs that wait for it", {}, jobList(jobs));
}

function ahead({ ahead: ids = [] }) {
  return ids.length > 0 && section("Ahead of it", {}, jobList(ids.map((id) => (id.id ? id : { id }))));
}

function jobList(jobs) {
  return h("ul", { class: "plain" }, jobs.map((job) =>
    h("li", { key: job.id }, job.state && badge(job.state), " ", jobLink(job.id))));
}

function history(job, app) {
  const show = async (event) => {
    if (!event.target.open || events) return;
    events = (await get(`api/jobs/${encodeURIComponent(job.id)}/history`)).events;
    app.redraw();
  };
  return h("details", { ontoggle: show }, h("summary", {}, "History"),
    events && h("ol", { class: "plain events" }, events.map((event, index) => h("li", { key: index },
      h("time", { datetime: event.at, class: "quiet" }, clock(event.at)), " ", event.text))));
}
