// The output of a job: one window of lines on a log that can be far larger than memory.
//
// Only what is looked at is loaded: the end first, then parts before or behind it as the reader
// scrolls. While the reader is at the end of a running attempt, new output follows; one request
// waits on the server for it. Scrolling up stops that.

import { plain, spans } from "./ansi.js";
import { h, patch } from "./dom.js";
import { bytes } from "./format.js";
import { button } from "./parts.js";
import { say } from "./said.js";
import { query, request } from "./server.js";

const PART = 64 * 1024;
const MOST_LINES = 4000;
const WAIT_S = 20;
const NEAR = 40;
const LEAST_PX = 140; // the height of the box
const GAP_PX = 12; // below it
const LONGEST_LINE = 16 * 1024; // a longer one continues in the next line

export class Output {
  // `lastLines` limits the window to the end, without controls, for a glance.
  constructor(id, { lastLines = 0 } = {}) {
    this.id = id;
    this.lastLines = lastLines;
    this.attempt = 0;
    this.attempts = [];
    this.isWrapped = true;
    this.filter = "";
    this.lines = document.createElement("div");
    this.lines.className = "lines";
    this.pane = document.createElement("div");
    Object.assign(this.pane, { className: "pane", tabIndex: 0, onscroll: () => this.scrolled() });
    this.pane.setAttribute("role", "region");
    this.pane.setAttribute("aria-label", `Output of ${id}`);
    this.pane.append(this.lines);
    this.tools = document.createElement("div");
    this.tools.className = "outputtools";
    this.element = document.createElement("div");
    this.element.className = lastLines ? "output glance" : "output";
    this.element.append(this.tools, this.pane);
    this.clear();
  }

  clear() {
    this.stop();
    Object.assign(this, { items: [], from: 0, to: 0, size: 0, isOver: false, hasEnded: false,
      isFollowing: true, style: plain() });
    this.lines.replaceChildren();
    this.open = null;
  }

  // Takes over the attempts of the job, and shows the latest one if that is new. `count` is their number.
  update(attempts) {
    const isLatest = this.attempt === this.attempts.length;
    this.attempts = attempts;
    if (isLatest && attempts.length && this.attempt !== attempts.length) this.choose(attempts.length);
    else this.resume();
    this.draw();
  }

  // Makes the box end above the bar at the bottom, so that nothing covers the newest lines.
  fit() {
    if (this.lastLines || !this.pane.isConnected) return;
    const foot = document.getElementById("foot");
    const bar = getComputedStyle(foot).position === "sticky" ? foot.offsetHeight : 0;
    const top = this.pane.getBoundingClientRect().top + scrollY;
    const height = `${Math.max(LEAST_PX, Math.floor(innerHeight - bar - top - GAP_PX))}px`;
    if (this.pane.style.maxHeight === height) return;
    this.pane.style.maxHeight = height;
    if (this.isFollowing) this.pane.scrollTop = this.pane.scrollHeight;
  }

  choose(number) {
    this.attempt = number;
    this.toEnd();
  }

  async toEnd() {
    this.clear();
    await this.load(this.lastLines ? "bytes=-16384" : `bytes=-${PART}`);
    this.resume();
  }

  async toStart() {
    this.clear();
    this.isFollowing = false;
    await this.load(`bytes=0-${PART - 1}`);
    this.pane.scrollTop = 0;
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
  }

  // Follows new output, if the reader is at the end of an attempt that still runs.
  async resume() {
    if (this.abort || this.hasEnded || !this.isFollowing || !this.attempt || document.hidden) return;
    const abort = (this.abort = new AbortController());
    while (!abort.signal.aborted && !this.hasEnded && this.isFollowing) {
      const began = Date.now();
      const hasMore = await this.load(`bytes=${this.to}-`, { wait: WAIT_S, signal: abort.signal });
      if (!hasMore && !this.hasEnded && Date.now() - began < 1000) await new Promise((done) =>
        setTimeout(done, 2000));
    }
    if (this.abort === abort) this.abort = null;
    this.draw();
  }

  // Loads a range, and adds its lines at the end, or at the start with `isBefore`.
  // Returns whether there were any.
  async load(range, { wait, signal, isBefore = false } = {}) {
    const attempt = this.attempt;
    let response;
    try {
      response = await request(`api/jobs/${encodeURIComponent(this.id)}/output${query({ run: attempt - 1, wait: wait || 0 })}`,
        { headers: { Range: range }, signal });
    } catch (error) {
      if (error.name !== "AbortError") this.failed(error);
      return false;
    }
    const data = new Uint8Array(await response.arrayBuffer().catch(() => 0));
    if (attempt !== this.attempt || signal?.aborted) return false;
    const [, first, size] = /(?:bytes )?(\d+|\*).*\/(\d+)/.exec(response.headers.get("Content-Range") || "")
      || [];
    if (size !== undefined) this.size = Number(size);
    else if (response.status === 200) this.size = data.length;
    const isEmpty = !data.length;
    if (!isEmpty) this.add(data, Number(first) || 0, isBefore);
    this.isOver = response.headers.get("X-Output-Ended") === "yes";
    this.hasEnded = this.isOver && this.to >= this.size;
    this.draw();
    return !isEmpty;
  }

  failed(error) {
    this.hasEnded = error.status !== undefined;
    say(`output: ${error.message}`, true);
  }

  add(data, first, isBefore) {
    if (isBefore) return this.addBefore(data, first);
    let at = 0;
    if (!this.items.length) {
      if (first > 0) at = data.indexOf(10) + 1;
      this.from = this.to = first + at;
    }
    this.append(data.subarray(at));
    if (!document.getSelection().containsNode(this.pane,
      true) || document.getSelection().isCollapsed) this.trimTop();
    if (this.isFollowing) this.pane.scrollTop = this.pane.scrollHeight;
  }

  append(data) {
    let at = 0;
    while (at < data.length) {
      const end = data.indexOf(10, at);
      const stop = end < 0 ? data.length : end + 1;
      this.extend(data.subarray(at, stop));
      if (end >= 0) this.open = null;
      at = stop;
    }
    this.to += data.length;
  }

  // Adds bytes to the line that has no end yet, or to a new one.
  extend(piece) {
    let item = this.open;
    if (!item || item.length >= LONGEST_LINE) {
      item = this.open = { bytes: [], length: 0, style: { ...this.style, set: new Set(this.style.set) } };
      this.items.push(item);
      item.element = this.lines.appendChild(document.createElement("div"));
    }
    item.bytes.push(piece);
    item.length += piece.length;
    this.style = this.paint(item);
  }

  // Draws one line, and returns the style that holds after it.
  paint(item) {
    const style = { ...item.style, set: new Set(item.style.set) };
    item.text = textOf(item.bytes);
    const parts = spans(item.text.replace(/\n$/, ""), style);
    item.element.replaceChildren(...parts.map(({ text, classes }) => {
      if (!classes) return document.createTextNode(text);
      const span = document.createElement("span");
      span.className = classes;
      span.textContent = text;
      return span;
    }));
    item.element.className = this.matches(item) ? "line" : "line filtered";
    return style;
  }

  matches(item) {
    return !this.filter || item.text.toLowerCase().includes(this.filter.toLowerCase());
  }

  addBefore(data, first) {
    const cut = first > 0 ? data.indexOf(10) + 1 : 0;
    const height = this.pane.scrollHeight;
    const found = [];
    for (let at = cut; at < data.length; ) {
      const end = data.indexOf(10, at);
      const stop = end < 0 ? data.length : end + 1;
      const piece = data.subarray(at, stop);
      const item = { bytes: [piece], length: piece.length, style: plain(),
        element: document.createElement("div") };
      this.paint(item);
      found.push(item);
      at = stop;
    }
    this.items.unshift(...found);
    this.lines.prepend(...found.map((item) => item.element));
    this.from = first + cut;
    this.pane.scrollTop += this.pane.scrollHeight - height;
    this.trimBottom();
  }

  trimTop() {
    const extra = this.items.splice(0, Math.max(0, this.items.length - (this.lastLines || MOST_LINES)));
    if (!extra.length) return;
    const height = this.pane.scrollHeight;
    for (const item of extra) {
      this.from += item.length;
      item.element.remove();
    }
    if (!this.isFollowing) this.pane.scrollTop -= height - this.pane.scrollHeight;
  }

  trimBottom() {
    for (const item of this.items.splice(MOST_LINES)) {
      this.to -= item.length;
      item.element.remove();
      this.open = null;
    }
  }

  async scrolled() {
    if (this.lastLines || this.isLoading) return;
    const { scrollTop, scrollHeight, clientHeight } = this.pane;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    const wasFollowing = this.isFollowing;
    this.isFollowing = isAtEnd && this.to >= this.size;
    if (wasFollowing && !this.isFollowing) this.stop();
    this.isLoading = true;
    if (scrollTop < NEAR && this.from > 0) await this.loadBefore();
    else if (isAtEnd && this.to < this.size) await this.load(`bytes=${this.to}-${this.to + PART - 1}`);
    this.isLoading = false;
    this.resume();
    this.draw();
  }

  loadBefore() {
    return this.load(`bytes=${Math.max(0, this.from - PART)}-${this.from - 1}`, { isBefore: true });
  }

  setFilter(text) {
    this.filter = text;
    for (const item of this.items) item.element.className = this.matches(item) ? "line" : "line filtered";
    this.draw();
  }

  async download() {
    const path = `api/jobs/${encodeURIComponent(this.id)}/output${query({ run: this.attempt - 1, download: 1 })}`;
    try {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await (await request(path)).blob());
      link.download = `${this.id}.${this.attempt}.log`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    } catch (error) {
      this.failed(error);
    }
  }

  // Says what is shown of how much, and whether more comes.
  state() {
    if (!this.attempts.length) return "it has not run";
    if (!this.size) return this.isOver ? "no output" : "no output yet";
    const shown = this.to - this.from;
    const part = shown < this.size ? `${bytes(shown)} of ${bytes(this.size)}` : bytes(this.size);
    if (this.isOver) return part;
    return this.isFollowing ? `${part}, live` : `${part}, not following`;
  }

  draw() {
    this.pane.classList.toggle("wrap", this.isWrapped);
    if (this.lastLines) return patch(this.tools, [h("span", { class: "quiet" }, this.glance())]);
    const found = this.filter ? this.items.filter((item) => this.matches(item)).length : 0;
    patch(this.tools, [
      this.tabs(),
      h("span", { class: "quiet grow" }, this.filter ? `${found} matching lines in ${this.state()}`
        : this.state()),
      h("input", { type: "search", placeholder: "Filter lines",
        "aria-label": "Filter the lines of the output",
        oninput: (event) => this.setFilter(event.target.value) }),
      button("Wrap", () => { this.isWrapped = !this.isWrapped; this.draw(); },
        { "aria-pressed": String(this.isWrapped) }),
      button("Start", () => this.toStart(), { title: "Go to the first line" }),
      button(this.isOver ? "End" : "Follow", () => this.toEnd(),
        { "aria-pressed": this.isOver ? null : String(this.isFollowing) }),
      button("Download", () => this.download()),
    ]);
    this.fit();
  }

  glance() {
    const shown = this.items.length;
    return this.size ? `last ${shown} ${shown === 1 ? "line" : "lines"} of ${this.id} (${bytes(this.size)})`
      : this.state();
  }

  tabs() {
    if (this.attempts.length < 2) return null;
    return h("div", { role: "group", "aria-label": "Attempts", class: "tabs" },
      this.attempts.map((attempt, index) =>
      button(`#${attempt.attempt}`, () => this.choose(index + 1), {
        key: index, "aria-pressed": String(index + 1 === this.attempt),
        title: `attempt ${attempt.attempt}: ${attempt.reason || attempt.outcome || "running"}`,
      })));
  }
}

function textOf(pieces) {
  if (pieces.length === 1) return new TextDecoder().decode(pieces[0]);
  const decoder = new TextDecoder();
  return pieces.map((piece) => decoder.decode(piece, { stream: true })).join("") + decoder.decode();
}
