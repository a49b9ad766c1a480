// Failures: dead jobs in groups of one shape of command and one reason, with the end of the output.

import { actOn, edit, editGroup } from "./act.js";
import { plain, spans } from "./ansi.js";
import { h, mounted } from "./dom.js";
import { counted, number, when } from "./format.js";
import { Output } from "./output.js";
import { button, command, empty, jobLink, section, sign } from "./parts.js";
import { get, request } from "./server.js";

const LAST_LINES = 50;
const HINTS = 12; // the groups whose last line of output is shown at once
const HINT_BYTES = 512;

export const title = () => "Failures";
export const equalCommand = () => "queuectl dlq list";

const open = new Map(); // the key of a group, and the output of its newest job
let hints = new Map(); // the last lines that newest jobs have printed

// Returns the groups; the first ones with the last line that their newest job has printed.
export async function loadFailures(signal) {
  const failures = await get("api/failures", signal);
  const shown = failures.groups.slice(0, HINTS).filter((group) => group.output_bytes);
  const lines = await Promise.all(shown.map((group) =>
    hints.get(hintKey(group)) ?? lastLine(group.sample_ids[0], signal)));
  hints = new Map(shown.map((group, index) => [hintKey(group), lines[index]]));
  return failures;
}

function hintKey(group) {
  return `${group.sample_ids[0]} ${group.newest}`; // the job may have run again
}

// Returns what to call a group: the shape of its commands, or the one command that it has.
function nameOf(group) {
  return group.count === 1 && group.command ? group.command : group.shape;
}

async function lastLine(id, signal) {
  try {
    const headers = { Range: `bytes=-${HINT_BYTES}` };
    const response = await request(`api/jobs/${encodeURIComponent(id)}/output`, { headers, signal });
    const lines = (await response.text()).split("\n").filter((line) => line.trim());
    return spans(lines.at(-1) || "", plain()).map((part) => part.text).join("");
  } catch {
    return "";
  }
}

// Returns the number of jobs in the groups, with a plus if there may be more.
export function countOf({ groups: all, is_complete }) {
  const total = all.reduce((sum, group) => sum + group.count, 0);
  return `${number(total)}${is_complete === false ? "+" : ""}`;
}

export async function load(route, signal) {
  return loadFailures(signal);
}

export function draw(failures, app) {
  const count = countOf(failures);
  const all = { filter: { state: "dead", cause: "failed,dependency_failed" } }; // nobody canceled them
  return [
    section("Failures", { level: "h1", side: app.canWrite && failures.groups.length > 0 && h("span", { class: "tools" },
      button(`Retry all ${count}`, () => actOn("dlq-retry", all, app.refresh)),
      button(`Delete all ${count}…`, () => actOn("rm", all, app.refresh), { class: "grave" })) },
    failures.groups.length ? groups(failures.groups, app) : empty("No job has failed for good."),
    failures.is_complete === false && h("p", { class: "quiet" },
      "Only the newest dead jobs are counted here.")),
  ];
}

export function groups(list, app) {
  return h("ul", { class: "groups" }, list.map((group) =>
    h("li", { key: group.key, class: open.has(group.key) ? "open" : "" },
    heading(group, app), open.has(group.key) && details(group, app))));
}

function heading(group, app) {
  const isOpen = open.has(group.key);
  return h("div", { class: "group" },
    h("button", { type: "button", class: "disclose", "aria-expanded": String(isOpen),
      onclick: () => toggle(group, app) },
      h("span", { class: "arrow", "aria-hidden": "true" }, isOpen ? "▾" : "▸"),
      h("b", { class: "count" }, `${number(group.count)}×`),
      h("span", { class: "what" },
        command(nameOf(group), { title: group.command }),
        h("span", { class: "reason" }, sign("dead"), " ", group.reason || "no reason recorded"),
        !isOpen && hints.get(hintKey(group)) && h("code", { class: "command hint" }, hints.get(hintKey(group))))),
    h("span", { class: "quiet newest" }, when(group.newest)),
    app.canWrite && button(group.count > 1 ? `Retry ${number(group.count)}` : "Retry",
      () => actOn("dlq-retry", { filter: { group: group.key } }, app.refresh, { what: nameOf(group) }),
      { "aria-label": `Retry ${counted(group.count, "job")} of ${nameOf(group)}` }));
}

// Opens a group with the last lines of its newest job, or closes it.
function toggle(group, app) {
  open.get(group.key)?.stop();
  if (!open.delete(group.key)) look(group, app);
  app.redraw();
}

// Loads the last lines of the newest job of a group.
function look(group, app) {
  const output = new Output(group.sample_ids[0], { lastLines: LAST_LINES });
  output.diedAt = group.newest;
  open.set(group.key, output);
  get(`api/jobs/${encodeURIComponent(output.id)}`).then(({ job }) => {
    output.job = job;
    output.update(job.history);
    app.redraw();
  }, () => {});
  return output;
}

function details(group, app) {
  const last = open.get(group.key);
  const output = last.diedAt === group.newest ? last : look(group, app);
  const target = { filter: { group: group.key } };
  return h("div", { class: "details" },
    mounted(output.element),
    h("p", { class: "tools" },
      h("span", { class: "quiet grow" }, "Newest: ",
        group.sample_ids.slice(0, 3).map((id) => [jobLink(id, { key: id }), " "]),
        group.queues?.length ? `in ${group.queues.join(", ")}` : ""),
      h("a", { class: "button", href: `#/jobs?state=dead&group=${encodeURIComponent(group.key)}` },
        group.count > 1 ? `All ${number(group.count)} jobs` : "In the list"),
      app.canWrite && output.job && button("Edit and retry…",
        () => (group.count > 1 ? editGroup(target, app.refresh, nameOf(group)) : edit(output.job, app.refresh))),
      app.canWrite && button("Delete…", () => actOn("rm", target, app.refresh, { what: nameOf(group) }),
        { class: "grave" })));
}

// Stops what the open groups load; the groups stay open for the next visit.
export function hide() {
  for (const output of open.values()) output.stop();
}

export const leave = hide;
