// One dialog at a time: the browser keeps the focus inside it and closes it with Escape.

import { h, patch } from "./dom.js";
import { button } from "./parts.js";

let open = null;

// Opens a dialog whose content `draw(dialog)` describes. Returns `{redraw, close, closed}`.
export function openDialog(title, draw) {
  open?.close();
  const element = document.createElement("dialog");
  element.setAttribute("aria-labelledby", "dialogtitle");
  const opener = document.activeElement;
  let isFocused = false; // the element that asks for it may come later
  const focusFirst = () => {
    const first = !isFocused && element.open && element.querySelector("[autofocus]");
    if (!first) return;
    isFocused = true;
    first.focus();
  };
  const dialog = {
    redraw: () => {
      patch(element, [
        h("div", { class: "head" }, h("h2", { id: "dialogtitle" }, title),
          button("✕", () => element.close(), { "aria-label": "Close", class: "bare" })),
        ...draw(dialog),
      ]);
      focusFirst();
    },
    close: () => element.close(),
  };
  dialog.closed = new Promise((done) => {
    element.onclose = () => {
      element.remove();
      if (open === dialog) open = null;
      if (opener?.isConnected) opener.focus({ preventScroll: true });
      done();
    };
  });
  element.onclick = (event) => {
    if (event.target === element) element.close(); // outside its content
  };
  element.onkeydown = (event) => { // the held key that has opened the dialog confirms nothing
    if (event.repeat && event.key === "Enter" && event.target.matches("button")) event.preventDefault();
  };
  document.body.append(element);
  open = dialog;
  dialog.redraw();
  element.showModal();
  focusFirst();
  return dialog;
}

export function isDialogOpen() {
  return open !== null;
}

// Describes the last row of a dialog: what was asked for, and a way out.
export function choices(...buttons) {
  return h("div", { class: "choices", key: "choices" }, ...buttons);
}

// Describes a labelled field. `given` is its value, and `take` gets each new one.
export function field(label, given, take, { hint, rows, ...props } = {}) {
  const id = `field-${label.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  const common = { id, value: given ?? "", oninput: (event) => take(event.target.value),
    "aria-describedby": hint && `${id}-hint`,
    autocomplete: "off", spellcheck: "false", ...props };
  return h("div", { class: "field", key: id },
    h("label", { for: id }, label),
    rows ? h("textarea", { rows, ...common }) : h("input", { type: "text", ...common }),
    hint && h("small", { id: `${id}-hint` }, hint));
}
