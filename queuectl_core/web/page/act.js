// Changes of jobs: a preview with the count, a sample and the equal command line, then progress.

import { choices, field, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { counted, number } from "./format.js";
import { button, command, jobLink } from "./parts.js";
import { say } from "./said.js";
import { post, postLines } from "./server.js";

const VERBS = {
  retry: { label: "Retry", done: "retried" },
  "dlq-retry": { label: "Retry", done: "retried" },
  cancel: { label: "Cancel", button: "Cancel jobs", done: "canceled", isGrave: true,
    warning: "Running jobs get SIGTERM. Jobs that wait for these die too." },
  rm: { label: "Delete", done: "deleted", isGrave: true,
    warning: "Deleted jobs and their history are gone for good." },
  suspend: { label: "Suspend", done: "suspended" },
  continue: { label: "Continue", done: "continued" },
};

export function labelOf(verb) {
  return VERBS[verb].label;
}

// Asks before a change of many jobs. `target` is `{ids}` or `{filter}`, and `what` describes it;
// `onDone` runs after the change.
export function actOn(verb, target, onDone, { options = {}, what = "" } = {}) {
  const action = VERBS[verb];
  const state = { preview: null, error: null, progress: null, options, what };
  const dialog = openDialog(action.label, () => drawn(verb, state,
    { look, run, close: () => dialog.close() }));

  async function look() {
    state.error = state.preview = null;
    try {
      state.preview = await post("api/act", { verb, ...target, options: state.options, preview: true });
    } catch (error) {
      state.error = error.message;
    }
    dialog.redraw();
  }

  async function run() {
    state.progress = { changed: 0, of: state.preview.count };
    dialog.redraw();
    try {
      const last = await changed(verb, target, state.options, (line) => {
        state.progress = line;
        dialog.redraw();
      });
      dialog.close();
      say(`${action.done} ${counted(last.changed, "job")}`);
      await dialog.closed;
      document.getElementById("main").focus({ preventScroll: true }); // the rows that had it may be gone
      onDone();
    } catch (error) {
      state.progress = null;
      state.error = error.message;
      dialog.redraw();
    }
  }

  look();
}

async function changed(verb, target, options, onProgress) {
  let last = null;
  for await (const line of postLines("api/act", { verb, ...target, options, preview: false })) {
    if (!line) continue;
    if (line.error) throw new Error(line.message || line.error);
    last = line;
    if (!line.is_done) onProgress(line);
  }
  return last;
}

function drawn(verb, state, { look, run, close }) {
  const { preview, error, progress } = state;
  if (error) return [h("p", { class: "bad", role: "alert" }, error), choices(button("Close", close))];
  if (progress) return [progressBar(progress)];
  if (!preview) return [h("p", { class: "quiet" }, "Counting…")];
  const action = VERBS[verb];
  return [
    h("p", {}, told(preview, action)),
    state.what && command(state.what),
    action.warning && h("p", { class: "quiet" }, action.warning),
    h("ul", { class: "sample" }, preview.sample.slice(0, 5).map((id) => h("li", { key: id }, jobLink(id))),
      preview.count > 5 && h("li", { class: "quiet" },
        `and ${number(preview.count - Math.min(5, preview.sample.length))} more`)),
    verb === "dlq-retry" && dependants(state, look),
    preview.command ? h("p", { class: "equal" }, command(preview.command))
      : preview.count > 0 && h("p", { class: "quiet" }, "An equal command line would name too many jobs."),
    choices(button("Back", close),
      preview.count > 0 && button(action.button || `${action.label} ${counted(preview.count, "job")}`, run,
        { class: action.isGrave ? "grave" : "main", autofocus: true })),
  ];
}

function told({ count, is_complete }, action) {
  if (!count) return "No job matches by now.";
  return `${is_complete === false ? "At least " : ""}${counted(count, "job")} will be ${action.done}.`;
}

function dependants(state, look) {
  const toggle = (event) => {
    state.options = { ...state.options, dependants: event.target.checked };
    look();
  };
  return h("label", { class: "check" },
    h("input", { type: "checkbox", checked: Boolean(state.options.dependants), onchange: toggle }),
    "Also retry the jobs that died because of these");
}

function progressBar({ changed: count, of }) {
  return h("p", {}, h("progress", { max: of || 1, value: count, "aria-label": "Progress" }),
    ` ${number(count)} of ${counted(of || count, "job")}`);
}

// Changes one job at once, where nothing is lost by it.
export async function actOnOne(verb, id, onDone) {
  try {
    await changed(verb, { ids: [id] }, {}, () => {});
    say(`${VERBS[verb].done} ${id}`);
  } catch (error) {
    say(error.message, true);
  }
  onDone();
}

export async function move(id, to, onDone) {
  try {
    await post("api/act", { verb: "move", ids: [id], options: { to }, preview: false });
    say(`moved ${id} to the ${to}`);
  } catch (error) {
    say(error.message, true);
  }
  onDone();
}

const EDITABLE = [
  ["command", "Command", { rows: 3 }],
  ["queue", "Queue", {}],
  ["priority", "Priority", { inputmode: "numeric" }],
  ["max_retries", "Retries", { inputmode: "numeric" }],
  ["timeout", "Time limit", { hint: "such as 90s or 2h" }],
];

// Retries all jobs of a group with other fields: first the fields, then the preview.
export function editGroup(target, onDone, what) {
  const changes = {};
  const fields = EDITABLE.filter(([name]) => name !== "command");
  const dialog = openDialog("Edit and retry", () => [
    h("form", { onsubmit: submit }, h("p", { class: "quiet" }, "Empty fields stay as they are."),
      fields.map(([name, label, props], index) => field(label, changes[name],
        (text) => (changes[name] = text), { autofocus: !index, ...props })),
      choices(button("Back", () => dialog.close()), h("button", { type: "submit", class: "main" }, "Go on"))),
  ]);

  function submit(event) {
    event.preventDefault();
    dialog.close();
    const given = typed(changes, {});
    actOn("dlq-retry", target, onDone, { what, options: Object.keys(given).length ? { fields: given } : {} });
  }
}

// Changes fields of one job, and retries it if it is dead.
export function edit(job, onDone) {
  const changes = {};
  const state = { error: null };
  const isDead = job.state === "dead";
  const dialog = openDialog(isDead ? "Edit and retry" : "Edit", () => [
    h("form", { onsubmit: submit },
      EDITABLE.map(([name, label, props]) => field(label, changes[name] ?? job[name],
        (text) => (changes[name] = text), { autofocus: name === "command", ...props })),
      state.error && h("p", { class: "bad", role: "alert" }, state.error),
      choices(button("Back", () => dialog.close()), h("button", { type: "submit", class: "main" },
        isDead ? "Save and retry" : "Save"))),
  ]);

  async function submit(event) {
    event.preventDefault();
    try {
      await post("api/edit", { id: job.id, changes: typed(changes, job) });
      if (isDead) await changed("retry", { ids: [job.id] }, {}, () => {});
      dialog.close();
      say(isDead ? `changed and retried ${job.id}` : `changed ${job.id}`);
      onDone();
    } catch (error) {
      state.error = error.message;
      dialog.redraw();
    }
  }
}

// Returns the changed fields as a job has them: numbers as numbers, and null for an empty one.
function typed(changes, job) {
  const entries = Object.entries(changes).filter(([name, text]) => text !== String(job[name] ?? ""));
  return Object.fromEntries(entries.map(([name, text]) => {
    if (!text) return [name, null];
    return [name, /^(priority|max_retries)$/.test(name) && /^-?\d+$/.test(text) ? Number(text) : text];
  }));
}
