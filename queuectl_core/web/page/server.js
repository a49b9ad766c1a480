// Requests to `queuectl web`, with the token of this start.

import { setClock } from "./format.js";

const KEY = `queuectl token ${location.pathname}`;
const TOKEN = /^[A-Za-z0-9_-]{20,}$/;

let token = takeToken();
let isLocked = false;

// Moves the token from the address into this tab, so that neither history nor a copied link has it.
function takeToken() {
  const [, given, route] = /^#([A-Za-z0-9_-]{20,})(\/.*)?$/.exec(location.hash) || [];
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", `#${route || "/"}`);
  }
  return sessionStorage.getItem(KEY);
}

// Continues with the token in an address that a person has pasted. Returns whether there is one.
export function unlock(text) {
  const given = text.trim().replace(/^.*#/, "").replace(/\/.*$/, "");
  if (!TOKEN.test(given)) return false;
  token = given;
  sessionStorage.setItem(KEY, given);
  isLocked = false;
  return true;
}

// A refusal of the server: `code` names the cause, and the message is for people.
export class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// Asks the server, and returns its response. After a 401, no request leaves until `unlock`.
// Throws: Refusal; TypeError when there is no answer.
export async function request(path, options = {}) {
  if (isLocked || !token) throw new Refusal(401, "locked", "this tab has no valid token");
  const headers = { ...options.headers, Authorization: `Bearer ${token}` };
  const response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  if (response.headers.has("date")) setClock(response.headers.get("date"));
  if (response.ok) return response;
  if (response.status === 401) isLocked = true;
  const answer = await response.json().catch(() => ({}));
  throw new Refusal(response.status, answer.error, answer.message
    || `the server answered ${response.status}`);
}

export async function get(path, signal) {
  return (await request(path, { signal })).json();
}

const JSON_BODY = { "Content-Type": "application/json" };

export async function post(path, body) {
  return (await request(path, { method: "POST", headers: JSON_BODY, body: JSON.stringify(body) })).json();
}

// Posts, and yields each line of the answer: progress, then the result.
export async function* postLines(path, body) {
  yield* lines(await request(path, { method: "POST", headers: JSON_BODY, body: JSON.stringify(body) }));
}

// Yields the lines of a response as JSON; `null` for an empty line, which only says that the connection lives.
export async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const parts = (rest + (value || "")).split("\n");
    rest = done ? "" : parts.pop();
    for (const line of parts) {
      if (line) yield JSON.parse(line);
      else if (!done) yield null;
    }
    if (done) return;
  }
}

export function query(values) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of [value].flat()) if (one !== undefined && one !== null
      && one !== "") search.append(name, one);
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}

// Other tabs of this page hand over the token, so that a link opens in a new tab. Only where the
// page has the origin for itself: under a base path, other programs share it.
const relay = location.pathname === "/" ? new BroadcastChannel("queuectl") : null;
if (relay) {
  relay.onmessage = ({ data }) => data === "token?" && token && !isLocked && relay.postMessage({ token });
}

export function askOtherTabs(onToken) {
  if (!relay || token) return;
  relay.addEventListener("message", ({ data }) => !token && data.token && unlock(data.token) && onToken());
  relay.postMessage("token?");
}
