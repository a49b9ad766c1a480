// The form for a new job, with a dry run: what it becomes, and when it would be retried.

import { choices, field } from "./dialog.js";
import { h } from "./dom.js";
import { span } from "./format.js";
import { button, command, section } from "./parts.js";
import { say } from "./said.js";
import { post } from "./server.js";

const FIELDS = [
  ["command", "Command", { rows: 3, required: true, hint: "runs with /bin/sh" }],
  ["queue", "Queue", { placeholder: "default" }],
  ["name", "Name", { hint: "a label for filters" }],
  ["after", "After", { hint: "IDs of jobs that must complete first, with commas" }],
  ["delay", "Delay", { placeholder: "10m" }],
  ["priority", "Priority", { inputmode: "numeric", placeholder: "0" }],
  ["max_retries", "Retries", { inputmode: "numeric", placeholder: "3" }],
  ["timeout", "Time limit", { placeholder: "none" }],
  ["cwd", "Folder", { hint: "where it runs; empty: the folder in which the page was started" }],
  ["tags", "Tags", { hint: "key=value, with commas" }],
];

let given = {};
let tried = null;
let failure = null;

export const title = () => "New job";
export const first = "field-command"; // gets the focus
export const equalCommand = () => tried?.command || "queuectl enqueue --help";

export async function load() {
  return {};
}

export function draw(_, app) {
  if (!app.canWrite) return [section("New job", { level: "h1" },
    h("p", { class: "empty" }, "This page is read-only."))];
  const take = (name) => (text) => {
    given[name] = text;
    if (tried) app.redraw();
    tried = failure = null;
  };
  return [section("New job", { level: "h1" }, h("form",
    { class: "job", onsubmit: (event) => send(event, app) },
    FIELDS.map(([name, label, props]) => field(label, given[name], take(name), { name, ...props })),
    failure && h("p", { class: "bad", role: "alert" }, failure),
    tried && result(tried),
    choices(button("Try without adding", () => attempt(app)),
      h("button", { type: "submit", class: "main", id: "add" }, "Add the job"))))];
}

// Describes what a dry run has found.
function result({ job, timetable = [], command: line }) {
  const waits = timetable.map((seconds) => span(seconds * 1000));
  return h("div", { class: "tried" },
    h("p", {}, `It would wait in queue ${job.queue}`, job.next_run_at ? ` until ${job.next_run_at}` : "",
      ". ",
      waits.length ? `If it fails, it runs again after ${waits.join(", then ")}.`
        : "If it fails, it does not run again."),
    line && h("p", { class: "equal" }, command(line)));
}

// Returns the fields of the job as the queue takes them.
function job() {
  const entries = Object.entries(given).map(([name, text]) => [name, text.trim()]).filter(([, text]) => text);
  return Object.fromEntries(entries.map(([name, text]) => [name, typed(name, text)]));
}

function typed(name, text) {
  if (name === "after") return text.split(/[\s,]+/);
  if (name === "tags") return Object.fromEntries(text.split(",").map((pair) =>
    pair.trim().split(/=(.*)/s).slice(0, 2)));
  if (/^(priority|max_retries)$/.test(name) && /^-?\d+$/.test(text)) return Number(text);
  return text;
}

async function attempt(app) {
  tried = failure = null;
  try {
    tried = await post("api/enqueue", { job: job(), dry_run: true });
  } catch (error) {
    failure = error.message;
  }
  app.redraw();
  if (tried) app.focusOn("add");
}

async function send(event, app) {
  event.preventDefault();
  failure = null;
  try {
    const { id } = await post("api/enqueue", { job: job(), dry_run: false });
    given = {};
    tried = null;
    say(`added ${id}`);
    app.go(`/jobs/${encodeURIComponent(id)}`, {});
  } catch (error) {
    failure = error.message;
    app.redraw();
  }
}
