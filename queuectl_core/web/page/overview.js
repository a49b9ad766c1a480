// The overview: failures first, then what runs, what waits and why, the queues, and the last hour.

import { sparkline, throughput } from "./chart.js";
import { h } from "./dom.js";
import { countOf, groups, loadFailures } from "./failures.js";
import { clock, counted, now, number, roughly, since, span, when } from "./format.js";
import { badge, button, cause, command, empty, jobLink, notice, section } from "./parts.js";
import { pauseText, resume } from "./pause.js";
import { get } from "./server.js";

const WAITING_SHOWN = 8;
const WAITING_LOADED = 100;
const SAME_CAUSE = 2; // of the waiting jobs that are shown first
const RUNNING_SHOWN = 12;
const GROUPS_SHOWN = 6;
const START = "queuectl worker start";
const ORDINARY = new Set(["its queue is full", "its queue is ahead of its rate"]); // the queue says it

const REASONS = {
  worker: "for a worker", time: "for their time", after: "for other jobs", limit: "at a limit",
  rate: "at a rate",
  paused: "paused", slots: "for free slots", system: "for memory, load or disk",
};

export { hide, leave } from "./failures.js";

export const title = () => "Overview";
export const equalCommand = () => "queuectl status";

export async function load(route, signal) {
  const [overview, failures, waiting] = await Promise.all([
    get("api/overview", signal), loadFailures(signal),
    get(`api/jobs?state=pending,failed&limit=${WAITING_LOADED}`, signal),
  ]);
  return { overview, failures, waiting: varied(waiting.jobs) };
}

export function draw({ overview, failures, waiting }, app) {
  return [
    h("h1", { class: "unseen" }, "Overview"),
    signs(overview, app),
    numbers(overview, failures),
    h("div", { class: "columns" },
      h("div", { class: "wide" },
        failing(failures, app), running(overview, app), waitingFor(overview, waiting)),
      h("div", { class: "narrow" },
        hour(overview), queues(overview), workers(overview))),
  ];
}

// Describes what lets no job start, and what a person can do about it.
function signs(overview, app) {
  const { supervisor, counts, stuck = [] } = overview;
  const waiting = counts.pending + counts.failed;
  const shown = stuck.filter((sign) => !ORDINARY.has(sign.because)).map((sign) =>
    notice(sign.queue || overview.is_moving ? "warn" : "bad", tellOf(sign), remedy(sign, app)));
  if (!supervisor && !stuck.length) {
    shown.push(notice(waiting ? "bad" : "note", waiting
      ? `no supervisor runs, so ${counted(waiting, "job")} will not start`
      : "no supervisor runs; new jobs wait until one starts", command(START)));
  }
  if (supervisor?.state === "stopping") shown.push(notice("warn",
    "the supervisor is stopping; no job starts"));
  return h("div", { class: "notices" }, shown);
}

function tellOf({ text, waiting }) {
  return waiting ? `${text} (${counted(waiting, "job")} ${waiting === 1 ? "waits" : "wait"})` : text;
}

function remedy({ because, queue }, app) {
  if (!app.canWrite) return null;
  if (because === "everything is paused") return button("Resume all", () => resume(null, app));
  if (because !== "its queue is paused" || !queue) return null;
  return button(`Resume ${queue}`, () => resume(queue, app));
}

// Describes the dead jobs: how many failed for good, and how many somebody canceled.
function deadTile({ dead }, { groups: all, is_complete }) {
  const failed = all.reduce((sum, group) => sum + group.count, 0);
  const canceled = is_complete && Math.max(0, dead - failed);
  const parts = [all.length && `${countOf({ groups: all, is_complete })} failed`,
    canceled && `${number(canceled)} canceled`];
  return tile("Dead", dead, all.length || !dead ? "#/failures" : "#/jobs?state=dead",
    parts.filter(Boolean).join(", ") || "nothing failed", all.length ? "dead" : "");
}

function numbers(overview, failures) {
  const { counts, slots, throughput: past } = overview;
  const done = past ? past.completed.reduce((sum, count) => sum + count, 0) : null;
  return h("ul", { class: "numbers", "aria-label": "Jobs by state" },
    deadTile(counts, failures),
    tile("Running", counts.processing, "#/jobs?state=processing",
      slots ? `of ${counted(slots.total, "slot")}` : "", counts.processing ? "processing" : ""),
    tile("Waiting", counts.pending, "#/jobs?state=pending", waitingText(overview), "pending"),
    tile("Retrying", counts.failed, "#/jobs?state=failed", counts.failed ? "will run again" : "",
      counts.failed ? "failed" : ""),
    tile("Completed", counts.completed, "#/jobs?state=completed",
      done === null ? "" : `${number(done)} in the last hour`, "completed"),
    remaining(overview));
}

function tile(label, count, href, more, state) {
  return h("li", { key: label }, h("a", { href, class: state },
    h("span", { class: "label" }, label), h("b", {}, number(count)), h("small", {}, more || "\u00a0")));
}

// Describes when all jobs are done, if that can be told.
function remaining(overview) {
  const { eta_s, counts, is_moving } = overview;
  let [text, more] = ["–", eta_s === 0 ? "no job can run now" : "known once a job of each queue has ended"];
  if (!(counts.pending + counts.processing + counts.failed)) [text, more] = ["none", "no job is left"];
  else if (is_moving === false) more = "nothing moves";
  else if (eta_s) {
    const sum = overview.stuck.reduce((held, sign) => held + (ORDINARY.has(sign.because) ? 0 : sign.waiting), 0);
    const held = Math.min(sum, counts.pending + counts.failed); // several signs can hold one job
    text = `≈ ${roughly(eta_s * 1000)}`;
    more = `about ${clockMinute(now() + eta_s * 1000)}${held ? `, but ${number(held)} are held` : ""}`;
  }
  return h("li", { key: "eta" }, h("div", {}, h("span", { class: "label" }, "Time left"), h("b", {}, text),
    h("small", {}, more)));
}

function clockMinute(ms) {
  return clock(new Date(ms).toISOString()).replace(/(\d\d:\d\d):\d\d$/, "$1");
}

function waitingText({ queues = [] }) {
  const totals = {};
  for (const queue of queues) {
    for (const [reason, count] of Object.entries(queue.waiting_by || {})) {
      totals[reason] = (totals[reason] || 0) + count;
    }
  }
  const [first] = Object.entries(totals).sort((one, other) => other[1] - one[1]);
  return first ? `${number(first[1])} ${REASONS[first[0]] || first[0]}` : "";
}

function failing(failures, app) {
  const all = failures.groups.length;
  const more = all > GROUPS_SHOWN && h("a", { href: "#/failures" }, `All ${all} groups`);
  return section("Failures", { side: more },
    all ? groups(failures.groups.slice(0, GROUPS_SHOWN), app) : empty("No job has failed for good."));
}

function running({ workers, counts }, app) {
  const isDone = !(counts.pending + counts.processing + counts.failed);
  const busy = workers.filter((worker) => worker.job);
  const more = busy.length > RUNNING_SHOWN && h("a", { href: "#/jobs?state=processing" },
    `All ${busy.length}`);
  return section("Running", { side: more }, busy.length ? h("table", { class: "rows" },
    h("thead", {}, h("tr", {}, ["Job", "Command", "Queue", "Worker", "For"].map((name) =>
      h("th", { scope: "col", class: { Worker: "hidden-narrow", For: "num" }[name] }, name)))),
    h("tbody", {}, busy.slice(0, RUNNING_SHOWN).map((worker) => h("tr", { key: worker.job },
      h("td", {}, badgeSign(worker), jobLink(worker.job)),
      h("td", { class: "fill" }, command(worker.command || worker.name || "")),
      h("td", {}, h("span", { class: "name", title: worker.queue }, worker.queue)), h("td", { class: "quiet hidden-narrow nowrap" }, worker.worker),
      h("td", { class: "num" }, since(worker.since)))))) :
    empty(["Nothing runs.", isDone && app.canWrite && h("a", { href: "#/new" }, "Add a job")]));
}

function badgeSign(worker) {
  return worker.state === "busy" ? null : h("span", { class: "tag" }, worker.state);
}

// Returns a few of these jobs, in their order, so that each cause has some and the first cause not all.
function varied(jobs) {
  const seen = {};
  const first = jobs.filter((job) => {
    const cause = job.why?.because || "";
    const key = cause === "waits for a worker" ? cause : `${cause} ${job.queue}`;
    seen[key] = (seen[key] || 0) + 1;
    return seen[key] <= SAME_CAUSE;
  });
  const others = jobs.filter((job) => !first.includes(job));
  const shown = new Set([...first, ...others].slice(0, WAITING_SHOWN));
  return jobs.filter((job) => shown.has(job));
}

function waitingFor({ counts }, jobs) {
  const count = counts.pending + counts.failed;
  const more = count > jobs.length && h("a", { href: "#/jobs?state=pending,failed" }, `All ${number(count)}`);
  return section("Waiting, and why", { side: more }, jobs.length ? h("table", { class: "rows waiting" },
    h("thead", {}, h("tr", {}, ["Job", "Command", "Waits because"].map((name) =>
      h("th", { scope: "col" }, name)))),
    h("tbody", {}, jobs.map((job) => h("tr", { key: job.id },
      h("td", {}, jobLink(job.id)), h("td", { class: "fill" }, command(job.command)),
      h("td", { class: "why" }, job.state === "failed" && [badge(job.state), " "], cause(job))))))
      : empty("No job waits."));
}

function hour({ throughput: past }) {
  return past && section("Last hour", {}, throughput(past));
}

function queues({ queues: all = [] }) {
  const shown = all.filter(isInUse).slice(0, 12);
  return section("Queues", { side: h("a", { href: "#/queues" }, "All queues") },
    shown.length ? h("table", { class: "rows" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Queue"),
      h("th", { scope: "col", class: "num" }, "Running"),
      h("th", { scope: "col", class: "num" }, "Waiting"),
      h("th", { scope: "col", class: "num", title: "Age of the oldest job that could begin" }, "Latency"))),
    h("tbody", {}, shown.map((queue) => h("tr", { key: queue.queue },
      h("td", {}, h("a", { href: `#/jobs?queue=${encodeURIComponent(queue.queue)}` }, queue.queue),
        holdOf(queue)),
      h("td", { class: "num", "data-label": "running" }, number(queue.counts.processing),
        queue.limit ? h("span", { class: "quiet" }, ` / ${queue.limit}`) : null),
      h("td", { class: "num", "data-label": "waiting" }, number(queue.counts.pending + queue.counts.failed)),
      h("td", { class: "num", "data-label": "latency" }, latency(queue)))))) : empty("No queue has jobs."));
}

function isInUse(queue) {
  return queue.paused_since || queue.counts.pending + queue.counts.failed + queue.counts.processing > 0;
}

// Describes why no job of a queue may start now.
export function holdOf(queue) {
  if (queue.paused_since) return h("span", { class: "tag warn", title: pauseText(queue) }, "paused");
  const [name] = Object.keys(queue.waiting_by || {}).filter((reason) =>
    reason === "limit" || reason === "rate");
  return name && h("span", { class: "tag", title: queue.held || "" },
    name === "limit" ? "full" : "at its rate");
}

// Describes the age of the oldest job of a queue that could begin.
export function latency(queue) {
  const ms = queue.latency_s * 1000;
  if (!(ms >= 1)) return "–";
  return ms < 60000 ? span(ms) : roughly(ms);
}

export function pace(queue) {
  const values = queue.throughput?.completed;
  if (!values) return null;
  const total = values.reduce((sum, count) => sum + count, 0);
  return total ? h("span", {}, sparkline(values,
    `completed each minute of the last hour, ${number(total)} in all`), ` ${number(total)}`) : "–";
}

function workers({ workers: all, supervisor }) {
  if (!supervisor) return null;
  const busy = all.filter((worker) => worker.job).length;
  return section("Workers", {}, h("p", {}, `${busy} of ${counted(all.length, "worker")} busy`),
    h("p", { class: "quiet" }, `Supervisor ${supervisor.pid}, started `, when(supervisor.started_at)));
}
