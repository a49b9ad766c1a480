"""Errors: everything that can fail or be refused, one class per cause with a code and an exit status.

An error carries its code and the facts (`fields`), and becomes text only when it is shown. The control socket carries
the code and the fields. Only this module has the sentences that a person reads.

Does not know who shows an error.

Invariant: a released code is a promise to scripts. Never rename one.
"""

from __future__ import annotations


class QueueError(Exception):
    """A request that queuectl refuses or cannot fulfill.

    `code` is stable. `exit_status` is the exit status of the command line. `done` says what earlier requests of the
    same call have changed.
    """

    code = "error"
    exit_status = 1
    text = "{what}"
    hint = ""
    done = ""

    def __init__(self, **fields: object) -> None:
        super().__init__(fields)
        self.fields = fields

    def __reduce__(self) -> tuple[object, ...]:
        """Return how to pickle the error: by default, its class would get the arguments of `super().__init__`."""
        return _made_again, (type(self), self.fields)

    def __str__(self) -> str:
        said = self.text.format(**self.fields)
        said = f"{said}; {self.hint.format(**self.fields)}" if self.hint else said
        return f"{self.done}, and then: {said.replace('nothing was', 'nothing else was')}" if self.done else said


def _made_again(kind: type[QueueError], fields: dict[str, object]) -> QueueError:
    return kind(**fields)


class InvalidInput(QueueError):
    """A value, option, or file of the user that is not valid. `what` is the sentence."""

    code, exit_status = "invalid_input", 2


class InvalidJob(QueueError):
    """A job of a request that is not valid. `index` counts from 0 within the request; `why` is a clause."""

    code, exit_status = "invalid_job", 2
    text = "{why}"


class InvalidSetting(QueueError):
    """A value that a setting cannot have, or a setting that does not exist. `why` is a clause."""

    code, exit_status = "invalid_setting", 2
    text = "config {key}: {why}"


class DamagedSetting(QueueError):
    """A stored setting whose value is not valid."""

    code = "damaged_setting"
    text = "the stored value of config {key} is damaged: {why}"
    hint = "set it again, or reset it with `queuectl config unset {key}`"


class DuplicateJob(QueueError):
    """An ID of a new job that another job already has."""

    code = "duplicate_job"
    text = "job {id} already exists"
    hint = "choose another ID, or run `queuectl show {id}` to see that job"


class RepeatedId(QueueError):
    """An ID that occurs twice in one request."""

    code = "repeated_id"
    text = "ID {id} appears more than once in this request"


class UnknownJob(QueueError):
    """An ID that no job has."""

    code = "unknown_job"
    text = "job {id!r} does not exist"
    hint = "`queuectl list` shows the jobs that exist"


class AmbiguousId(QueueError):
    """The beginning of several IDs. `ids` names a few of them."""

    code = "ambiguous_id"
    text = "{id!r} is the beginning of several IDs: {ids}"
    hint = "use more characters"


class NotDead(QueueError):
    """A job that is not in the dead letter queue."""

    code = "not_dead"
    text = "job {id} is {state}, not in the dead letter queue"
    hint = "`queuectl dlq list` shows the dead jobs"


class WrongState(QueueError):
    """A job whose state does not allow the operation. `what` completes the words "cannot be"."""

    code = "wrong_state"
    text = "job {id} is {state} and cannot be {what}"

    def __init__(self, **fields: object) -> None:
        super().__init__(**fields)
        if fields.get("state") == "completed" and fields.get("what") == "retried":
            self.hint = "to run it again, add it again with `queuectl enqueue`"


class KeyTaken(QueueError):
    """A key that an unfinished job has. `runs` means that on_conflict is replace, but that job already runs."""

    code = "key_taken"
    text = "unfinished job {id} already has the key {key}"
    hint = "wait for it, or use on_conflict skip or replace (replaces a job that waits)"

    def __init__(self, **fields: object) -> None:
        super().__init__(**fields)
        if fields.get("runs"):
            self.text = "job {id}, which has the key {key}, already runs"
            self.hint = "wait for it, or end it with `queuectl cancel {id}`"


class EnvironmentNeeded(QueueError):
    """A request for jobs without the environment of its sender, which the jobs of this home get. Send it again."""

    code = "environment_needed"
    text = "jobs of this home get the environment of the call that adds them, which this request lacks"
    hint = "use the version of the supervisor, or `queuectl config unset environment`"


class EventsExpired(QueueError):
    """Events that are no longer kept, because their segments were removed."""

    code = "past_is_gone"
    text = "events {after} to {first} are no longer kept"
    hint = "`queuectl events` shows the events that are kept"


class UnknownSchedule(QueueError):
    """A name that no schedule has."""

    code = "unknown_schedule"
    text = "schedule {name!r} does not exist"
    hint = "`queuectl schedule list` shows the schedules that exist"


class UnknownQueue(QueueError):
    """A name of a queue that has neither jobs nor rules. `meant` is the text of a guess, or empty."""

    code = "unknown_queue"
    text = "queue {queue!r} does not exist{meant}"
    hint = "to set rules for a new queue, add --create"


class UnknownBatch(QueueError):
    """A name of a batch that no job has."""

    code = "unknown_batch"
    text = "no job belongs to batch {batch!r}"
    hint = "`queuectl list --columns id,batch` shows the batch of each job"


class BadDependency(QueueError):
    """A job to wait for that does not exist, or that makes a cycle. `why` is the sentence."""

    code = "bad_dependency"
    text = "{why}"


class NothingToDo(QueueError):
    """A request that finds no job to change. `what` is the sentence."""

    code = "nothing_to_do"


class NoOutput(QueueError):
    """A job without the output that was asked for. `what` is the sentence."""

    code = "no_output"


class HomeGone(QueueError):
    """A home, or its journal, that was removed or moved while its supervisor ran. The supervisor stops."""

    code, exit_status = "home_gone", 75
    text = "home {path} or its journal was removed or moved while its supervisor ran; nothing was changed"
    hint = "try again after the supervisor stops"


class NoSupervisor(QueueError):
    """A request that only a running supervisor can answer, while none runs."""

    code, exit_status = "no_supervisor", 3
    text = "no supervisor is running for {home}"
    hint = "start one with `queuectl worker start`"


class SupervisorFailed(QueueError):
    """A supervisor that did not start, or that had to end. `why` is a clause."""

    code = "supervisor_failed"
    text = "the supervisor cannot continue: {why}"


class Busy(QueueError):
    """A request that cannot be answered now, for example because the supervisor is slow."""

    code, exit_status = "busy", 75
    hint = "try again"


class OutcomeUnknown(Busy):
    """A request that may have been received but has no answer. `how` says how to check and repeat it."""

    code = "outcome_unknown"
    hint = "{how}"


class DiskFull(QueueError):
    """A full disk; queuectl refused the request and changed nothing."""

    code, exit_status = "disk_full", 75
    text = "the disk that holds {path} is full; nothing was changed"
    hint = "free some space and try again"


class StorageFailed(QueueError):
    """A failed write or sync: only a recovery can tell what is on disk, so queuectl never retries it."""

    code = "storage_failed"
    text = "cannot write {path}: {why}; nothing was acknowledged"
    hint = "check the disk, then start again"


class BadHome(QueueError):
    """A home that cannot be used; `why` is a clause."""

    code, exit_status = "bad_home", 2
    text = "cannot use home {path}: {why}"
    hint = "choose another with --home DIR"


class NewerFormat(QueueError):
    """A file of a newer version of queuectl."""

    code = "newer_format"
    text = "a newer queuectl wrote {path}: it has {found}, but this version supports format {known}"
    hint = "use that version, or choose another --home"


class Corrupt(QueueError):
    """A damaged file of a home."""

    code = "corrupt"
    text = "{path} is damaged: {why}"
    hint = "nothing was changed; see `queuectl doctor`, or recover a new home with `queuectl doctor --repair DIR`"


class NoBackend(QueueError):
    """A store of a backend for which this Python has no module."""

    code = "no_backend"
    text = "the store of this home is a {backend} file, which this Python ({python}) cannot read"
    hint = "use a Python where `python3 -c 'import {module}'` works"


class UnfitPython(QueueError):
    """A Python that cannot run queuectl."""

    code = "unfit_python"
    hint = "use a complete CPython 3.9 or later on Linux or macOS (on Debian, package python3, not python3-minimal)"


class OutputFailed(QueueError):
    """A standard output that takes no more bytes. `why` is a clause."""

    code = "output_failed"
    text = "cannot write the output: {why}"


class ProtocolError(QueueError):
    """A message on the control socket that is not valid. `what` is the sentence."""

    code, exit_status = "protocol", 2


class OutOfMemory(QueueError):
    """A failed allocation of memory."""

    code, exit_status = "out_of_memory", 75
    text = "not enough memory"
    hint = "try again"


class Defect(QueueError):
    """An unexpected exception. `where` has the lines of code that led to it, the last one first."""

    code, exit_status = "defect", 70
    text = "this is a bug in queuectl: {what} (at {where})"


def in_words(fault: BaseException) -> str:
    """Return the text of an exception, without the error number of an OSError: the file, if any, and the cause."""
    if not isinstance(fault, OSError):
        return str(fault)
    cause = fault.strerror or str(fault)
    return f"{fault.filename}: {cause}" if fault.filename else cause


def unforeseen(fault: BaseException) -> QueueError:
    """Return the error for an exception that no code expects."""
    if isinstance(fault, MemoryError):
        return OutOfMemory()
    lines: list[str] = []
    trace = fault.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename.rpartition("/")[2]
        lines.insert(0, f"{file}:{trace.tb_lineno}")
        trace = trace.tb_next
    what = " ".join(f"{type(fault).__name__}: {fault}".split())
    return Defect(what=what, where=" < ".join(lines[:5]))


def every_error() -> list[type[QueueError]]:
    """Return all error classes."""
    direct = QueueError.__subclasses__()
    return [*direct, *(narrower for kind in direct for narrower in kind.__subclasses__())]


def to_wire(error: QueueError) -> dict[str, object]:
    """Return the form of an error that crosses the control socket in place of a reply."""
    return {"code": error.code, "fields": error.fields}


def from_wire(wire: dict[str, object]) -> QueueError:
    """Return the error that `to_wire` encoded; a code of a newer supervisor becomes an error with a text."""
    fields = wire.get("fields")
    known = {cls.code: cls for cls in every_error()}.get(str(wire.get("code")))
    if known is None or not isinstance(fields, dict):
        return QueueError(what=f"the supervisor sent an error that this version does not know: {wire}")
    return known(**fields)
