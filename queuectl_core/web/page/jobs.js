// Jobs: the list. The address is the filter, and actions reach the selected jobs or all that match.

import { actOn, labelOf } from "./act.js";
import { h } from "./dom.js";
import { counted, number, since, span, when } from "./format.js";
import { badge, button, cause, command, empty, jobLink, section, word } from "./parts.js";
import { get, query } from "./server.js";

const PAGE = 100;
const FEW = 20;
const SEARCH_MS = 3000;
const STATES = ["processing", "pending", "failed", "dead", "completed"];
const FIELDS = [
  ["grep", "Command contains", ""], ["queue", "Queue", ""], ["name", "Name", "night*"], ["id", "ID", "web-*"],
  ["tag", "Tag", "key=value"], ["batch", "Batch", ""], ["reason", "Reason contains", ""],
  ["exit-code", "Exit code", "3,4"],
  ["since", "Added since", "2h"], ["until", "Added before", "18:30"], ["ended-since", "Finished since", "1d"],
];
const SORTS = [
  ["", "running first"], ["-created_at", "newest first"], ["-duration", "longest run first"],
  ["-memory", "most memory first"],
  ["-cpu", "most processor time first"], ["-attempts", "most attempts first"],
];
const OUTSIDE = ["sort", "cursor", "limit"]; // words of the address that select no jobs

const selected = new Set();
let isOpen = false;

export const title = () => "Jobs";
export const equalCommand = (route, data) => data?.command || "queuectl list";

export async function load({ values }, signal) {
  const [page, overview] = await Promise.all([search(values, signal), get("api/overview", signal)]);
  return { ...page, counts: overview.counts };
}

// Returns a page of jobs. One request searches only for a moment, so it goes on while few are found.
async function search(values, signal) {
  const end = performance.now() + SEARCH_MS;
  const page = await get(`api/jobs${query({ limit: PAGE, ...values })}`, signal);
  while (page.next && page.jobs.length < FEW && performance.now() < end) {
    const more = await get(`api/jobs${query({ ...values, limit: PAGE - page.jobs.length, cursor: page.next })}`, signal);
    page.jobs.push(...more.jobs);
    page.next = more.next;
  }
  return page;
}

export function leave() {
  selected.clear();
}

export function draw(data, app) {
  const { values } = app.route;
  const filter = Object.fromEntries(Object.entries(values).filter(([name]) => !OUTSIDE.includes(name)));
  for (const id of [...selected]) if (!data.jobs.some((job) => job.id === id)) selected.delete(id);
  return [
    section("Jobs", { level: "h1", side: tools(values, app) },
      states(filter, data.counts, app), chips(filter, app), isOpen && more(filter, app),
      app.canWrite && actions(data, filter, app),
      data.jobs.length ? table(data, app) : empty(data.next ? "None found so far." : "No job matches."),
      pages(data, app)),
  ];
}

function go(app, values) {
  app.go("/jobs", values);
}

// Describes the states as links with their counts; each link keeps the rest of the filter.
function states(filter, counts, app) {
  const chosen = filter.state || "";
  const { state: _, ...rest } = filter;
  const link = (state, label, count) => h("a", { key: state, href: app.address("/jobs", { ...rest, state }),
    "aria-current": chosen === state ? "true" : null }, label, " ",
    count !== undefined && h("span", { class: "quiet" }, number(count)));
  const total = STATES.reduce((sum, state) => sum + counts[state], 0);
  return h("nav", { class: "states", "aria-label": "State" },
    link("", "all", total), STATES.map((state) => link(state, word(state), counts[state])));
}

function tools(values, app) {
  const find = (event) => {
    event.preventDefault();
    go(app, { ...values, cursor: "", grep: event.target.elements.grep.value });
  };
  return h("div", { class: "tools" },
    h("form", { role: "search", onsubmit: find },
      h("input", { type: "search", name: "grep", id: "find", placeholder: "Command contains…  ( / )",
        "aria-label": "Command contains",
        value: values.grep || "" })),
    button("Filters", () => { isOpen = !isOpen; app.redraw(); }, { "aria-expanded": String(isOpen) }),
    h("select", { "aria-label": "Order", value: values.sort || "",
      onchange: (event) => go(app, { ...values, cursor: "", sort: event.target.value }) },
      SORTS.map(([value, label]) => h("option", { key: value, value }, label))));
}

function chips(filter, app) {
  const isShown = (name) => name !== "state" || !STATES.includes(filter.state); // the links show one state
  const names = Object.keys(filter).filter((name) => filter[name] && isShown(name));
  if (!names.length) return null;
  return h("p", { class: "chips" }, names.map((name) => {
    const { [name]: value, ...rest } = filter;
    const shown = name === "group" ? "one group of failures" : `${name} ${name === "state" ? statesIn(value) : value}`;
    return h("a", { key: name, class: "chip", href: app.address("/jobs", rest),
      "aria-label": `Remove the filter ${shown}` },
      shown, h("span", { "aria-hidden": "true" }, " ✕"));
  }), h("a", { href: app.address("/jobs", {}), class: "quiet" }, "Clear"));
}

function statesIn(text) {
  return text.split(",").map(word).join(" or ");
}

function more(filter, app) {
  const apply = (event) => {
    event.preventDefault();
    const given = Object.fromEntries(FIELDS.map(([name]) =>
      [name, event.target.elements[name].value.trim()]));
    go(app, { ...filter, ...given });
  };
  return h("form", { class: "filters", onsubmit: apply, "aria-label": "Filters" },
    FIELDS.map(([name, label, hint]) => h("label", { key: name }, label,
      h("input", { name, value: filter[name] || "", placeholder: hint, autocomplete: "off" }))),
    h("button", { type: "submit", class: "main" }, "Apply"));
}

// Describes what can be done with the selected jobs, or with all that match.
function actions(data, filter, app) {
  const isFiltered = Object.values(filter).some(Boolean);
  const chosen = [...selected];
  const what = chosen.length ? `${counted(chosen.length, "job")} selected` : isFiltered ? "All that match"
    : "";
  if (!what) return null;
  const target = chosen.length ? { ids: chosen } : { filter };
  const seen = new Set(data.jobs.filter((job) => !chosen.length || selected.has(job.id)).map((job) =>
    job.state));
  const after = () => { selected.clear(); app.refresh(); };
  return h("div", { class: "actions", role: "group", "aria-label": "Actions" },
    h("span", {}, what, data.count && !chosen.length ? ` (${number(data.count)})` : ""),
    verbsFor(seen).map((verb) => button(`${labelOf(verb)}…`, () => actOn(verb, target, after),
      { key: verb, class: verb === "rm" || verb === "cancel" ? "grave" : "" })),
    chosen.length > 0 && button("Clear", () => { selected.clear(); app.redraw(); }, { class: "bare" }));
}

// Returns the verbs that make sense for jobs in these states.
function verbsFor(states) {
  const verbs = [];
  if (states.has("dead") && states.size === 1) verbs.push("dlq-retry");
  else if (states.has("dead") || states.has("failed")) verbs.push("retry");
  if (states.has("pending") || states.has("processing") || states.has("failed")) verbs.push("cancel");
  if (states.has("processing")) verbs.push("suspend", "continue");
  if (["pending", "failed", "dead", "completed"].some((state) => states.has(state))) verbs.push("rm");
  return verbs;
}

function table(data, app) {
  const all = data.jobs.every((job) => selected.has(job.id));
  const toggleAll = () => {
    for (const job of data.jobs) all ? selected.delete(job.id) : selected.add(job.id);
    app.redraw();
  };
  return h("table", { class: "rows jobs" },
    h("thead", {}, h("tr", {},
      app.canWrite && h("th", { scope: "col", class: "pick" },
        h("input", { type: "checkbox", checked: all, onchange: toggleAll,
          "aria-label": "Select all on this page" })),
      ["State", "Job", "Command", "Queue"].map((name) => h("th", { scope: "col", key: name }, name)),
      h("th", { scope: "col", class: "num" }, "Attempts"), h("th", { scope: "col" }, "When"),
      h("th", { scope: "col" }, "Note"))),
    h("tbody", {}, data.jobs.map((job) => row(job, app))));
}

function row(job, app) {
  const pick = (event) => {
    event.target.checked ? selected.add(job.id) : selected.delete(job.id);
    app.redraw();
  };
  return h("tr", { key: job.id, class: selected.has(job.id) ? "selected" : "" },
    app.canWrite && h("td", { class: "pick" },
      h("input", { type: "checkbox", checked: selected.has(job.id), onchange: pick,
        "aria-label": `Select ${job.id}` })),
    h("td", {}, badge(job.state, job.suspended)),
    h("td", {}, jobLink(job.id), job.name && [" ", h("span", { class: "quiet name", title: job.name }, job.name)]),
    h("td", { class: "fill" }, command(job.command)),
    h("td", { "data-label": "queue" }, h("a", { class: "quiet",
      href: app.address("/jobs", { ...app.route.values, cursor: "", queue: job.queue }) }, job.queue)),
    h("td", { class: "num", "data-label": "attempts" }, job.attempts ? `${job.attempts}` : "–"),
    h("td", { class: "quiet" }, moment(job)),
    h("td", { class: "why" }, note(job)));
}

function moment(job) {
  const last = job.history.at(-1);
  if (job.state === "processing" && last) return ["for ", since(last.started_at)];
  return when(job.state === "pending" ? job.created_at : job.updated_at);
}

// Returns why a job waits, why it failed, or how long it ran.
function note(job) {
  if (job.state === "pending" || job.state === "failed") return cause(job);
  if (job.state === "dead") return job.reason || "";
  const last = job.history.at(-1);
  if (job.state === "completed" && last) return `ran ${span(last.duration_ms)}`;
  return job.worker ? `on ${job.worker}` : "";
}

function pages(data, app) {
  const { values } = app.route;
  if (!data.next && !values.cursor) return null;
  const { cursor: _, ...first } = values;
  return h("nav", { class: "pages", "aria-label": "Pages" },
    values.cursor && h("a", { href: app.address("/jobs", first) }, "First page"),
    data.next && h("a", { href: app.address("/jobs", { ...values, cursor: data.next }) },
      data.jobs.length ? "Next page" : "Search on"));
}
