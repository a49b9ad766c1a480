// Charts as SVG: each has a role, a label, and a table or text beside it.

import { h, s } from "./dom.js";
import { counted, number } from "./format.js";

const HEIGHT = 72;
const BELOW = 24;

// Describes sixty minutes: completed jobs as bars upwards, failed attempts as bars downwards.
export function throughput({ completed, failed }) {
  const peak = Math.max(...completed);
  const most = Math.max(1, peak);
  const mostFailed = Math.max(1, ...failed);
  const label = `${counted(sum(completed), "job")} completed and ${counted(sum(failed), "attempt")} failed in the last ` +
    `${completed.length} minutes; at most ${number(peak)} completed in a minute`;
  const bars = completed.flatMap((count, index) => [
    bar("done", index, HEIGHT * (count / most), HEIGHT, -1),
    bar("fail", index, BELOW * (failed[index] / mostFailed), HEIGHT + 2, 1),
  ]);
  const width = completed.length * 10;
  return h("figure", { class: "chart" },
    s("svg", { role: "img", "aria-label": label, viewBox: `0 0 ${width} ${HEIGHT + BELOW + 2}`,
      preserveAspectRatio: "none" },
      s("line", { x1: 0, x2: width, y1: HEIGHT + 1, y2: HEIGHT + 1, class: "axis" }), ...bars),
    h("figcaption", {}, h("span", {}, "60 min ago"), h("span", {}, `peak ${number(peak)}/min`),
      h("span", {}, "now")),
    h("details", {}, h("summary", {}, "As a table"), minutes(completed, failed)));
}

function bar(kind, index, height, base, direction) {
  if (!height) return null;
  const drawn = Math.max(2, height);
  return s("rect", { key: `${kind}${index}`, class: kind, x: index * 10 + 1, width: 8,
    height: drawn.toFixed(1),
    y: (direction < 0 ? base - drawn : base).toFixed(1) });
}

function minutes(completed, failed) {
  const rows = completed.map((count, index) => [completed.length - 1 - index, count,
    failed[index]]).reverse();
  return h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Minutes ago"),
      h("th", { scope: "col", class: "num" }, "Completed"),
      h("th", { scope: "col", class: "num" }, "Failed attempts"))),
    h("tbody", {}, rows.map(([ago, done, bad]) => h("tr", { key: ago }, h("td", {}, ago),
      h("td", { class: "num" }, number(done)), h("td", { class: "num" }, number(bad)))))));
}

// Describes a small line without axes; the numbers stand beside it.
export function sparkline(values, label) {
  const most = Math.max(1, ...values);
  const points = values.map((value, index) =>
    `${index * 2},${(15 - 14 * (value / most)).toFixed(1)}`).join(" ");
  return s("svg", { role: "img", "aria-label": label, class: "spark",
    viewBox: `0 0 ${2 * values.length} 16` },
    s("polyline", { points }));
}

// Describes what an attempt did on the scale of its job: it waited or backed off, then it ran.
export function attemptBar({ from, began, ended, first, last, kind, label }) {
  const length = Math.max(1, last - first);
  const x = (at) => 300 * ((at - first) / length);
  const ran = Math.max(3, x(ended) - x(began));
  const start = Math.min(x(began), 300 - ran);
  return s("svg", { role: "img", "aria-label": label, class: "attempt", viewBox: "0 0 300 14",
    preserveAspectRatio: "none" },
    s("line", { class: "track", x1: 0, x2: 300, y1: 7, y2: 7 }),
    s("line", { class: kind.waited, x1: x(from).toFixed(1), x2: start.toFixed(1), y1: 7, y2: 7 }),
    s("rect", { class: kind.ran, x: start.toFixed(1), y: 1, width: ran.toFixed(1), height: 12, rx: 2 }));
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
