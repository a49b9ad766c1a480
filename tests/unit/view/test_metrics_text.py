"""The text of the metrics: each family once, safe labels, and cumulative buckets."""

from __future__ import annotations

import re
from typing import Any

from queuectl_core.model.overview_records import COUNTERS
from queuectl_core.table import metrics
from queuectl_core.view import metrics_text
from queuectl_core.view.metrics_text import FAMILIES, Reading, text_of
from tests.unit.view.test_overview import a_queue, a_record

BUILD = {"version": "1.2", "python": "3.9"}
SIZES: Any = {"journal_bytes": 5, "output_bytes": 6, "disk_free_bytes": 7, "is_reserve_held": True}


def queue_metrics(**counters: int) -> dict[str, Any]:
    return {"counters": {**dict.fromkeys(COUNTERS, 0), **counters}, **dict.fromkeys(("wait", "duration", "turnaround"), [0] * 14)}


def text(queues: dict[str, Any] | None = None, now: dict[str, Any] | None = None, **more: Any) -> str:
    record: Any = {
        **{"overview": a_record(**(now or {})), "queues": queues or {"default": queue_metrics()}, "schedules": []},
        **{"sync": None, "process": None, **more},
    }
    return text_of(Reading(record, SIZES, BUILD))


def values(page: str, name: str) -> dict[str, float]:
    """Return the samples of a name, by their labels as text."""
    found = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", page, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def test_each_family_has_one_help_and_one_type_before_its_samples() -> None:
    schedules = [{"schedule": "s", "next_ms": 5500, "last_ms": 1000, "missed": 2}]
    process = {"cpu_s": 1.5, "resident_bytes": 9, "open_fds": 8, "started_ms": 7000}
    now = {"queues": [a_queue(limit=4)]}
    page = text(schedules=schedules, sync=[3.0, *[1] * 11], process=process, now=now)
    seen: list[str] = []
    for line in page.splitlines():
        if line.startswith("# HELP "):
            seen.append(line.split()[2])
        elif line.startswith("# TYPE "):
            assert line.split()[2] == seen[-1]
        else:
            assert re.match(rf"{seen[-1]}(_bucket|_sum|_count)?[ {{]", line), line
    assert seen == [family.full_name for family in FAMILIES]
    assert page.endswith("\n") and "\n\n" not in page


def test_labels_are_escaped() -> None:
    page = text(now={"queues": [a_queue('a"b\\c\nd')]})
    assert 'queuectl_queue_latency_seconds{queue="a\\"b\\\\c\\nd"} 0\n' in page


def test_buckets_are_cumulative_and_times_are_seconds() -> None:
    times = {**queue_metrics(), "wait": [61_500, 1, 2, *[0] * 10, 4]}
    page = text({"default": times})
    buckets = values(page, "queuectl_job_wait_seconds_bucket")
    assert buckets['queue="default",le="0.01"'] == 1
    assert buckets['queue="default",le="86400"'] == 3
    assert buckets['queue="default",le="+Inf"'] == 7
    assert values(page, "queuectl_job_wait_seconds_count") == {'queue="default"': 7}
    assert values(page, "queuectl_job_wait_seconds_sum") == {'queue="default"': 61.5}
    assert len(buckets) == 13


def test_the_bounds_are_those_of_the_stored_histograms() -> None:
    assert [bound * 1000 for bound in metrics_text.BOUNDS_S] == list(metrics.BOUNDS_MS)


def test_the_counters_have_the_names_of_their_places() -> None:
    places = {name: getattr(metrics, name.upper()) for name in COUNTERS}
    assert list(places.values()) == list(range(len(COUNTERS)))


def test_counters_by_outcome_and_state() -> None:
    page = text({"gpu": queue_metrics(completed=3, dead=2, timed_out=1, cpu_ms=1500)})
    assert values(page, "queuectl_jobs_finished_total")['queue="gpu",state="completed"'] == 3
    assert values(page, "queuectl_attempts_total")['queue="gpu",outcome="timed_out"'] == 1
    assert values(page, "queuectl_attempt_cpu_seconds_total") == {'queue="gpu"': 1.5}


def test_without_a_supervisor_its_families_are_missing() -> None:
    page = text(now={"supervisor": None, "workers": [], "slots": None})
    assert values(page, "queuectl_supervisor_up") == {"": 0}
    for name in ("queuectl_slots", "queuectl_supervisor_start_time_seconds", "queuectl_journal_sync_seconds", "process_"):
        assert name + " " not in page and f"# TYPE {name}" not in page


def test_a_process_that_tells_no_descriptors_has_no_such_family() -> None:
    page = text(process={"cpu_s": 1, "resident_bytes": None, "open_fds": None, "started_ms": 7500})
    assert "process_open_fds" not in page and values(page, "process_start_time_seconds") == {"": 7.5}


def test_a_pause_and_waiting_jobs() -> None:
    page = text(now={"queues": [a_queue(waiting={"paused": 3}), a_queue("b", waiting={"after": 1})]})
    assert values(page, "queuectl_queue_paused") == {'queue="default"': 1, 'queue="b"': 0}
    waiting = values(page, "queuectl_jobs_waiting")
    assert {labels: count for labels, count in waiting.items() if count} == {
        'queue="default",reason="paused"': 3,
        'queue="b",reason="after"': 1,
    }
