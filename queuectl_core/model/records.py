"""Records: the types of the dictionaries that queuectl accepts and returns.

Pure. Type checkers read this module; no other module imports it at run time. Programs that embed `Queue` may.
Does not import `annotations` from __future__, so that `typing.get_type_hints` works on every class.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Optional, TypedDict, Union

State = Literal["pending", "processing", "completed", "failed", "dead"]
Cause = Literal["failed", "canceled", "dependency_failed", "dependency_canceled"]
"""Why a job is dead: its attempts failed, it was canceled, or this happened to a job that it waited for."""

Ended = dict[str, int]
"""How many jobs ended in which way: completed, dead, purged."""

Request = Mapping[str, object]
"""A request from outside: the code that reads a field checks it."""

Reply = dict[str, Any]
"""The fields of an answer, which depend on the request."""

Duration = Union[int, float, str]
"""Seconds, or text like "90s" or "1h30m"."""


# What a program passes for a job


class _Basics(TypedDict, total=False):
    id: str
    max_retries: int
    backoff_base: float
    cwd: str


class _SameOptions(TypedDict, total=False):
    """The options that queuectl keeps in the form in which a request gives them."""

    batch: str
    name: str
    tags: dict[str, str]
    after: list[str]
    after_batch: list[str]
    after_any: bool
    key: str
    slots: int
    env: dict[str, str]
    stdin: str
    input: str
    shell: str
    nice: int
    jitter: float
    on_success: str
    on_failure: str
    on_dead: str
    on_end: str
    on_batch_end: str


class Hook(TypedDict):
    """The job or the batch that a hook follows, and where the output of the last attempt is."""

    job_id: str
    state: State
    exit_code: Optional[int]
    reason: Optional[str]
    attempt: int
    log_file: Optional[str]
    log_offset: int
    output_bytes: int
    batch: Optional[str]
    """The batch that has ended; None for the hooks of one job."""
    completed: int
    """How many of its jobs completed."""
    dead: int


class JobFields(_Basics, _SameOptions, total=False):
    """The fields of a new job other than its command. docs/ describes each."""

    queue: str
    priority: int
    delay: Duration
    at: str
    on_conflict: Literal["refuse", "skip", "replace"]
    timeout: Duration
    grace: Duration
    limit_mem: Union[int, str]
    limit_cpu: Duration
    backoff_max: Duration
    retry_on: Union[int, str, list[int]]
    fail_on: Union[int, str, list[int]]
    snooze_on: Union[int, str, list[int]]
    snooze: Duration


class JobSpec(JobFields):
    """A new job: its command, and the optional fields of `JobFields`."""

    command: str


class Where(TypedDict, total=False):
    """The conditions of a filter that older supervisors do not know. Every given one must match."""

    id: str
    """A pattern with `*`, `?` and `[…]`."""
    name: str
    """A pattern with `*`, `?` and `[…]`."""
    ended_since_ms: int
    """Matches only finished jobs. The time is in ms since 1970."""
    exit_code: list[int]
    """Matches a job whose latest attempt ended with one of these codes."""
    reason: str
    """A part of the reason why the job failed, in the same case."""
    grep: str
    """A part of the command, in the same case."""
    batch: str
    cause: list[str]
    """Matches only dead jobs, by `JobRecord.cause`."""


class Filter(TypedDict, total=False):
    """A filter of jobs: every given field must match.

    Times are in ms since 1970. `since_ms` and `until_ms` bound the creation of a job, `ended_until_ms` its end.
    """

    queue: Optional[str]
    name: Optional[str]
    key: Optional[str]
    tags: Optional[dict[str, str]]
    since_ms: Optional[int]
    until_ms: Optional[int]
    ended_until_ms: Optional[int]
    before: Optional[int]
    """Matches only jobs with a lower number."""
    where: Optional[Where]
    batch: Optional[str]
    """The condition `batch` of `where`."""


class Chosen(Filter, total=False):
    """A filter of jobs, with their states."""

    state: Union[str, Sequence[str], None]


# What queuectl keeps


class _Options(_SameOptions, total=False):
    timeout: float
    grace: float
    limit_mem: int
    limit_cpu: float
    backoff_max: float
    retry_on: list[int]
    fail_on: list[int]
    snooze_on: list[int]
    snooze: float
    slot: int
    schedule: str
    hook: Hook
    environ: Mapping[str, str]
    environment: str
    defaults: dict[str, str]
    """Which of the fields the job took from its queue or from the settings, and from which."""


class Options(_Options, total=False):
    """The fields of a job beyond the basic ones, as `job_spec` keeps them."""

    queue: str
    priority: int


class CheckedSpec(Options, _Basics, total=False):
    """A new job after `job_spec` has checked it: durations in seconds, sizes in bytes, times in ms."""

    command: str
    delay: float
    at: int
    on_conflict: str


Attempt = dict[str, Any]
"""One attempt in `Job.history`. `model.attempt` has the list of its fields."""

StoredJob = dict[str, Any]
"""The form of a job that `Job.fields` returns and the store keeps: the arguments of `Job`."""


class Rules(TypedDict, total=False):
    """The rules of a queue in the form in which they are kept; `paused_until_ms` is without the clock shift."""

    limit: Optional[int]
    rate: Optional[list[float]]
    paused_ms: Optional[int]
    paused_until_ms: Optional[int]
    pause_reason: Optional[str]
    limit_load: Optional[float]
    min_free_mem: Optional[int]
    defaults: dict[str, Any]


Schedule = dict[str, Any]
"""A schedule in the form in which it is kept. `engine.schedules` has the list of its fields."""


# What programs get


class AttemptRecord(TypedDict):
    """One attempt of a job. Fields are None until the attempt ends, or when they do not apply to it.

    In a queue with a limit, it also has `slot`, its number among the running jobs, from 1.
    """

    attempt: int
    """Counted from 1; an attempt that was taken back does not count."""
    worker: str
    started_at: str
    ended_at: Optional[str]
    duration_ms: Optional[int]
    outcome: Optional[str]
    """exit, signal, timeout, spawn-failed, worker-lost, released or canceled."""
    exit_code: Optional[int]
    signal: Optional[int]
    reason: Optional[str]
    """The reason why it counts as failed, as a clause."""
    output_file: Optional[str]
    """The file of its output in the folder `logs` of the home."""
    output_offset: Optional[int]
    output_bytes: Optional[int]
    dropped_bytes: int
    """The bytes of output that exceeded the limit and were not kept."""
    cpu_ms: Optional[int]
    peak_bytes: Optional[int]
    """The maximum memory that it used."""


class _Job(TypedDict):
    id: str
    command: str
    state: State
    attempts: int
    max_retries: int
    created_at: str
    updated_at: str
    backoff_base: float
    cwd: str
    queue: str
    priority: int
    next_run_at: Optional[str]
    """None for a job that waits for no time."""
    reason: Optional[str]
    """Why the last attempt failed, or why the job is dead."""
    worker: Optional[str]
    history: list[AttemptRecord]
    """The newest attempt comes last."""


class JobRecord(_Job, _Options, total=False):
    """A job in the form that `Queue.get` and `Queue.list` return.

    Times are RFC 3339 text in UTC, durations are seconds. The options of `JobFields` are present only if they were
    given, in the form in which they are kept.
    """

    waits_for: list[str]
    """The jobs that this one waits for; absent when there are none."""
    suspended: bool
    canceled: bool
    cause: Cause
    """Why a dead job died; absent in other states."""
    retries_after_s: list[float]
    """The backoff in seconds before each of the first ten retries; only `Queue.preview` returns it."""


class ListedJob(JobRecord, total=False):
    """A job on a page."""

    why: dict[str, Any]
    """Why a waiting job waits, as `Queue.why` returns it, on an explained page."""


class JobPage(TypedDict):
    """The form that `Queue.page` returns."""

    jobs: list[ListedJob]
    next: Any
    """The cursor of the page that follows, or None."""


class SupervisorRecord(TypedDict):
    """The running supervisor."""

    pid: int
    state: Literal["running", "stopping"]
    started_at: str
    workers_wanted: int


class WorkerRecord(TypedDict):
    """One worker. `pid` is None if the worker belongs to an earlier supervisor and left no process ID."""

    worker: str
    pid: Optional[int]
    state: Literal["idle", "busy", "draining", "adopted", "lost"]
    job: Optional[str]
    attempt: Optional[int]
    since: Optional[str]


class PauseRecord(TypedDict):
    """A pause; all fields are None without one."""

    paused_since: Optional[str]
    paused_until: Optional[str]
    pause_reason: Optional[str]


class BatchRecord(TypedDict):
    """The jobs of a batch, counted, with their pace."""

    batch: str
    counts: dict[State, int]
    started_at: Optional[str]
    """When the first job started; None before."""
    ended_at: Optional[str]
    """When the last job ended; None while one is unfinished."""
    jobs_per_s: Optional[float]
    """How many jobs finish in a second: at the current pace, or on the whole once all finished. None if unknown."""
    left_s: Optional[float]
    """How many seconds the unfinished jobs need at this pace: 0 once all finished, None if unknown."""


class _Status(PauseRecord):
    counts: dict[State, int]
    short_of: Optional[str]
    """What the disk lacks, or None while new jobs may start."""
    holds: list[dict[str, Any]]
    """What holds jobs back: `because`, a code as in `Queue.why`, its facts, and `waiting`, the number of jobs."""
    supervisor: Optional[SupervisorRecord]
    workers: list[WorkerRecord]


class StatusRecord(_Status, total=False):
    """The form that `Queue.status` returns."""

    batch: BatchRecord
    """Only `queuectl status --batch` adds it."""
