// The page: it shows the view that the address names, and keeps it up to date.
//
// One stream of events tells when something has changed. While the tab is hidden, or refreshing is
// paused, there is no stream, no timer and no request.

import { h, isSelecting, patch, visible } from "./dom.js";
import { tick } from "./format.js";
import { help, listenForKeys } from "./keys.js";
import { button, command, copy, notice, section } from "./parts.js";
import { say } from "./said.js";
import { askOtherTabs, get, lines, query, request, unlock } from "./server.js";
import * as enqueue from "./enqueue.js";
import * as failures from "./failures.js";
import * as job from "./job.js";
import * as jobs from "./jobs.js";
import * as overview from "./overview.js";
import * as queues from "./queues.js";
import * as schedules from "./schedules.js";
import * as settings from "./settings.js";

const VIEWS = { "": overview, failures, jobs, queues, schedules, settings, new: enqueue };
const NAV = [["", "Overview"], ["failures", "Failures"], ["jobs", "Jobs"], ["queues", "Queues"],
  ["schedules", "Schedules"], ["settings", "Settings"]];

const LEAST_MS = 1000; // between two refreshes
const SHARE = 5; // at most this part of the time goes into refreshing
const LONGEST_BACKOFF_S = 30;

const app = {
  route: null, // {name, id, values}
  session: null,
  canWrite: false,
  go(path, values) {
    const address = app.address(path, values);
    if (location.hash === address) app.refresh();
    else location.hash = address;
  },
  focusOn(id) { // now, or as soon as it is there
    wanted = id;
    focusOnWanted();
    if (wanted) app.go("/jobs", {});
  },
  address: (path, values) => `#${path}${query(values)}`,
  refresh: () => refresh(),
  redraw: () => draw(),
  togglePause,
};

let view = null;
let data = null;
let failed = null; // the jobs that failed for good, for the bar: {dead, text}
let isLocked = false;
let isPaused = false;
let problem = ""; // why the page may be out of date
let hasAnswer = true; // whether the server has answered at all
let loading = null; // the request in progress
let timer = 0; // the next refresh
let ticker = 0;
let stream = null;
let sequence = null;
let lastMs = 0; // how long the last refresh took
let isDue = false; // a redraw waits until no text is selected
let wanted = ""; // the element that gets the focus once it is there

function parse() {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  const values = Object.create(null); // its keys come from the address
  for (const [key, value] of new URLSearchParams(search)) values[key] = key in values ? [values[key],
    value].flat() : value;
  return { name: Object.hasOwn(VIEWS, name) ? name : "", id: decoded(rest.join("/")), values };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// Shows the view of the address.
async function arrive() {
  const before = app.route;
  const route = parse();
  const next = route.name === "jobs" && route.id ? job : VIEWS[route.name];
  const isNew = view !== next || before?.id !== route.id;
  if (isNew) {
    view?.leave?.();
    data = null;
    wanted = next.first || wanted;
  }
  view = next;
  app.route = route;
  document.title = visible(`${view.title(route)} – queuectl`);
  if (data) draw(); // its links know the new filter at once
  drawBar();
  if (isNew && before) {
    document.getElementById("main").focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  await refresh();
}

function focusOnWanted() {
  const element = wanted && document.getElementById(wanted);
  if (!element) return;
  wanted = "";
  element.focus();
}

async function refresh() {
  if (document.hidden || isLocked) return;
  clearTimeout(timer);
  timer = 0;
  loading?.abort();
  const mine = (loading = new AbortController());
  const began = performance.now();
  try {
    app.session ||= await get("api/session", mine.signal);
    app.canWrite = !app.session.read_only;
    const found = await view.load(app.route, mine.signal);
    const known = await failedOf(found, mine.signal);
    if (mine.signal.aborted) return;
    data = found;
    failed = known;
    problem = "";
  } catch (error) {
    if (mine.signal.aborted) return;
    problemOf(error);
  }
  loading = null;
  lastMs = performance.now() - began;
  draw();
}

// Returns how many jobs have failed for good. Asks for it if the view does not know it, and the dead are others.
async function failedOf(found, signal) {
  const dead = (found.overview || found).counts?.dead;
  const groups = found.groups ? found : found.failures;
  if (!groups && (dead === undefined || dead === failed?.dead)) return failed;
  if (!groups && !dead) return { dead, text: "0" };
  return { dead, text: failures.countOf(groups || await get("api/failures", signal)) };
}

function problemOf(error) {
  if (error.status === 401) return lock();
  hasAnswer = Boolean(error.status);
  problem = hasAnswer ? error.message : "queuectl web does not answer; it may have ended";
}

function lock() {
  isLocked = true;
  sleep();
  draw();
}

// Draws the view, later if text is selected.
function draw() {
  isDue = isSelecting();
  drawBar();
  if (isDue) return;
  const main = document.getElementById("main");
  main.setAttribute("aria-busy", String(!data && !isLocked));
  patch(main, isLocked ? [locked()] : [problem && notice("warn", problem), data && view.draw(data, app)]);
  drawFoot();
  view.fit?.();
  focusOnWanted();
}

function drawBar() {
  const { name } = app.route;
  patch(document.getElementById("bar"), [
    h("a", { class: "brand", href: "#/" }, h("span", { "aria-hidden": "true", class: "logo" }), "queuectl"),
    h("nav", { "aria-label": "Views" }, NAV.map(([key, label]) =>
      h("a", { key, href: `#/${key}`, "aria-current": key === name ? "page" : null },
      label, key === "failures" && failed && failed.text !== "0" && h("span", { class: "bubble" }, failed.text)))),
    h("div", { class: "tools" },
      app.session?.read_only && h("span", { class: "tag" }, "read-only"),
      button([h("span", { class: `dot ${health()}`, "aria-hidden": "true" }), healthWord()], togglePause,
        { class: "bare live", "aria-pressed": String(isPaused),
          title: "Pause or continue refreshing ( p )" }),
      app.canWrite && h("a", { class: "button main", href: "#/new" }, "New job"),
      button("?", help, { class: "bare", "aria-label": "Keys", title: "Keys ( ? )" })),
  ]);
}

function health() {
  if (problem || isLocked) return "off";
  return isPaused || isDue ? "paused" : "on";
}

function healthWord() {
  if (isLocked) return "locked";
  if (problem) return hasAnswer ? "refused" : "no answer";
  if (isPaused) return "paused";
  return isDue ? "held while you select" : "live";
}

function drawFoot() {
  const line = data && view.equalCommand(app.route, data)?.replace(/^queuectl/,
    () => app.session.command || "queuectl");
  patch(document.getElementById("foot"), [
    line && h("p", { class: "equal" }, h("span", { class: "quiet" }, "In a terminal"), command(line),
      button("Copy", () => copy(line), { class: "bare" })),
    app.session && h("p", { class: "quiet" }, app.session.home, " · ", app.session.version),
  ]);
}

// Describes what a tab without a valid token shows.
function locked() {
  const open = (event) => {
    event.preventDefault();
    if (!unlock(event.target.elements.address.value)) return say("that is no address of this page", true);
    isLocked = false;
    wake();
  };
  return section("This tab has no access", { level: "h1", class: "locked" },
    h("p", {}, "Open the address that ", command("queuectl web"),
      " printed, or paste it here. Each start has a new one."),
    h("form", { onsubmit: open },
      h("input", { name: "address", type: "password", "aria-label": "Address",
        placeholder: "http://127.0.0.1:…/#…", autocomplete: "off" }),
      h("button", { type: "submit", class: "main" }, "Continue")));
}

function togglePause() {
  isPaused = !isPaused;
  say(isPaused ? "refreshing is paused" : "refreshing continues");
  isPaused ? sleep() : wake();
  draw();
}

// Ends the stream and all timers.
function sleep() {
  stream?.abort();
  stream = null;
  loading?.abort();
  clearTimeout(timer);
  clearInterval(ticker);
  timer = ticker = 0;
}

function wake() {
  if (document.hidden || isPaused || isLocked) return;
  refresh();
  keepUp();
}

// Starts what keeps a visible page up to date: its events, and the times that it shows.
function keepUp() {
  clearInterval(ticker);
  ticker = setInterval(() => isSelecting() || tick(), 1000);
  stream?.abort();
  listen();
}

// Follows the events until the tab is hidden, refreshing is paused, or the token is not valid.
async function listen() {
  const mine = (stream = new AbortController());
  for (let failures = 0; !mine.signal.aborted; ) {
    try {
      const response = await request(`api/events${query({ after: sequence })}`, { signal: mine.signal });
      if (problem) refresh();
      for await (const event of lines(response)) {
        failures = 0;
        if (event) heard(event);
      }
    } catch (error) {
      if (mine.signal.aborted) return;
      problemOf(error);
      draw();
      if (isLocked) return;
    }
    failures += 1;
    await new Promise((done) => setTimeout(done, 1000 * Math.min(2 ** failures, LONGEST_BACKOFF_S)));
  }
}

function heard(event) {
  sequence = event.seq ?? sequence;
  if (timer || (view.concerns && !view.concerns(app.route, event))) return;
  timer = setTimeout(refresh, Math.max(LEAST_MS, SHARE * lastMs));
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    view?.hide?.();
    sleep();
  } else wake();
});
document.addEventListener("selectionchange", () => isDue && !isSelecting() && draw());
addEventListener("hashchange", arrive);
addEventListener("resize", () => view.fit?.());
listenForKeys(app);
askOtherTabs(() => {
  isLocked = false;
  wake();
});
if (!location.hash) history.replaceState(null, "", "#/");
arrive().then(() => document.hidden || isPaused || isLocked || keepUp());
