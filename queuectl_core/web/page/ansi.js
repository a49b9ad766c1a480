// Output of commands as lines of spans: the colours of a terminal become classes, and every other
// control sequence disappears. Nothing in the output can become an element or an address.

const SEQUENCE = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~]?)/g;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const STYLES = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike" };
const ENDS = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"] };

// Returns the spans of one line, `{text, classes}`, and changes `style` to what holds after it.
export function spans(line, style) {
  const text = afterReturn(line);
  const found = [];
  let from = 0;
  for (const match of text.matchAll(SEQUENCE)) {
    add(found, text.slice(from, match.index), style);
    if (match[2] === "m" && /^[\d;:]*$/.test(match[1])) apply(style, match[1]);
    from = match.index + match[0].length;
  }
  add(found, text.slice(from), style);
  return found;
}

// Returns a new style, in which nothing is set.
export function plain() {
  return { set: new Set(), front: "", back: "" };
}

// Returns what a terminal shows of a line that a progress bar has written over.
function afterReturn(line) {
  const text = line.replace(/\r+$/, "");
  return text.slice(text.lastIndexOf("\r") + 1);
}

function add(found, text, style) {
  const shown = text.replace(CONTROLS, "\ufffd");
  if (!shown) return;
  found.push({ text: shown, classes: [...style.set, style.front, style.back].filter(Boolean).join(" ") });
}

function apply(style, codes) {
  const numbers = codes.split(/[;:]/).map(Number);
  for (let index = 0; index < numbers.length; index += 1) {
    const code = numbers[index];
    if (code === 38 || code === 48) {
      const length = numbers[index + 1] === 5 ? 2 : 4;
      const color = length === 2 ? ofPalette(numbers[index + 2]) : "";
      style[code === 38 ? "front" : "back"] = color && `${code === 38 ? "fg" : "bg"}-${color}`;
      index += length;
    } else applyOne(style, code);
  }
}

function applyOne(style, code) {
  if (!code) Object.assign(style, plain());
  else if (STYLES[code]) style.set.add(STYLES[code]);
  else if (ENDS[code]) ENDS[code].forEach((name) => style.set.delete(name));
  else if (code === 39) style.front = "";
  else if (code === 49) style.back = "";
  else if (code >= 30 && code <= 37) style.front = `fg-${NAMES[code - 30]}`;
  else if (code >= 90 && code <= 97) style.front = `fg-${NAMES[code - 90]}`;
  else if (code >= 40 && code <= 47) style.back = `bg-${NAMES[code - 40]}`;
  else if (code >= 100 && code <= 107) style.back = `bg-${NAMES[code - 100]}`;
}

// Returns the nearest of the eight colours to one of 256.
function ofPalette(code) {
  if (!(code >= 0 && code <= 255)) return "";
  if (code < 16) return NAMES[code % 8];
  if (code >= 232) return code < 244 ? "black" : "white";
  const [red, green, blue] = [Math.floor((code - 16) / 36), Math.floor((code - 16) / 6) % 6, (code - 16) % 6];
  return NAMES[(red > 2 ? 1 : 0) + (green > 2 ? 2 : 0) + (blue > 2 ? 4 : 0)];
}
