"""Queue records: the types of the dictionaries that describe queues and schedules, as `records` does for jobs.

Pure. Type checkers read this module; no other module imports it at run time. Programs that embed `Queue` may.
Does not import `annotations` from __future__, so that `typing.get_type_hints` works on every class.
"""

from collections.abc import Mapping
from typing import Any, Optional, TypedDict, Union

from .records import Duration, PauseRecord, State


class QueueLimits(TypedDict, total=False):
    """The rules of a queue; None removes a rule.

    `limit`: how many jobs run at once. `rate`: [jobs, seconds], how many start in that time. `pause_for`: how long a
    pause takes, which otherwise has no end. While the load average is above `limit_load`, or less memory is free than
    `min_free_mem`, no job starts. `defaults`: fields of the jobs that do not set them; None removes one.
    """

    limit: Optional[int]
    rate: Optional[list[float]]
    paused: Optional[bool]
    pause_for: Optional[Duration]
    pause_reason: Optional[str]
    limit_load: Optional[float]
    min_free_mem: Union[int, str, None]
    defaults: Mapping[str, object]


class RateRecord(TypedDict):
    """A rate: at most `jobs` start in `per_s` seconds."""

    jobs: float
    per_s: float


class QueueRecord(PauseRecord):
    """One queue with its counts and rules."""

    queue: str
    counts: dict[State, int]
    limit: Optional[int]
    rate: Optional[RateRecord]
    limit_load: Optional[float]
    min_free_mem: Optional[int]
    defaults: dict[str, Any]


class ScheduleTimes(TypedDict, total=False):
    """When a schedule adds its job: `cron`, in `zone` (default UTC), or `every`."""

    cron: Optional[str]
    zone: Optional[str]
    every: Optional[Duration]
    overlap: Optional[bool]
    """Whether to add the job while the last one is unfinished."""
    next_ms: Optional[int]
    """The next time of the schedule in another home; with it and the fields below, the schedule continues here."""
    last_id: Optional[str]
    paused_ms: Optional[int]
    problem: Optional[str]


class ScheduleRecord(TypedDict):
    """One schedule with its times and its job."""

    schedule: str
    cron: Optional[str]
    zone: Optional[str]
    every_s: Optional[float]
    overlap: bool
    paused_since: Optional[str]
    next_run_at: Optional[str]
    last_job: Optional[str]
    problem: Optional[str]
    """Why the schedule stopped: its time zone is unknown."""
    job: dict[str, Any]
