// The one place where the page speaks: shown for a moment, and read out by screen readers.

const SHOWN_MS = 6000;

let timer = 0;

// Says a short text; `isBad` marks a failure.
export function say(text, isBad = false) {
  const place = document.getElementById("said");
  place.textContent = text;
  place.className = isBad ? "bad" : "";
  clearTimeout(timer);
  timer = setTimeout(() => (place.textContent = ""), isBad ? 3 * SHOWN_MS : SHOWN_MS);
}
