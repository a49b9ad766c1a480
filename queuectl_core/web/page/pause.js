// Pauses: the form that begins one, and what ends one.

import { choices, field, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { clock } from "./format.js";
import { button } from "./parts.js";
import { say } from "./said.js";
import { get, post } from "./server.js";

// Asks for how long and why, and pauses a queue, or all with `queue` null.
export function pause(queue, app) {
  const given = { length: "", reason: "" };
  const state = { error: null };
  const dialog = openDialog(queue ? `Pause ${queue}` : "Pause all queues", () => [
    h("form", { onsubmit: save },
      h("p", { class: "quiet" }, queue ? "No job of this queue starts." : "No job starts in any queue.",
        " Running jobs go on."),
      field("For", given.length, (text) => (given.length = text),
        { autofocus: true, placeholder: "2h", hint: "empty: until somebody resumes it" }),
      field("Reason", given.reason, (text) => (given.reason = text), { hint: "shown to others" }),
      state.error && h("p", { class: "bad", role: "alert" }, state.error),
      choices(button("Back", () => dialog.close()),
        h("button", { type: "submit", class: "main" }, queue ? "Pause" : "Pause all queues"))),
  ]);

  async function save(event) {
    event.preventDefault();
    try {
      await post(...requestOf(queue, given.length.trim(), given.reason.trim()));
      dialog.close();
      say(queue ? `queue ${queue} is paused` : "all queues are paused");
      app.refresh();
    } catch (error) {
      state.error = error.message;
      dialog.redraw();
    }
  }
}

function requestOf(queue, length, reason) {
  if (!queue) return ["api/pause", { is_paused: true, for: length, reason }];
  return ["api/queue", { queue, set: { paused: true, ...(length && { pause_for: length }),
    ...(reason && { pause_reason: reason }) } }];
}

// Ends the pause of a queue, or the one of all with `queue` null, and says what stays paused.
export async function resume(queue, app) {
  try {
    if (queue) await post("api/queue", { queue, set: { paused: false } });
    else await post("api/pause", { is_paused: false });
    say(queue ? `queue ${queue} continues` : `all queues continue${await exceptions()}`);
  } catch (error) {
    say(error.message, true);
  }
  app.refresh();
}

async function exceptions() {
  const names = (await get("api/queues")).filter((queue) => queue.paused_since).map((queue) => queue.queue);
  if (!names.length) return "";
  const shown = names.length > 3 ? `${names.length} queues` : names.join(", ");
  return `, but ${shown} ${names.length === 1 ? "stays" : "stay"} paused by a pause of ${names.length === 1 ? "its" : "their"} own`;
}

// Returns until when something is paused, and why: "until 14:00:00: new disk".
export function pauseText({ paused_until, pause_reason }) {
  return [paused_until && `until ${clock(paused_until)}`, pause_reason].filter(Boolean).join(": ");
}
