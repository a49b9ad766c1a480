"""Texts: what the generated parts of the documentation say about each name in the code.

`generate.py` takes the names from the code and the sentences from here. A name without a sentence is an error there.
"""

from __future__ import annotations

JOB_FIELDS: dict[str, dict[str, tuple[str, str]]] = {
    "What the job is": {
        "command": ("text that the shell runs with `-c`; required", "–"),
        "id": ("1 to 128 letters, digits and `. _ : -`; not `. _ : -` first", "generated"),
        "batch": ("the batch that it belongs to; it can't change later", "–"),
        "name": ("a name for people and filters, up to 200 bytes", "–"),
        "tags": ("an object of texts that filters can match, up to 32 tags", "–"),
    },
    "When it runs": {
        "queue": ("the queue in which it waits", "`default`"),
        "priority": ("-999 to 999; higher runs first, then the oldest", "0"),
        "delay": ("the job starts no sooner than this time from now", "–"),
        "at": ("the job starts no sooner than this time of day or date", "–"),
        "after": ("IDs of jobs that must complete first, up to 100", "–"),
        "after_batch": ("batches whose present jobs must complete first, up to 100", "–"),
        "after_any": ("run once the `after` jobs finish, whatever their result", "no"),
        "key": ("only one unfinished job per key", "–"),
        "on_conflict": ("`refuse`, `skip` or `replace`, when the key or ID is taken", "`refuse`"),
        "slots": ("how many workers it occupies, 1 to 1024", "1"),
    },
    "How it runs": {
        "cwd": ("the folder it runs in; an absolute path in JSON", "your folder"),
        "env": ("environment variables, up to 128 KiB", "–"),
        "stdin": ("a file that it reads; an absolute path in JSON", "no input"),
        "input": ("text that it reads, up to 64 KiB", "no input"),
        "shell": ("the program that gets `-c` and the command", "`/bin/sh`"),
        "nice": ("niceness, -20 to 19", "the worker's"),
        "limit_mem": ("address space of each process, as `ulimit -v`; not of the whole job; from 1M", "–"),
        "limit_cpu": ("processor time of each process, as `ulimit -t`; from 1 s", "–"),
        "timeout": ("an attempt that runs longer ends, and fails", ""),
        "grace": ("time between TERM and KILL when a run is ended, up to 1 h", ""),
    },
    "How it is retried": {
        "max_retries": ("retries after the first run, 0 to 1000", ""),
        "backoff_base": ("base of the waits, in seconds, 0 to 3600", ""),
        "backoff_max": ("longest wait before a retry", ""),
        "jitter": ("shortens each wait by up to this share, 0 to 1", ""),
        "retry_on": ("retry only these exit codes, like `75,111`", ""),
        "fail_on": ("never retry these exit codes: dead at once", ""),
        "snooze_on": ("these exit codes postpone the job; the attempt isn't counted", "–"),
        "snooze": ("how long such an exit code postpones it", "60 s"),
    },
    "What follows it": {
        "on_success": ("[hook](settings.md#hooks): a command that runs after it completes", "–"),
        "on_failure": ("a command that runs after each failed attempt", "–"),
        "on_dead": ("a command that runs after it dies, unless somebody canceled it", "–"),
        "on_end": ("a command that runs after it completes, dies or is canceled", "–"),
        "on_batch_end": ("a command that runs when no job of its batch is unfinished", "–"),
    },
}
"""Every field of a job that you ask for, by group: its meaning, and its default where no setting gives one."""

RECORD_FIELDS = {
    "state": "one of the five states",
    "attempts": "attempts so far, since the last `dlq retry`",
    "created_at": "when the job was added",
    "updated_at": "when it last changed",
    "next_run_at": "when it may run next; null when it waits for no time",
    "reason": "why the last attempt failed, or why the job is dead",
    "worker": "the worker that runs it now, else null",
    "history": "its attempts, oldest first; the last 100 stay",
    "waits_for": "IDs that it still waits for; absent when there are none",
    "suspended": "only while it runs: whether it's suspended",
    "canceled": "only while it runs: whether its cancellation is under way",
    "cause": "only when it's dead: the kind of reason, such as `canceled`",
}
"""Fields of a job's record beside those that you ask for."""

ATTEMPT_FIELDS = {
    "attempt": "its number, from 1",
    "worker": "the worker that ran it",
    "started_at": "when it was handed to the worker",
    "ended_at": "when it ended; null while it runs",
    "duration_ms": "how long it took, in milliseconds",
    "outcome": "how it ended; null while it runs",
    "exit_code": "the exit code, where it exited",
    "signal": "the number of the signal, where one ended it",
    "reason": "why it failed, as text",
    "output_file": "the segment in `logs/` that holds its output",
    "output_offset": "where in that segment its output begins",
    "output_bytes": "bytes of output kept",
    "dropped_bytes": "bytes of output that were over the limit or found no room",
    "cpu_ms": "processor time of the command and its children",
    "peak_bytes": "largest memory of one of its processes; at least that of its worker (17 MiB)",
    "slot": "its `QUEUECTL_SLOT`; absent in a queue without a limit",
}

STATES = {
    "pending": "waits for a worker, for its time, or for other jobs",
    "processing": "a worker runs it",
    "completed": "its command exited with 0",
    "failed": "its last attempt failed; it runs again at `next_run_at`",
    "dead": "no retry is left, or it was canceled: it's in the dead letter queue",
}

EVENTS = {
    "enqueued": "a job was added",
    "imported": "a job of another home was added, with its history",
    "started": "a job was handed to a worker",
    "located": "a run takes longer than 20 ms; says where its output lies",
    "succeeded": "the command exited with 0",
    "failed": "an attempt failed, and a retry is left",
    "died": "an attempt failed, and no retry is left",
    "snoozed": "an exit code of `snooze_on` postponed the job",
    "released": "the job is pending again; the attempt isn't counted",
    "cancel-asked": "somebody asked to end a running job",
    "canceled": "a job went to the dead letter queue without another attempt",
    "unblocked": "a job no longer waits for job `by`",
    "hastened": "`retry` ended a job's wait",
    "edited": "fields of a job changed",
    "moved": "a waiting job got another place in its queue",
    "suspended": "a running job was stopped with SIGSTOP",
    "continued": "a suspended job continues",
    "retried": "a job left the dead letter queue",
    "purged": "a job was removed for good",
    "queue-changed": "the rules of a queue changed",
    "schedule-changed": "a schedule was added, changed or removed",
    "schedule-fired": "a schedule was due",
    "setting-changed": "a setting changed",
    "clock-shifted": "the wall clock was set",
}

EXIT_STATUSES = {
    "0": "Done.",
    "1": "Refused or not found: a duplicate ID, an unknown job, nothing to retry. "
    "Also `wait` when a job didn't complete, `worker start --burst` when a job died, "
    "and `doctor` when something is damaged.",
    "2": "Wrong usage or invalid input. Nothing changed.",
    "3": "The command needs a supervisor, and none runs. Start one with `queuectl worker start`.",
    "70": "A bug in queuectl. Report the line: it names the code.",
    "75": "Not now: the disk is full, the supervisor doesn't answer, or a stop takes longer than you allowed. "
    "Also `worker start --burst` when it leaves jobs that nothing will start. "
    "Try again. When the outcome is unknown, the message says so and tells you how to find out.",
    "124": "`wait` or `drain` reached its `--timeout`, or `run` its `--wait-timeout`.",
    "128+n": "`run` only: signal *n* ended the job. Otherwise `run` exits with the exit code of its job, "
    "and with 1 when the job was canceled or never started.",
    "130": "Ctrl-C interrupted the command.",
    "141": "The reader of the output closed it, as in `queuectl list | head`.",
}

ERRORS = {
    "error": "This version doesn't know the error, because the supervisor is newer. Upgrade this version.",
    "invalid_input": "An argument, option or value isn't valid. Correct what the message names.",
    "invalid_job": "A field of a job isn't valid, or the field is unknown. Correct it; nothing was added.",
    "invalid_setting": "A configuration key or value isn't valid. `queuectl config list` shows the keys.",
    "damaged_setting": "A stored setting can't be used. Set it again, or unset it.",
    "duplicate_job": "The ID exists. Choose another, or use `--on-conflict skip` for a repeat.",
    "repeated_id": "Two jobs of one request have the same ID. Nothing was added.",
    "unknown_job": "No job has this ID: it was removed, or it's in another home.",
    "ambiguous_id": "What you typed is no ID, but several IDs begin with it.",
    "not_dead": "`dlq` works on dead jobs only.",
    "wrong_state": "The job's state doesn't allow this. `queuectl why ID` explains the state.",
    "key_taken": "An unfinished job has this key. Wait for it, or use `--on-conflict skip` or `replace`.",
    "environment_needed": "The setting `environment` is `submit`, and the client is too old to send its environment.",
    "past_is_gone": "The journal no longer has these events. Read the current state, then continue from now.",
    "unknown_schedule": "No schedule has this name.",
    "unknown_batch": "No job belongs to a batch with this name: all were removed, or it's in another home.",
    "unknown_queue": "No job and no rule names this queue. Check the name, or add `--create`.",
    "bad_dependency": "The job can't wait for the job it names. Add that job first.",
    "nothing_to_do": "No job matches, or there is nothing to change. Scripts may ignore it.",
    "no_output": "The output doesn't exist: it was removed, or the attempt hasn't started.",
    "home_gone": "Somebody removed or moved the home while its supervisor ran. Wait until the supervisor ends.",
    "no_supervisor": "The command needs a supervisor. Start one with `queuectl worker start`.",
    "supervisor_failed": "The supervisor couldn't start or continue. `supervisor.log` in the home has the details.",
    "busy": "Another process holds the home, or the supervisor doesn't answer. Try again.",
    "outcome_unknown": "The supervisor may have carried out the request. Check first; to repeat, use an ID and "
    "`--on-conflict skip`.",
    "disk_full": "The disk is full. Free some space; work then continues by itself.",
    "storage_failed": "A write or sync failed, and nothing was acknowledged. Check the disk, then start again.",
    "bad_home": "The home can't be used: its path, owner or permissions are wrong.",
    "newer_format": "A newer version wrote this home. Use that version.",
    "corrupt": "A file of the home is damaged. Run `queuectl doctor`, then `queuectl doctor --repair DIR`.",
    "no_backend": "This Python lacks the module of the home's store. Use a Python that has it.",
    "unfit_python": "This Python can't run queuectl. Use a complete CPython 3.9 or later.",
    "output_failed": "queuectl can't write its own output, for example because a disk is full.",
    "protocol": "The control socket delivered an invalid message. "
    "Restart the supervisor; if it happens again, report it.",
    "out_of_memory": "There isn't enough memory. Try again.",
    "defect": "An unforeseen error, which is a bug in queuectl. Report the line.",
}
