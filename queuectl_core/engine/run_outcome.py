"""Run outcome: decides what a job becomes after a run: completed, retried, snoozed, canceled or dead.

Pure. Knows the job and how the run ended, not who ran it.

Invariant: `due_ms` is in ms without the clock shift, so this module subtracts the shift.
"""

from __future__ import annotations

from ..model import reasons, retry_policy
from ..model.attempt import AttemptResult
from ..model.commands import Finish, Locate, Release
from ..model.events import Canceled, DeadLettered, Failed, JobEvent, OutputLocated, Released, Snoozed, Succeeded
from ..model.job import MAX_REASON, Job

SNOOZE_S = 60
_SHELL_CODES: dict[int | None, str] = {126: "not executable", 127: "command not found"}


def of_report(job: Job, command: Locate | Finish | Release, now_ms: int, clock_shift_ms: int) -> JobEvent:
    """Return the event for a report about the current run of a job."""
    if isinstance(command, Finish):
        return of_ending(job, command.ending, now_ms, clock_shift_ms)
    if isinstance(command, Locate):
        return OutputLocated(job.id, command.began_ms, command.log_file, command.log_offset)
    if job.cancel is None:
        return Released(job.id, now_ms, command.reason, command.begun, command.ending)
    why = f"canceled while it ran ({_signal_name(job.cancel)})" if command.begun else "canceled"
    return Canceled(job.id, now_ms, why, command.ending)


def of_ending(job: Job, ending: AttemptResult, now_ms: int, clock_shift_ms: int) -> JobEvent:
    """Return the event for a run that ended by itself or was ended for good."""
    at_ms = min(now_ms, ending.ended_ms)  # it may have ended while no supervisor ran
    code = ending.exit_code if ending.outcome == "exit" else None
    if code == 0:
        return Succeeded(job.id, at_ms, ending)
    reason = describe(ending)
    if job.cancel is not None:
        return DeadLettered(job.id, at_ms, ending, f"canceled; {reason}")
    unshifted_ms = now_ms - clock_shift_ms
    if code is not None and code in job.options.get("snooze_on", ()):
        due_ms = unshifted_ms + round(float(job.options.get("snooze", SNOOZE_S)) * 1000)
        return Snoozed(job.id, at_ms, ending, f"{reason}{reasons.POSTPONED}", due_ms)
    why = _why_hopeless(job, ending, code)
    if why is not None:
        return DeadLettered(job.id, at_ms, ending, why or reason)
    return Failed(job.id, at_ms, ending, reason, unshifted_ms + backoff_ms(job, job.attempts))


def backoff_ms(job: Job, attempts: int) -> int:
    """Return the backoff in ms after failed attempt number `attempts`."""
    options = job.options
    share = float(options.get("jitter", 0))
    return retry_policy.delay_ms(
        job.backoff_base,
        attempts,
        float(options.get("backoff_max", retry_policy.MAX_DELAY_S)),
        share * retry_policy.jitter_fraction(f"{job.id}/{attempts}") if share else 0.0,
    )


def describe(ending: AttemptResult) -> str:
    """Return why an attempt failed, as a clause for `show` and `dlq list`."""
    if ending.detail:
        return ending.detail if len(ending.detail) <= MAX_REASON else f"{ending.detail[: MAX_REASON - 1]}…"
    if ending.outcome == "signal":
        return f"killed by {_signal_name(ending.signal)}"
    code = ending.exit_code
    if code in _SHELL_CODES:
        return f"{_SHELL_CODES[code]} (exit code {code})"
    if code is not None and code > 128 and _signal_name(code - 128) != f"signal {code - 128}":
        return f"exit code {code} ({_signal_name(code - 128)})"
    return f"exit code {code}"


def _why_hopeless(job: Job, ending: AttemptResult, code: int | None) -> str | None:
    """Return why there is no retry, "" if the reason of the failure says enough, or None if there is a retry."""
    if ending.outcome == "worker-lost" and job.losses + 1 >= retry_policy.MAX_LOSSES:
        return f"its worker was lost {retry_policy.MAX_LOSSES} times"
    if code is not None and code in job.options.get("fail_on", ()):
        return f"exit code {code}, which fail_on excludes from retries"
    if code is not None and job.options.get("retry_on") and code not in job.options["retry_on"]:
        return f"exit code {code}, which retry_on does not include"
    return "" if retry_policy.retries_exhausted(job.attempts, job.max_retries) else None


def _signal_name(number: int | None) -> str:
    import signal  # imports enum, which few calls need

    try:
        return signal.Signals(number or 0).name  # there is no signal 0
    except ValueError:
        return f"signal {number}"
