"""Everything that can be refused or go wrong: one class a cause, with a stable code and an exit status.

The sentences a person reads are made here and nowhere else: an error carries its code and the facts
(`fields`), and becomes text when shown. That is also how it crosses the control socket.

Does not know who shows it. The trap: a code, once released, is a promise to scripts; never rename one.
"""

from __future__ import annotations


class QueueError(Exception):
    """Something queuectl refuses or cannot do. `code` is stable; `exit_status` is what the command line ends with."""

    code = "error"
    exit_status = 1
    text = "{what}"
    hint = ""

    def __init__(self, **fields: object) -> None:
        super().__init__(fields)
        self.fields = fields

    def __reduce__(self) -> tuple[object, ...]:
        """How it is pickled: an exception would give its class what `super().__init__` was given."""
        return _made_again, (type(self), self.fields)

    def __str__(self) -> str:
        said = self.text.format(**self.fields)
        return f"{said}; {self.hint.format(**self.fields)}" if self.hint else said


def _made_again(kind: type[QueueError], fields: dict[str, object]) -> QueueError:
    return kind(**fields)


class InvalidInput(QueueError):
    code, exit_status = "invalid_input", 2
    text = "{what}"


class InvalidJob(QueueError):
    """One job of a request is not acceptable. `index` counts from 0 within that request; `why` is a clause."""

    code, exit_status = "invalid_job", 2
    text = "{why}"


class InvalidSetting(QueueError):
    code, exit_status = "invalid_setting", 2
    text = "config {key}: {why}"


class DamagedSetting(QueueError):
    code = "damaged_setting"
    text = "the stored value of config {key} is damaged: {why}"
    hint = "set it again, or reset it with `queuectl config unset {key}`"


class DuplicateJob(QueueError):
    code = "duplicate_job"
    text = "job {id} already exists"
    hint = "choose another ID, or run `queuectl show {id}` to see that job"


class RepeatedId(QueueError):
    code = "repeated_id"
    text = "ID {id} appears more than once in this request"


class UnknownJob(QueueError):
    code = "unknown_job"
    text = "job {id!r} does not exist"
    hint = "`queuectl list` shows the jobs that exist"


class NotDead(QueueError):
    code = "not_dead"
    text = "job {id} is {state}, not in the dead letter queue"
    hint = "`queuectl dlq list` shows the dead jobs"


class WrongState(QueueError):
    """`what` is what cannot be done to a job in this state."""

    code = "wrong_state"
    text = "job {id} is {state} and cannot be {what}"


class KeyTaken(QueueError):
    """`runs`: it was to be replaced, but runs already."""

    code = "key_taken"
    text = "unfinished job {id} already has the key {key}"
    hint = "wait for it, or use on_conflict skip or replace (replace works only before the job starts)"


class PastIsGone(QueueError):
    """Events that were asked for have been removed with the segments that they stood in."""

    code = "past_is_gone"
    text = "events {after} to {first} are no longer kept"
    hint = "`queuectl events` shows the events that are kept"


class UnknownSchedule(QueueError):
    code = "unknown_schedule"
    text = "schedule {name!r} does not exist"
    hint = "`queuectl schedule list` shows the schedules that exist"


class BadDependency(QueueError):
    code = "bad_dependency"
    text = "{why}"


class NothingToDo(QueueError):
    code = "nothing_to_do"
    text = "{what}"


class NoOutput(QueueError):
    code = "no_output"
    text = "{what}"


class HomeGone(QueueError):
    """The home, or its journal, was removed or moved away under its supervisor, which ends."""

    code, exit_status = "home_gone", 75
    text = (
        "home {path} or its journal was removed or moved while its supervisor ran;"
        " the supervisor stops and nothing was changed"
    )
    hint = "try again after it stops"


class NoSupervisor(QueueError):
    code, exit_status = "no_supervisor", 3
    text = "no supervisor is running for {home}"
    hint = "start one with `queuectl worker start`"


class SupervisorFailed(QueueError):
    code = "supervisor_failed"
    text = "the supervisor cannot continue: {why}"


class Busy(QueueError):
    code, exit_status = "busy", 75
    text = "{what}"
    hint = "try again"


class OutcomeUnknown(Busy):
    """A request may have been heard, and no answer has come. `how` says how to find out, and how to repeat it."""

    code = "outcome_unknown"
    hint = "{how}"


class DiskFull(QueueError):
    code, exit_status = "disk_full", 75
    text = "the disk that holds {path} is full; nothing was changed"
    hint = "free some space and try again"


class StorageFailed(QueueError):
    """A write or a sync failed; what is on disk is known again only after recovery. Never retried."""

    code = "storage_failed"
    text = "cannot write {path}: {why}; nothing was acknowledged"
    hint = "check the disk, then start again"


class BadHome(QueueError):
    code, exit_status = "bad_home", 2
    text = "cannot use home {path}: {why}"
    hint = "choose another with --home DIR"


class NewerFormat(QueueError):
    code = "newer_format"
    text = "a newer queuectl wrote {path}: it has {found}, but this version supports format {known}"
    hint = "use that version, or choose another --home"


class Corrupt(QueueError):
    code = "corrupt"
    text = "{path} is damaged: {why}"
    hint = (
        "nothing was changed; `queuectl doctor` shows details, "
        "and `queuectl doctor --repair DIR` recovers into a new home"
    )


class NoBackend(QueueError):
    code = "no_backend"
    text = "this home's store is a {backend} file, but this Python ({python}) has no module for it"
    hint = "use a Python where `python3 -c 'import {module}'` works"


class UnfitPython(QueueError):
    code = "unfit_python"
    text = "{what}"
    hint = "use a complete CPython 3.9 or later on Linux or macOS (on Debian, package python3, not python3-minimal)"


class OutputFailed(QueueError):
    code = "output_failed"
    text = "cannot write the output: {why}"


class ProtocolError(QueueError):
    code, exit_status = "protocol", 2
    text = "{what}"


class OutOfMemory(QueueError):
    code, exit_status = "out_of_memory", 75
    text = "not enough memory"
    hint = "try again"


class Defect(QueueError):
    """What nobody has foreseen. `where`: the lines of code that led there, the last one first."""

    code, exit_status = "defect", 70
    text = "this is a bug in queuectl: {what} (at {where})"


def in_words(fault: BaseException) -> str:
    """What happened, without the number that Python puts before it: the file, where there is one, and the cause."""
    if not isinstance(fault, OSError):
        return str(fault)
    cause = fault.strerror or str(fault)
    return f"{fault.filename}: {cause}" if fault.filename else cause


def unforeseen(fault: BaseException) -> QueueError:
    """What to say, in one line, of an exception that no code has expected."""
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
    """All error classes."""
    direct = QueueError.__subclasses__()
    return [*direct, *(narrower for kind in direct for narrower in kind.__subclasses__())]


def to_wire(error: QueueError) -> dict[str, object]:
    """What crosses the control socket in the place of a reply."""
    return {"code": error.code, "fields": error.fields}


def from_wire(wire: dict[str, object]) -> QueueError:
    """The error that `to_wire` was given; one of an unknown code (a newer supervisor's) still has a text."""
    fields = wire.get("fields")
    known = {cls.code: cls for cls in every_error()}.get(str(wire.get("code")))
    if known is None or not isinstance(fields, dict):
        return QueueError(what=f"the supervisor sent an error that this version does not know: {wire}")
    return known(**fields)
