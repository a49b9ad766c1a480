// Settings: the keys of `queuectl config`, what they are, and what they change.

import { choices, field, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { bytes, span } from "./format.js";
import { button, command, section } from "./parts.js";
import { say } from "./said.js";
import { get, post } from "./server.js";

export const title = () => "Settings";
export const equalCommand = () => "queuectl config list";

export async function load(route, signal) {
  return { settings: await get("api/config", signal) };
}

export function draw({ settings }, app) {
  return [section("Settings", { level: "h1" }, h("table", { class: "rows settings" },
    h("thead", {}, h("tr", {}, ["Key", "Value", "Default, if changed",
      "Meaning"].map((name) => h("th", { scope: "col", key: name }, name)),
      app.canWrite && h("td", {}))),
    h("tbody", {}, settings.map((setting) => h("tr", { key: setting.key },
      h("th", { scope: "row" }, h("code", {}, setting.key)),
      h("td", {}, shown(setting.value), h("span", { class: "quiet" }, measure(setting))),
      h("td", { class: "quiet", "data-label": isSet(setting) ? "default" : null },
        isSet(setting) ? shown(setting.default) : ""),
      h("td", { class: "quiet why" }, setting.help || ""),
      app.canWrite && h("td", { class: "tools" }, button("Change…", () => change(setting, app),
        { "aria-label": `Change ${setting.key}` })))))))];
}

function isSet({ value, default: usual }) {
  return shown(value) !== shown(usual);
}

// Returns a large number once more, in words.
function measure({ value, help = "" }) {
  if (typeof value !== "number" || value < 60) return "";
  if (/\bbytes\b/.test(help)) return ` (${bytes(value)})`;
  return /\bseconds\b/.test(help) ? ` (${span(value * 1000)})` : "";
}

function shown(value) {
  if (Array.isArray(value)) return value.join(",") || "–";
  if (value && typeof value === "object") return Object.keys(value).join(", ") || "–";
  return value === "" || value === null || value === undefined ? "–" : String(value);
}

function change(setting, app) {
  const { key } = setting;
  const given = { value: shown(setting.value) === "–" ? "" : shown(setting.value) };
  const state = { error: null };
  const dialog = openDialog(key, () => [
    h("form", { onsubmit: (event) => { event.preventDefault(); save({ key, value: given.value }); } },
      setting.help && h("p", {}, setting.help),
      field("Value", given.value, (text) => { given.value = text; dialog.redraw(); },
        { autofocus: true, hint: `default: ${shown(setting.default)}` }),
      state.error && h("p", { class: "bad", role: "alert" }, state.error),
      h("p", { class: "equal" }, command(`queuectl config set ${key} '${given.value.replaceAll("'", "'\\''")}'`)),
      choices(button("Back", () => dialog.close()), button("Use the default",
        () => save({ key, unset: true })),
        h("button", { type: "submit", class: "main" }, "Save"))),
  ]);

  async function save(body) {
    try {
      await post("api/config", body);
      dialog.close();
      say(`changed ${key}`);
      app.refresh();
    } catch (error) {
      state.error = error.message;
      dialog.redraw();
    }
  }
}
