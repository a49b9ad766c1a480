"""Events: their form in the journal, which all versions share."""

from __future__ import annotations

import pytest

from queuectl_core.model import events
from queuectl_core.model.attempt import AttemptResult
from queuectl_core.model.events import Event, decode, encode

ENDING = AttemptResult("exit", 1, None, 1500, 500, "w1.0001.log", 7, 12, 3, "a detail")

JOURNALED: dict[str, tuple[Event, str]] = {
    "enqueued": (
        events.Enqueued("a", 1, 1000, "true", "/somewhere", 3, 2),
        '["enqueued","a",1,1000,"true","/somewhere",3,2]',
    ),
    "imported": (
        events.Imported("a", 1, 1000, {"command": "true", "state": "dead"}),
        '["imported","a",1,1000,{"command":"true","state":"dead"}]',
    ),
    "started": (events.Started("a", 1000, "w1"), '["started","a",1000,"w1"]'),
    "located": (events.OutputLocated("a", 1000, "w1.0001.log", 7), '["located","a",1000,"w1.0001.log",7]'),
    "succeeded": (
        events.Succeeded("a", 1000, ENDING),
        '["succeeded","a",1000,["exit",1,null,1500,500,"w1.0001.log",7,12,3,"a detail"]]',
    ),
    "failed": (
        events.Failed("a", 1000, ENDING, "exit code 1", 3000),
        '["failed","a",1000,["exit",1,null,1500,500,"w1.0001.log",7,12,3,"a detail"],"exit code 1",3000]',
    ),
    "died": (
        events.DeadLettered("a", 1000, ENDING, "exit code 1"),
        '["died","a",1000,["exit",1,null,1500,500,"w1.0001.log",7,12,3,"a detail"],"exit code 1"]',
    ),
    "released": (events.Released("a", 1000, "stopped by hand", True), '["released","a",1000,"stopped by hand",true]'),
    "retried": (events.Retried("a", 1000), '["retried","a",1000]'),
    "snoozed": (
        events.Snoozed("a", 1000, ENDING, "exit code 75", 3000),
        '["snoozed","a",1000,["exit",1,null,1500,500,"w1.0001.log",7,12,3,"a detail"],"exit code 75",3000]',
    ),
    "cancel-asked": (events.CancelRequested("a", 1000, 15), '["cancel-asked","a",1000,15]'),
    "canceled": (events.Canceled("a", 1000, "canceled by hand"), '["canceled","a",1000,"canceled by hand"]'),
    "unblocked": (events.Unblocked("a", 1000, "b"), '["unblocked","a",1000,"b"]'),
    "hastened": (events.MadeReady("a", 1000), '["hastened","a",1000]'),
    "moved": (events.Moved("a", 1000, "000000000004i"), '["moved","a",1000,"000000000004i"]'),
    "edited": (
        events.Edited("a", 1000, {"priority": 3, "name": None}, 0),
        '["edited","a",1000,{"priority":3,"name":null},0]',
    ),
    "suspended": (events.Suspended("a", 1000), '["suspended","a",1000]'),
    "continued": (events.Continued("a", 1000), '["continued","a",1000]'),
    "queue-changed": (events.QueueChanged("gpu", 1000, {"limit": 2}), '["queue-changed","gpu",1000,{"limit":2}]'),
    "schedule-changed": (
        events.ScheduleChanged("nightly", 1000, {"every_s": 60}),
        '["schedule-changed","nightly",1000,{"every_s":60}]',
    ),
    "schedule-fired": (
        events.ScheduleFired("nightly", 1000, "nightly.1.2", 61000),
        '["schedule-fired","nightly",1000,"nightly.1.2",61000]',
    ),
    "purged": (events.Purged("a", 1000), '["purged","a",1000]'),
    "setting-changed": (events.SettingChanged("grace", None, 1000), '["setting-changed","grace",null,1000]'),
    "clock-shifted": (events.ClockShifted(-3600000, 1000), '["clock-shifted",-3600000,1000]'),
}
"""Every event and its form in the first journals. Never change it, because such journals exist."""


def test_every_event_is_pinned_here() -> None:
    assert set(events.EVENT_NAMES) == set(JOURNALED)


@pytest.mark.parametrize("name", JOURNALED)
def test_event_keeps_its_written_form(name: str) -> None:
    event, text = JOURNALED[name]
    assert encode([event]).decode() == f"[{text}]"


@pytest.mark.parametrize("name", JOURNALED)
def test_event_of_the_first_journals_is_read(name: str) -> None:
    event, text = JOURNALED[name]
    (read,) = decode(f"[{text}]".encode())
    assert read == event and type(read) is type(event)


@pytest.mark.parametrize("name", ["succeeded", "failed", "died"])
def test_result_of_an_attempt_round_trips(name: str) -> None:
    (read,) = decode(encode([JOURNALED[name][0]]))
    assert type(read.ending) is AttemptResult  # type: ignore[union-attr]


def test_result_without_newer_fields_has_their_defaults() -> None:
    (read,) = decode(b'[["succeeded","a",1000,["exit",0,null,1500,500]]]')
    assert read == events.Succeeded("a", 1000, AttemptResult("exit", 0, None, 1500, 500))


def test_events_of_a_frame_keep_their_order() -> None:
    originals = [event for event, _ in JOURNALED.values()] * 3
    assert decode(encode(originals)) == originals


@pytest.mark.parametrize("command", ["echo 'ä → 日本 🎉'", 'a\n\t"b"\\', "\x01\x7f\u2028", "null"])
def test_command_stays_unchanged(command: str) -> None:
    event = events.Enqueued("a", 1, 1000, command, "/somewhere", 3, 0.25)
    assert decode(encode([event])) == [event]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"7",
        b"[7]",
        b"[[]]",
        b'[["exploded","a",1]]',
        b'[["purged","a"]]',
        b'[["purged","a",1,2]]',
        b'[["succeeded","a",1,7]]',
        b'[["succeeded","a",1,["exit"]]]',
        b'[["purged","\xff",1]]',
    ],
)
def test_bytes_that_encode_does_not_write_are_refused(payload: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        decode(payload)


def test_nan_is_never_written() -> None:
    with pytest.raises(ValueError):
        encode([events.SettingChanged("grace", float("nan"), 1000)])


def test_damaged_bytes_name_their_jobs() -> None:
    payload = encode([event for event, _ in JOURNALED.values()] + [events.Purged("b.c:d", 1)])
    for cut in (0, 1, 2):
        assert events.ids_in(b"\xff\x00" + payload[cut:-2] + b'["purged","z",1]') == ["a", "b.c:d", "z"]


def test_bytes_without_jobs_name_none() -> None:
    assert events.ids_in(encode([events.SettingChanged("grace", 5, 1), events.ClockShifted(5, 1)])) == []
    assert events.ids_in(b"\x00" * 1000 + b'["purged",""]["purged","../x",1]') == []
