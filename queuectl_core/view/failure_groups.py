"""Failure groups: dead jobs that failed in the same way, by the shape of their command and the reason.

The shape of a command is what remains when numbers, paths, hexadecimal words and quoted words are collapsed: of
`./train.py --seed 17 --out '/data/a b'` it is `train.py --seed # --out '…'`.

Pure. It reads each record once, and keeps one entry for each group.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from ..model.records import JobRecord

MAX_SAMPLES = 10
"""The IDs of jobs that a group names."""

MAX_SHAPE = 200
"""The most characters of a command that its shape depends on."""


class FailureGroup(TypedDict):
    """The dead jobs of one shape and reason."""

    key: str
    """Identifies the group: the same for the same shape and reason."""
    shape: str
    reason: str
    count: int
    newest: str
    """When the latest of the jobs died, as RFC 3339 text."""
    queues: list[str]
    sample_ids: list[str]
    """The IDs of the latest jobs, at most ten, newest first."""


def groups_of(jobs: Iterable[JobRecord]) -> list[FailureGroup]:
    """Return the groups of these dead jobs, the largest first. The newest job comes first, as from `Queue.list`."""
    groups: dict[str, FailureGroup] = {}
    for job in jobs:
        key = key_of(job)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _new_group(key, job)
        group["count"] += 1
        if job["queue"] not in group["queues"]:
            group["queues"].append(job["queue"])
        if len(group["sample_ids"]) < MAX_SAMPLES:
            group["sample_ids"].append(job["id"])
    return sorted(groups.values(), key=lambda group: -group["count"])


def key_of(job: JobRecord) -> str:
    """Return the key of the group that a dead job belongs to."""
    text = f"{shape_of(job['command'])}\0{reason_of(job)}".encode("utf-8", "surrogatepass")
    return f"{zlib.crc32(text):08x}{zlib.crc32(text, 1):08x}"


def _new_group(key: str, job: JobRecord) -> FailureGroup:
    return {
        "key": key,
        "shape": shape_of(job["command"]),
        "reason": reason_of(job),
        "count": 0,
        "newest": job["updated_at"],
        "queues": [],
        "sample_ids": [],
    }


def reason_of(job: JobRecord) -> str:
    """Return why a job died, without what differs between jobs that died in the same way."""
    cause = job.get("cause", "failed")
    if cause == "dependency_failed":
        return "a job that it waited for died"
    if cause == "dependency_canceled":
        return "a job that it waited for was canceled or removed"
    reason = _QUOTED.sub("'…'", job["reason"] or "unknown")
    return _PATH.sub("/…", reason)


def shape_of(command: str) -> str:
    """Return the shape of a command."""
    text = _QUOTED.sub("'…'", command[:MAX_SHAPE])
    first, *others = text.split()[:40] or [""]
    words = [_program(first), *(_program(word) if _SCRIPT.search(word) else _word(word) for word in others)]
    return " ".join(words)


def _program(word: str) -> str:
    """Return the name of a program without its folder."""
    return word.rpartition("/")[2] or word


def _word(word: str) -> str:
    address = _ADDRESS.fullmatch(word)
    return f"{address[1]}…" if address else _NUMBER.sub("#", _HEX.sub("#", _PATH.sub("/…", word)))


_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"")
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*://).+")
_PATH = re.compile(r"(?:~|\.{1,2}|[\w.-]+)?/[^\s,;:|&()<>'\"]*")
_HEX = re.compile(r"(?i)\b0x[0-9a-f]+\b|\b(?=[0-9a-f-]*[0-9])[0-9a-f]{8}[0-9a-f-]*\b")
_NUMBER = re.compile(r"[0-9]+(?:[.:-][0-9]+)*")
_SCRIPT = re.compile(r"\.(?:py|sh|pl|rb|js|jl|r|R|m|ts|lua|php)$")
