// Keys for everything, and the dialog that lists them.

import { isDialogOpen, openDialog } from "./dialog.js";
import { h } from "./dom.js";

const OFF = "queuectl keys off";

const GO = { o: ["/", "overview"], f: ["/failures", "failures"], j: ["/jobs", "jobs"],
  q: ["/queues", "queues"],
  s: ["/schedules", "schedules"], c: ["/settings", "settings"] };

let isGoing = false;

// Listens for keys. `app` does what they mean.
export function listenForKeys(app) {
  document.addEventListener("keydown", (event) => pressed(event, app));
}

function pressed(event, app) {
  if (event.ctrlKey || event.metaKey || event.altKey || isDialogOpen()) return;
  if (event.target.matches("input:not([type=checkbox]), textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (localStorage.getItem(OFF) && event.key !== "?") return;
  if (isGoing) {
    isGoing = false;
    if (GO[event.key]) app.go(GO[event.key][0], {});
    return;
  }
  const action = {
    "?": () => help(), g: () => (isGoing = true), r: () => app.refresh(), p: () => app.togglePause(),
    n: () => app.canWrite && app.go("/new", {}), "/": () => app.focusOn("find"), j: () => step(1),
    k: () => step(-1),
    x: () => pick(),
  }[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

// Moves the focus to the link of the next or the previous row, or to the next group of failures.
function step(direction) {
  const stops = [...document.querySelectorAll("main .disclose, main tbody tr a.id, main .cards .head button")];
  const row = document.activeElement.closest("tr, .groups > li, .cards > li");
  const at = stops.findIndex((stop) => stop === document.activeElement || row?.contains(stop));
  const next = stops[at < 0 ? 0 : Math.min(stops.length - 1, Math.max(0, at + direction))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function pick() {
  document.activeElement.closest("tr")?.querySelector("input[type=checkbox]")?.click();
}

export function help() {
  const rows = [
    ["?", "this list"], ["j, k", "next and previous row"], ["Enter", "open it"],
    ["x", "select the job of the row"],
    ["/", "find jobs"], ["n", "new job"], ["r", "refresh now"], ["p", "pause or continue refreshing"],
    ...Object.entries(GO).map(([key, [, name]]) => [`g ${key}`, `go to ${name}`]),
      ["Esc", "leave a field, close a dialog"],
  ];
  const toggle = (event) => (event.target.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF,
    "1"));
  openDialog("Keys", () => [
    h("dl", { class: "keys" }, rows.map(([key, text]) =>
      [h("dt", {}, key.split(" ").map((part, index) =>
        [index ? " " : "", h("kbd", {}, part.replace(",", ""))])), h("dd", {}, text)])),
    h("label", { class: "check" }, h("input", { type: "checkbox", checked: !localStorage.getItem(OFF),
      onchange: toggle }), "Use single keys"),
  ]);
}
