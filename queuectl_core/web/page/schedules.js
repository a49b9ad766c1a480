// Schedules: when each one adds its job, how the last ones ended, and run now.

import { openDialog, choices } from "./dialog.js";
import { h } from "./dom.js";
import { clock, when } from "./format.js";
import { badge, button, command, empty, jobLink, section } from "./parts.js";
import { say } from "./said.js";
import { get, post } from "./server.js";

export const title = () => "Schedules";
export const equalCommand = () => "queuectl schedule list";

export async function load(route, signal) {
  return { schedules: await get("api/schedules", signal) };
}

export function draw({ schedules }, app) {
  return [section("Schedules", { level: "h1" }, schedules.length ? h("ul", { class: "cards" },
    schedules.map((schedule) => card(schedule, app)))
    : empty(["No job recurs. ", command("queuectl schedule add nightly '30 2 * * *' -- ./backup.sh")]))];
}

function card(schedule, app) {
  const { schedule: name, job, next = [], last = [] } = schedule;
  const isPaused = Boolean(schedule.paused_since);
  return h("li", { key: name },
    h("div", { class: "head" }, h("h2", {}, name, isPaused && h("span", { class: "tag warn" }, "paused")),
      app.canWrite && h("span", { class: "tools" },
        button("Run now", () => act(name, "run", app), { "aria-label": `Run ${name} now` }),
        button(isPaused ? "Resume" : "Pause", () => act(name, isPaused ? "resume" : "pause", app),
          { "aria-label": `${isPaused ? "Resume" : "Pause"} ${name}` }),
        button("Delete…", () => remove(name, app), { class: "grave", "aria-label": `Delete ${name}` }))),
    h("p", {}, schedule.words || timesOf(schedule), " ",
      schedule.problem && h("span", { class: "bad" }, schedule.problem)),
    command(job.command),
    h("div", { class: "pair" },
      h("div", {}, h("h3", {}, "Next"), next.length ? h("ol", { class: "plain" },
        next.map((at) => h("li", { key: at }, clock(at), " ",
        h("span", { class: "quiet" }, when(at))))) : h("p", { class: "quiet" },
        isPaused ? "none while it is paused" : when(schedule.next_run_at))),
      h("div", {}, h("h3", {}, "Last"), last.length ? h("ul", { class: "plain" },
        last.map((run) => h("li", { key: run.id },
        badge(run.state), " ", jobLink(run.id), " ", h("span", { class: "quiet" }, when(run.at))))) :
        h("p", { class: "quiet" }, schedule.last_job ? jobLink(schedule.last_job) : "it has not run yet"))));
}

function timesOf({ cron, zone, every_s }) {
  return cron ? `${cron}${zone ? `, ${zone}` : ""}` : `every ${every_s} s`;
}

async function act(name, what, app) {
  try {
    const answer = await post("api/schedule", { schedule: name, do: what });
    say({ run: `added ${answer.id || "a job"}`, pause: `${name} is paused`, resume: `${name} continues`,
      rm: `deleted ${name}` }[what]);
  } catch (error) {
    say(error.message, true);
  }
  app.refresh();
}

function remove(name, app) {
  const dialog = openDialog(`Delete ${name}`, () => [
    h("p", {}, "The schedule adds no more jobs. Its jobs stay."),
    h("p", { class: "equal" }, command(`queuectl schedule rm ${name}`)),
    choices(button("Back", () => dialog.close()),
      button(`Delete ${name}`, () => { dialog.close(); act(name, "rm", app); }, { class: "grave" })),
  ]);
}
