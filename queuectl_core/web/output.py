"""Output: the bytes of an attempt's output that the page looks at, also while it runs.

Invariant: a reply holds one piece of output in memory, whatever the size of the output.
Invariant: it has only output of this attempt. The bytes behind its end belong to others, so
the size of the segment is read before the attempt is seen to run.
"""

from __future__ import annotations

import re
import select
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InvalidInput, NoOutput
from ..storage import output_log
from .connection.incoming import Request
from .connection.replies import TEXT, Reply
from .context import Context

if TYPE_CHECKING:
    from ..model.records import AttemptRecord

MAX_WAIT_S = 25.0
LOOK_EVERY_S = 0.2
ASK_EVERY_S = 1.0
"""The seconds between two looks at the size of a followed file, and between two at its job."""

_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


class Extent(NamedTuple):
    """Where the output of one attempt lies, its size now, and whether the attempt has ended."""

    file: str | None
    offset: int
    size: int
    has_ended: bool
    attempt: int


def output(context: Context, request: Request) -> Reply:
    """Return the output of an attempt, or a range of its bytes.

    Raises: NoOutput, InvalidInput.
    """
    extent = _extent(context, request)
    wanted = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    first = _first_of(wanted, extent.size) if wanted else 0
    if wanted and first >= extent.size and not extent.has_ended:
        extent = _waited_for(context, request, extent, first)
    ended = ("X-Output-Ended", "yes" if extent.has_ended else "no")
    headers = (ended, *_download(request, extent))
    if wanted is None:
        return Reply(_pieces(context, extent, 0, extent.size), TEXT, 200, headers, extent.size)
    if first >= extent.size:
        # A browser reports each 416 as a failure.
        status = 416 if request.text("wait") is None else 204
        return Reply(b"", TEXT, status, (*headers, ("Content-Range", f"bytes */{extent.size}")))
    last = min(int(wanted[2]) if wanted[1] and wanted[2] else extent.size - 1, extent.size - 1)
    if last < first:
        raise InvalidInput(what="the end of the range is before its start")
    headers += (("Content-Range", f"bytes {first}-{last}/{extent.size}"),)
    size = last - first + 1
    return Reply(_pieces(context, extent, first, size), TEXT, 206, headers, size)


def _first_of(wanted: re.Match[str], size: int) -> int:
    """Return the first byte of a range; `-N` means the last N bytes."""
    if wanted[1]:
        return int(wanted[1])
    return max(0, size - int(wanted[2] or 0))


def _extent(context: Context, request: Request) -> Extent:
    """Return where the output is that a request asks for.

    Raises: NoOutput, InvalidInput, UnknownJob.
    """
    id = request.path[2]
    attempt = _attempt(context.queue.get(id)["history"], request)
    if attempt is None:
        raise NoOutput(what=f"job {id} has not run yet")
    if attempt["outcome"] is not None:
        return _ended(attempt)
    file = attempt["output_file"]
    size = (
        output_log.size_from(context.queue.home.logs, file, attempt["output_offset"] or 0)
        if file
        else 0
    )
    now = _attempt(context.queue.get(id)["history"], request)
    if now is None or now["started_at"] != attempt["started_at"] or now["outcome"] is not None:
        return _ended(now or attempt)
    return Extent(file, attempt["output_offset"] or 0, size, False, attempt["attempt"])


def _ended(attempt: AttemptRecord) -> Extent:
    size = attempt["output_bytes"] or 0
    return Extent(
        attempt["output_file"], attempt["output_offset"] or 0, size, True, attempt["attempt"]
    )


def _attempt(history: list[AttemptRecord], request: Request) -> AttemptRecord | None:
    """Return the attempt that a request names by number or by place in the history, or the latest.

    Raises: NoOutput, InvalidInput.
    """
    number, place = _whole(request, "attempt"), _whole(request, "run")
    chosen = history
    if place is not None:
        chosen = history[place : place + 1]
    elif number is not None:
        chosen = [attempt for attempt in history if attempt["attempt"] == number]
    if not chosen and history:
        raise NoOutput(what="the job has no such attempt")
    return chosen[-1] if chosen else None


def _whole(request: Request, name: str) -> int | None:
    text = request.text(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(what=f"{name} must be a whole number")
    return int(text)


def _waited_for(context: Context, request: Request, extent: Extent, first: int) -> Extent:
    """Wait until byte `first` is there, the attempt has ended, or the client has gone."""
    end_s = time.monotonic() + min(_whole(request, "wait") or 0, MAX_WAIT_S)
    asked_s = time.monotonic()
    logs = context.queue.home.logs
    while (left_s := end_s - time.monotonic()) > 0:
        if select.select([request.client], [], [], min(LOOK_EVERY_S, left_s))[0]:
            return extent  # it has closed the connection, or sends the next request
        has_more = (
            extent.file is not None
            and output_log.size_from(logs, extent.file, extent.offset) > first
        )
        if has_more or time.monotonic() >= asked_s + ASK_EVERY_S:
            asked_s = time.monotonic()
            extent = _extent(context, request)
            if extent.size > first or extent.has_ended:
                return extent
    return extent


def _pieces(context: Context, extent: Extent, first: int, size: int) -> Iterator[bytes]:
    """Return the bytes of a range in pieces. A missing file is an error before the first.

    Raises: NoOutput.
    """
    if extent.file is None or not size:
        return iter(())
    pieces = output_log.read(context.queue.home.logs, extent.file, extent.offset + first, size)
    try:
        start = next(pieces, b"")
    except FileNotFoundError:
        what = (
            f"the output of attempt {extent.attempt} is no longer kept (see config log-retention)"
        )
        raise NoOutput(what=what) from None
    return _joined(start, pieces, size)


def _joined(start: bytes, pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield the pieces, and fail if they end early, so that the client notices.

    Raises: OSError.
    """
    sent = len(start)
    yield start
    for piece in pieces:
        sent += len(piece)
        yield piece
    if sent < size:
        raise OSError("the output was removed meanwhile")


def _download(request: Request, extent: Extent) -> tuple[tuple[str, str], ...]:
    """Return the header with which a browser saves the output as a file."""
    if request.text("download") is None:
        return ()
    name = f"{request.path[2].replace(':', '_')}-attempt-{extent.attempt}.log"
    return (("Content-Disposition", f'attachment; filename="{name}"'),)
