"""Trace context: the variables that tie a job to the trace of the call that adds it (W3C Trace Context, W3C Baggage).

A call passes them on to its jobs, whose `env` has them. Pure.

Invariant: a variable that is malformed or too long is ignored, as the standards say, and refuses no job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

VARIABLES = ("TRACEPARENT", "TRACESTATE", "BAGGAGE")

_MOST = {"TRACEPARENT": 512, "TRACESTATE": 512, "BAGGAGE": 8192}
"""The most characters of each variable."""

_MOST_MEMBERS = {"TRACESTATE": 32, "BAGGAGE": 64}

_KEY = r"[a-z0-9][a-z0-9_*/@-]{0,255}"
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_OCTETS = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
_MEMBERS = {
    "TRACESTATE": rf"[ \t]*{_KEY}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e][ \t]*|[ \t]*",
    "BAGGAGE": rf"[ \t]*{_TOKEN}[ \t]*=[ \t]*{_OCTETS}([ \t]*;[ \t]*{_TOKEN}([ \t]*=[ \t]*{_OCTETS})?)*[ \t]*",
}


def of_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an environment that are there; `checked` looks at their values."""
    return {name: environ[name] for name in VARIABLES if name in environ}


def checked(given: object) -> dict[str, str]:
    """Return the valid variables among those given. Without a valid TRACEPARENT, TRACESTATE has no meaning."""
    if not isinstance(given, dict):
        return {}
    valid: dict[str, Callable[[str], bool]] = {
        "TRACEPARENT": _is_parent,
        "TRACESTATE": lambda text: _is_list("TRACESTATE", text),
        "BAGGAGE": lambda text: _is_list("BAGGAGE", text),
    }
    texts = {name: given[name] for name in VARIABLES if isinstance(given.get(name), str)}
    kept = {name: text for name, text in texts.items() if len(text) <= _MOST[name] and valid[name](text)}
    if "TRACEPARENT" not in kept:
        kept.pop("TRACESTATE", None)
    return kept


def _is_parent(text: str) -> bool:
    """Return whether a text names a trace and the span in it: VERSION-TRACE-SPAN-FLAGS in hexadecimal digits."""
    import re  # few calls have such a variable

    found = re.fullmatch(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[\x21-\x7e]*)?", text)
    if found is None:
        return False
    version, trace, span, more = found.groups()
    return version != "ff" and {"0"} not in ({*trace}, {*span}) and (more is None or version != "00")


def _is_list(name: str, text: str) -> bool:
    """Return whether a text is a list of members as the standard of the variable describes them."""
    import re

    members = text.split(",")
    if len(members) > _MOST_MEMBERS[name] or not text.strip():
        return False
    if not all(re.fullmatch(_MEMBERS[name], member) for member in members):
        return False
    keys = [member.partition("=")[0].strip() for member in members if member.strip()]
    return bool(keys) and (name != "TRACESTATE" or len(keys) == len(set(keys)))
