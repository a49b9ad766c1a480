"""`queuectl cancel`, `retry`, `edit`, `rm`, `suspend` and `continue`: changes of the jobs that a call selects.

Invariant: a change without IDs and without filters is refused. Only --all changes all jobs.
"""

from __future__ import annotations

from ...api import PAGE_JOBS, Queue
from ...errors import InvalidInput, NothingToDo, WrongState
from ...model.reasons import FAILURES
from ...model.states import COMPLETED, DEAD, FAILED, FINAL_STATES, PENDING, PROCESSING, STATES
from ...wire.protocol import MAX_DEPENDANTS
from ..confirmation import DRY_RUN, YES, confirm, show_dry_run
from ..fast_args import Arguments
from ..filters import FILTERS, STATE, chosen_by, count_canceled, dead_dependants_of, where_filter
from ..screen import Screen, Tally, counted

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ...model.records import Chosen
    from ..fast_args import Option


_JOBS = (
    ("ids", "ID…", "IDs of the jobs"),
    ("--all", "", "all jobs in a suitable state"),
    DRY_RUN,
    YES,
)


_VALUES_OR_FILTERS = ("--queue", "--name", "--tag")
_BOTH = ("queue", "name", "tag")
"""The options of `edit` that can be a new value or a filter."""


class Change:
    """A command that changes the jobs with some IDs, or all that match a filter and have one of `states`.

    `change` returns the IDs of the jobs that it changed. `done` is a participle for messages, like `canceled`.
    """

    OPTIONS: tuple[Option, ...] = (*_JOBS, STATE, *FILTERS)

    def __init__(
        self, change: Callable[..., list[str]], done: str, states: Sequence[str], summary: str, examples: list[str]
    ) -> None:
        self.change = change
        self._done = done
        self._states = states
        self.SUMMARY = summary
        self.EXAMPLES = examples

    def chosen(self, args: Arguments) -> Chosen:
        """Return the filter that the options make."""
        return chosen_by(args)

    def options(self, args: Arguments) -> Mapping[str, object]:
        """Return the arguments of the change beside the jobs."""
        return {}

    def run(self, queue: Queue, args: Arguments, screen: Screen) -> None:
        """Change the jobs, and print how many.

        Raises: InvalidInput, NothingToDo, UnknownJob, WrongState.
        """
        chosen, options = self.chosen(args), self.options(args)
        if args.ids and (chosen or args.all):
            raise InvalidInput(what="use either job IDs or filters, not both")
        if not (args.ids or chosen or args.all):
            raise InvalidInput(what="name job IDs, use a filter, or use --all")
        groups = {"": [args.ids]} if args.ids else self._selected(queue, chosen)
        portions = [portion for group in groups.values() for portion in group]
        if args.dry_run:
            ids = self._check(queue, args.ids) if args.ids else [id for portion in portions for id in portion]
            return show_dry_run(ids, self._done, screen)
        if not args.ids:
            confirm(sum(map(len, portions)), self._done, args)
            options = {**options, "lenient": True, "states": self.states_in(chosen)}
        more, said = self.consequences(queue, portions, None if args.ids else chosen)
        changed: dict[str, list[str]] = {name: [] for name in groups}
        with Tally(self._done) as tally:
            for name, portion in [(name, portion) for name, group in groups.items() for portion in group]:
                changed[name] += self.change(queue, portion, **options)
                tally.count = sum(map(len, changed.values()))
        ids = [id for group in changed.values() for id in group]
        if not ids:
            raise self.nothing(queue, chosen)
        result = {"ids": ids, "count": len(ids), "dry_run": False, **more}
        screen.done(result, f"{self._done} {counted(len(ids))}{_states_of(changed)}{said}")

    def consequences(
        self, queue: Queue, portions: list[list[str]], chosen: Chosen | None
    ) -> tuple[dict[str, int], str]:
        """Return what else the change does: more fields of the result, and a clause. The change follows.

        `chosen` is the filter, or None for a call with IDs.
        """
        return {}, ""

    def nothing(self, queue: Queue, chosen: Chosen) -> NothingToDo:
        """Return the error for a filter that selects no job to change."""
        return NothingToDo(what=f"no matching job can be {self._done}")

    def _check(self, queue: Queue, ids: list[str]) -> list[str]:
        """Return the IDs, each once, and refuse the jobs that the change would refuse."""
        ids = list(dict.fromkeys(ids))
        for id in ids:
            state = queue.get(id)["state"]
            if state not in self._states:
                raise WrongState(id=id, state=state, what=self._done)
        return ids

    def _selected(self, queue: Queue, chosen: Chosen) -> dict[str, list[list[str]]]:
        """Return the IDs that a filter selects in portions, all of them before the first change.

        They are grouped by the state that the message names, or in one group without a name.

        Raises: NothingToDo.
        """
        found = {}
        for name, states in self._groups_of(self.states_in(chosen)):
            selected: Chosen = {**chosen, "state": states}
            found[name] = list(queue.select(**selected)) if states else []
        if not any(found.values()):
            raise self.nothing(queue, chosen)
        return found

    def _groups_of(self, states: list[str]) -> list[tuple[str, list[str]]]:
        """Return the states that one request selects, under the name of their group."""
        return [("", states)]

    def states_in(self, chosen: Chosen) -> list[str]:
        """Return the states of a filter that allow the change.

        A job that left these states after the list is not changed. An unknown state stays in the filter, so that the
        request is refused.
        """
        named = chosen.get("state")
        named = [named] if isinstance(named, str) else named
        if named is None or set(named) <= set(STATES):
            states = [state for state in self._states if named is None or state in named]
            return [state for state in states if state in _states_that_match(chosen)] or states
        return list(named)


class Cancel(Change):
    """The command that cancels jobs."""

    OPTIONS = (
        *Change.OPTIONS,
        ("--signal", "NAME", "signal that ends a running job (default TERM); KILL follows after its grace"),
    )

    def options(self, args: Arguments) -> Mapping[str, object]:
        """Return the signal.

        Raises: InvalidInput.
        """
        return {"signal": _signal(args.signal or "TERM")}

    def consequences(
        self, queue: Queue, portions: list[list[str]], chosen: Chosen | None
    ) -> tuple[dict[str, int], str]:
        """Return how many waiting jobs die with these, if one request can count them."""
        if len(portions) > 1 or len(portions[0]) > PAGE_JOBS:
            return {}, ""
        try:
            count = len(queue.dependants(portions[0]))
        except InvalidInput:  # an older supervisor does not know this request
            return {}, ""
        at_least = "at least " if count == MAX_DEPENDANTS else ""
        clause = "1 dependant dies too" if count == 1 else f"{at_least}{count} dependants die too"
        return {"dependants": count}, f"; {clause}" if count else ""


class Remove(Change):
    """The command that removes jobs. It says their states, because waiting ones never run then."""

    def consequences(
        self, queue: Queue, portions: list[list[str]], chosen: Chosen | None
    ) -> tuple[dict[str, int], str]:
        """Return a clause that says how many matching jobs stay, because they run."""
        if chosen is None or "state" in chosen:
            return {}, ""
        running: Chosen = {**chosen, "state": PROCESSING}
        count = sum(map(len, queue.select(**running)))
        clause = f"; {counted(count, 'running job')} {'stays' if count == 1 else 'stay'}"
        return {}, clause if count else ""

    def nothing(self, queue: Queue, chosen: Chosen) -> NothingToDo:
        """Return the error, which says how many matching jobs run."""
        return NothingToDo(what=f"no matching job can be removed{self.consequences(queue, [], chosen)[1]}")

    def _groups_of(self, states: list[str]) -> list[tuple[str, list[str]]]:
        return [(state, [state]) for state in states]


class Retry(Change):
    """The command that makes jobs due. Its filters leave dead jobs to `dlq retry`, except with --state dead."""

    def chosen(self, args: Arguments) -> Chosen:
        """Return the filter that the options make. Of dead jobs, it takes those that nobody canceled.

        Raises: InvalidInput.
        """
        chosen = chosen_by(args)
        if chosen.get("state") == DEAD and args.cause is None:
            chosen["where"] = {**(chosen.get("where") or {}), "cause": list(FAILURES)}
        return chosen

    def consequences(
        self, queue: Queue, portions: list[list[str]], chosen: Chosen | None
    ) -> tuple[dict[str, int], str]:
        """Return a clause about the jobs that stay dead: dependants of these jobs, or canceled ones."""
        if chosen is None:
            clause = dead_dependants_of(queue, portions[0])
            return {}, clause and f"; {clause}"
        where: Mapping[str, object] = chosen.get("where") or {}
        count = count_canceled(queue, chosen) if where.get("cause") == list(FAILURES) else 0
        clause = f"; {counted(count, 'canceled job')} left (see `queuectl dlq retry --canceled`)"
        return {}, clause if count else ""

    def nothing(self, queue: Queue, chosen: Chosen) -> NothingToDo:
        """Return the error, which says how to retry the dead jobs that match the filter."""
        dead: Chosen = {**chosen, "state": DEAD}
        if chosen.get("state") == DEAD:
            return NothingToDo(what=f"no dead job matches{self.consequences(queue, [], chosen)[1]}")
        if next(queue.select(**dead), None) is None:
            return super().nothing(queue, chosen)
        return NothingToDo(
            what="only dead jobs match; use `queuectl dlq retry` with the same filter, or add --state dead"
        )

    def states_in(self, chosen: Chosen) -> list[str]:
        """Return the states, which are only dead with `--state dead`."""
        return [DEAD] if chosen.get("state") == DEAD else super().states_in(chosen)


class Edit(Change):
    """The command that changes fields of jobs.

    Its options --queue, --name and --tag are new values, or filters if the new values are in --set.
    """

    USAGE = "queuectl edit [options] (ID … | FILTER … | --all)"
    ONCE = _VALUES_OR_FILTERS
    OPTIONS = (
        *_JOBS,
        ("--where", "F=V…", "jobs with queue=, name=, tag.KEY=, state= …"),
        ("--set", "F=V…", "new value: queue=gpu; --queue, --name, --tag then filter"),
        ("--command", "TEXT", "new shell command line"),
        STATE,
        *(option for option in FILTERS if option[0] not in _VALUES_OR_FILTERS),
    )

    @property
    def JOB_FLAGS(self) -> tuple[Option, ...]:
        """Return the options of the job, whose import the other commands do not need."""
        from ..job_options import JOB_FLAGS

        return JOB_FLAGS

    def run(self, queue: Queue, args: Arguments, screen: Screen) -> None:
        """Change the jobs, or open one job in an editor if the call names no change.

        Raises: InvalidInput, NothingToDo, UnknownJob, WrongState.
        """
        if len(args.ids) != 1 or self.chosen(args) or args.all or args.dry_run or self._has_change(args):
            return super().run(queue, args, screen)
        from ..editor import check_terminal, edit
        from ..job_details import editable

        check_terminal("name a change, like --priority 10")
        self._check(queue, args.ids)
        edit(editable(queue.get(args.ids[0])), lambda fields: self.change(queue, args.ids, fields=fields), screen)
        screen.done({"ids": args.ids, "count": 1, "dry_run": False}, f"{self._done} 1 job")

    def chosen(self, args: Arguments) -> Chosen:
        """Return the filter that the options make.

        Raises: InvalidInput.
        """
        return where_filter(args, () if args.set else _BOTH)

    def options(self, args: Arguments) -> Mapping[str, object]:
        """Return the fields to change. An empty value restores the default.

        Raises: InvalidInput.
        """
        from ..job_options import job_fields

        args = self._with_new_values(args) if args.set else args
        fields = {name: None if value == "" else value for name, value in job_fields(args).items()}
        if args.command is not None:
            fields["command"] = args.command
        if not fields:
            raise InvalidInput(what="name a change, like --priority 10")
        return {"fields": fields}

    def _with_new_values(self, args: Arguments) -> Arguments:
        """Return the arguments with the values of --set in place of the filters.

        Raises: InvalidInput.
        """
        known = {flag[2:].replace("-", "_"): metavar for flag, metavar, _ in self.JOB_FLAGS}
        values: dict[str, Any] = {**vars(args), **dict.fromkeys(_BOTH)}
        for text in args.set:
            name, sign, value = text.partition("=")
            group, _, key = name.partition(".")
            field = group.replace("-", "_")
            if sign and key and known.get(field) == "K=V…":
                values[field] = [*(values[field] or ()), f"{key}={value}"]
            elif sign and (field == "command" or known.get(field, "…")[-1:] not in ("", "…")):
                values[field] = value
            else:
                raise InvalidInput(what=f"--set needs a field like priority=10 or tag.user=ann, not {text[:40]!r}")
        return Arguments(**values)

    def _has_change(self, args: Arguments) -> bool:
        names = ("set", "command", *(flag[2:].replace("-", "_") for flag, _, _ in self.JOB_FLAGS))
        return any(getattr(args, name) not in (None, False) for name in names)


def _states_that_match(chosen: Chosen) -> Sequence[str]:
    """Return the states that the other conditions of a filter allow."""
    where: Mapping[str, object] = chosen.get("where") or {}
    if "cause" in where:
        return (DEAD,)
    return FINAL_STATES if "ended_since_ms" in where else STATES


def _states_of(changed: dict[str, list[str]]) -> str:
    """Return a clause with the number of changed jobs in each group that has a name."""
    counts = [f"{len(ids)} {name}" for name, ids in changed.items() if name and ids]
    return f" ({', '.join(counts)})" if counts else ""


def _signal(text: str) -> int:
    import signal

    if text.isascii() and text.isdigit() and len(text) < 3 and 1 <= int(text) <= 64:
        return int(text)
    name = text.upper()
    number = getattr(signal.Signals, name if name.startswith("SIG") else f"SIG{name}", None)
    if number is None:
        raise InvalidInput(what=f"unknown signal {text[:20]!r}; use a name like TERM or a number")
    return int(number)


COMMANDS = {
    "cancel": Cancel(
        Queue.cancel, "canceled", (PENDING, FAILED, PROCESSING),
        """Cancels jobs and the jobs that wait for them. Waiting jobs move to the dead letter queue at once;
        running jobs are ended first. To bring canceled jobs back, use `dlq retry`; to delete them, use `rm`.""",
        ["queuectl cancel job1", "queuectl cancel --queue gpu --state pending", "queuectl cancel job1 --signal INT"],
    ),
    "retry": Retry(
        Queue.retry, "retried", (FAILED,),
        """Runs waiting jobs now, without their remaining delay. Also retries dead jobs, with attempts reset to 0,
        but with a filter or --all only if you add --state dead, or use `queuectl dlq retry`.""",
        ["queuectl retry job1", "queuectl retry --all", "queuectl retry --queue mail --state failed"],
    ),
    "edit": Edit(
        Queue.edit, "changed", (PENDING, FAILED, DEAD),
        """Changes waiting or dead jobs: any `enqueue` option except --id, --key and --after; an empty value
        resets an option. With one ID and no option, it opens the job in $VISUAL or $EDITOR.""",
        [
            "queuectl edit job1",
            "queuectl edit job1 --command 'make -j8' --priority 10",
            "queuectl edit --queue mail --set queue=slow",
        ],
    ),
    "rm": Remove(
        Queue.remove, "removed", (PENDING, FAILED, DEAD, COMPLETED),
        """Removes jobs permanently, except running ones. If a removed job was waiting, the jobs that wait for
        it are canceled.""",
        [
            "queuectl rm job1 job2",
            "queuectl rm --state completed --until 7d",
            "queuectl rm --tag user=ann --dry-run",
        ],
    ),
    "suspend": Change(
        Queue.suspend, "suspended", (PROCESSING,),
        """Suspends running jobs (SIGSTOP). They keep their workers until `queuectl continue`, and their
        timeouts keep counting.""",
        ["queuectl suspend job1", "queuectl suspend --queue gpu", "queuectl continue job1"],
    ),
    "continue": Change(
        Queue.continue_, "continued", (PROCESSING,),
        "Continues suspended jobs.",
        ["queuectl continue job1", "queuectl continue --all"],
    ),
}  # fmt: skip
