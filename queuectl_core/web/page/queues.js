// Queues: what each one does, its limits, and its pause.

import { choices, field, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { number, span, when } from "./format.js";
import { holdOf, latency, pace } from "./overview.js";
import { button, command, empty, notice, section } from "./parts.js";
import { pause, pauseText, resume } from "./pause.js";
import { say } from "./said.js";
import { get, post } from "./server.js";

export const title = () => "Queues";
export const equalCommand = () => "queuectl queue list";

export async function load(route, signal) {
  const [queues, overview] = await Promise.all([get("api/queues", signal), get("api/overview", signal)]);
  return { queues, overview };
}

export function draw({ queues, overview }, app) {
  const known = new Map((overview.queues || []).map((queue) => [queue.queue, queue]));
  const isPaused = Boolean(overview.paused_since);
  return [
    section("Queues", { level: "h1", side: app.canWrite && h("span", { class: "tools" },
      isPaused ? button("Resume all", () => resume(null, app), { class: "main" })
        : button("Pause all…", () => pause(null, app)),
      button("New queue…", () => editQueue(null, app))) },
    isPaused && notice("warn", "all queues are paused", h("span", { class: "quiet" }, pauseText(overview))),
    queues.length ? table(queues.map((queue) => ({ ...known.get(queue.queue), ...queue })),
      app) : empty("No queue has rules or jobs.")),
  ];
}

function table(queues, app) {
  const heads = [["Queue"], ["Running", "num"], ["Waiting", "num"], ["Dead", "num"], ["Latency", "num"],
    ["Last hour"], ["Rules"], [""]];
  return h("table", { class: "rows queues" },
    h("thead", {}, h("tr", {}, heads.map(([name, kind]) =>
      (name ? h("th", { scope: "col", key: name, class: kind }, name) : app.canWrite && h("td",
        { key: "none" }))))),
    h("tbody", {}, queues.map((queue) => row(queue, app))));
}

function row(queue, app) {
  const jobs = (state, count) => (count ? h("a", { href: app.address("/jobs",
    { queue: queue.queue, state }) }, number(count)) : "–");
  const { counts } = queue;
  return h("tr", { key: queue.queue },
    h("td", {}, h("a", { href: app.address("/jobs", { queue: queue.queue }) }, queue.queue),
      holdOf(queue), queue.paused_since && h("span", { class: "quiet" },
        pauseText(queue) || when(queue.paused_since))),
    h("td", { class: "num", "data-label": "running" }, jobs("processing", counts.processing),
      queue.limit ? h("span", { class: "quiet" }, ` / ${queue.limit}`) : null),
    h("td", { class: "num", "data-label": "waiting" },
      jobs("pending,failed", counts.pending + counts.failed)),
    h("td", { class: "num", "data-label": "dead" }, jobs("dead", counts.dead)),
    h("td", { class: "num", "data-label": "latency" }, latency(queue)),
    h("td", { "data-label": "last hour" }, pace(queue)),
    h("td", { class: "quiet", "data-label": "rules" }, rules(queue)),
    app.canWrite && h("td", { class: "tools" },
      queue.paused_since ? button("Resume", () => resume(queue.queue, app),
        { "aria-label": `Resume ${queue.queue}` })
        : button("Pause…", () => pause(queue.queue, app), { "aria-label": `Pause ${queue.queue}` }),
      button("Rules…", () => editQueue(queue, app), { "aria-label": `Rules of ${queue.queue}` })));
}

function rules(queue) {
  const parts = [];
  if (queue.limit) parts.push(`at most ${queue.limit} at once`);
  if (queue.rate) parts.push(`${queue.rate.jobs} in ${span(queue.rate.per_s * 1000)}`);
  if (queue.limit_load) parts.push(`load up to ${queue.limit_load}`);
  if (queue.min_free_mem) parts.push(`${Math.round(queue.min_free_mem / 2 ** 20)} MiB free`);
  return parts.join(", ") || "none";
}

function editQueue(queue, app) {
  const given = { queue: queue?.queue || "", limit: queue?.limit ?? "", jobs: queue?.rate?.jobs ?? "",
    per_s: queue?.rate?.per_s ?? "" };
  const state = { error: null };
  const name = queue ? `queuectl queue set ${queue.queue}` : "queuectl queue set NAME --create";
  const dialog = openDialog(queue ? `Rules of ${queue.queue}` : "New queue", () => [
    h("form", { onsubmit: save },
      !queue && field("Name", given.queue, (text) => (given.queue = text),
        { required: true, autofocus: true }),
      field("Jobs at once", given.limit, (text) => (given.limit = text),
        { autofocus: Boolean(queue), inputmode: "numeric", hint: "empty: no limit" }),
      h("div", { class: "pair" },
        field("Starts", given.jobs, (text) => (given.jobs = text),
          { inputmode: "numeric", hint: "empty: no rate" }),
        field("in seconds", given.per_s, (text) => (given.per_s = text), { inputmode: "numeric" })),
      state.error && h("p", { class: "bad", role: "alert" }, state.error),
      h("p", { class: "equal" }, command(name)),
      choices(button("Back", () => dialog.close()), h("button", { type: "submit", class: "main" }, "Save"))),
  ]);

  async function save(event) {
    event.preventDefault();
    const number_or_null = (text) => (String(text).trim() === "" ? null : Number(text));
    const rate = String(given.jobs).trim() === "" ? null : [Number(given.jobs), Number(given.per_s) || 1];
    try {
      await post("api/queue", { queue: given.queue, set: { limit: number_or_null(given.limit), rate } });
      dialog.close();
      say(`changed queue ${given.queue}`);
      app.refresh();
    } catch (error) {
      state.error = error.message;
      dialog.redraw();
    }
  }
}
