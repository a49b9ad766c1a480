"""Log lines: what a supervisor in the foreground says about its jobs, as text or as JSON.

Pure. It does not know where the lines go.
"""

from __future__ import annotations

from typing import Any

from .. import fast_json
from ..escapes import visible
from ..timestamps import format_span, utc
from .events import Canceled, DeadLettered, Event, Failed, Released, Snoozed, Started, Succeeded
from .job import Job

Entry = dict[str, Any]

TEXT, JSON = "text", "json"
FORMATS = (TEXT, JSON)

RUN_EVENTS: dict[type, str] = {
    Started: "started",
    Succeeded: "completed",
    Failed: "failed",
    DeadLettered: "died",
    Snoozed: "snoozed",
    Released: "released",
    Canceled: "canceled",
}
"""The events that start or end a run or a job, and their names here."""

_COMMAND_CHARACTERS = 200
"""The most characters of a command in a line of text."""


def entry_of(event: Event, job: Job | None) -> Entry | None:
    """Return what to say about one of `RUN_EVENTS` of this job, or None if the job is gone."""
    if job is None:
        return None
    fields: Any = event
    entry: Entry = {"at": utc(fields.at_ms), "event": RUN_EVENTS[type(event)], "job": job.id, "attempt": job.attempts}
    name = entry["event"]
    if name == "started":
        return {**entry, "command": job.command}
    ending = getattr(event, "ending", None)
    if ending is not None:
        entry.update(exit_code=ending.exit_code, signal=ending.signal, duration_ms=ending.duration_ms)
    if name != "completed":
        entry["reason"] = fields.reason
    if name == "failed":
        entry.update(max_retries=job.max_retries, retry_in_ms=fields.due_ms - fields.at_ms)
    return entry


def message(at_ms: int, text: str) -> Entry:
    """Return a message of the supervisor about itself."""
    return {"at": utc(at_ms), "event": "message", "text": text}


def line(entry: Entry, how: str) -> bytes:
    """Return an entry as one line with its newline, safe for a terminal."""
    if how == JSON:
        return _json(entry)
    return f"{entry['at']} {visible(_text(entry))}\n".encode("utf-8", "backslashreplace")


def output_line(job: str, text: bytes, how: str, is_terminal: bool) -> bytes:
    """Return one line of a job's output, with the job's ID. A terminal gets no control character of the job."""
    if how == JSON:
        return _json({"event": "output", "job": job, "text": text.decode("utf-8", "replace")})
    if is_terminal:
        text = visible(text.decode("utf-8", "backslashreplace"), "\t").encode()
    return b"%s| %s\n" % (job.encode(), text)


def _json(entry: Entry) -> bytes:
    """Return an entry as JSON in ASCII: a terminal acts on no character of it."""
    return f"{fast_json.encode(entry)}\n".encode()


def _text(entry: Entry) -> str:
    if entry["event"] == "message":
        return str(entry["text"])
    said = f"job {entry['job']} {entry['event']}"
    if entry["event"] == "started":
        attempt = f", attempt {entry['attempt']}" if entry["attempt"] > 1 else ""
        return f"{said}{attempt}: {entry['command'][:_COMMAND_CHARACTERS]}"
    if "duration_ms" in entry:
        said += f" after {format_span(entry['duration_ms'])}"
    if "reason" in entry:
        said += f": {entry['reason']}"
    if "retry_in_ms" in entry:
        number = f"{entry['attempt']} of {entry['max_retries']}"
        said += f"; retry {number} in {format_span(entry['retry_in_ms'])}"
    return said
