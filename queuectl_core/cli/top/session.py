"""Session: what each key does to the screen and to the home.

It knows the home through `Queue`, and no terminal.

Invariant: nothing changes without a question that the user has answered. An editor is such a question.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...api import Queue
from ...errors import InvalidInput, QueueError
from ...view.sentences import explained, with_facts
from ...view.top.keys import action_of
from ...view.top.state import DETAILS, JOBS, OUTPUT, PANE, TEXT, Prompt, Question, Top
from ..screen import counted
from . import filter_words
from .actions import DLQ, Doing, Plan, Preview

if TYPE_CHECKING:
    from ...model.overview_records import OverviewRecord
    from ...model.records import Chosen

Task = Iterator[str]
"""Work in steps, between which keys are read. Each step gives a message."""

_MOVES = {"Up": -1, "k": -1, "Down": 1, "j": 1}
CHANGE_WITHIN_S = 30.0
"""How many seconds one request of a change may take, also where a key waits less for an answer."""

EDIT_HINT = "FIELD=VALUE, like priority=10 or queue=slow"


class Session:
    """The keys of one `top`."""

    def __init__(self, queue: Queue, top: Top, details_of: Callable[[str, int], list[str]]) -> None:
        """Begin. `details_of` returns the lines about a job for a number of columns."""
        self._queue = queue
        self._details_of = details_of
        self.top = top
        self.record: OverviewRecord | None = None
        self.is_over = False
        self.is_stale = True
        """Whether to read the home again."""
        self.is_urgent = False
        """Whether to read it at once, because a key needs it."""
        self.task: Task | None = None
        self._if_stopped = ""
        self.editing: str | None = None
        """The job to open in an editor, which needs the terminal."""
        self._on_answer: dict[str, Callable[[], Any]] = {}
        self.rows, self.pane_rows, self.columns = 10, 5, 80
        """The size of the list and of the pane, for the keys that move by pages."""

    @property
    def chosen_filter(self) -> Chosen:
        """Return the filter of the list.

        Raises: InvalidInput.
        """
        from ..filters import chosen_by

        return chosen_by(filter_words.arguments_of(list(self.top.filter)))

    def check(self) -> None:
        """Check that the home can be read and that the filter is valid.

        Raises: QueueError.
        """
        self._queue.page(limit=1, **self.chosen_filter)

    def read_again(self) -> None:
        """Read the home at once."""
        self.is_stale = self.is_urgent = True

    def press(self, key: str) -> None:
        """Do what a key says."""
        top = self.top
        top.message = ""
        try:
            if top.has_help:
                top.has_help = False
            elif top.question is not None:
                self._answer(key)
            elif top.prompt is not None:
                self._type(top.prompt, key)
            elif self.task is not None and key == "Esc":
                self.task = None
                top.say(self._if_stopped, is_refusal=True)
            else:
                self._act(key)
        except QueueError as refusal:
            top.say(str(refusal), is_refusal=True)

    def _act(self, key: str) -> None:
        action = action_of(key)
        if key in ("PgUp", "PgDn", "Home", "End"):
            action = "move"
        if action:
            getattr(self, f"_do_{action}")(key)

    # Movement

    def _do_move(self, key: str) -> None:
        top = self.top
        rows = self.pane_rows if top.focus == PANE else self.rows
        size = len(top.pane.lines) if top.focus == PANE else len(top.jobs)
        pages = {"PgUp": -max(1, rows - 1), "PgDn": max(1, rows - 1), "Home": -size, "End": size}
        by = _MOVES.get(key) or pages.get(key, 0)
        if top.focus == PANE:
            top.pane.scroll(by, rows)
            top.is_following = top.is_following and top.pane.is_at_end
        else:
            top.move(by)
            self._show_output()

    def _show_output(self) -> None:
        """Let the pane show the output of the job under the cursor again, unless it follows one."""
        if self.top.pane.kind != OUTPUT and not self.top.is_following:
            self.top.pane.show(OUTPUT, "", [])

    def _do_focus(self, key: str) -> None:
        self.top.focus = JOBS if self.top.focus == PANE else PANE

    def _do_back(self, key: str) -> None:
        top, pane = self.top, self.top.pane
        if top.is_following or pane.is_large or pane.kind != OUTPUT or top.focus == PANE:
            top.is_following = pane.is_large = False
            top.focus = JOBS
            self._show_output()
        elif pane.words:
            pane.words = ""
        elif top.marks or top.marks_all:
            top.marks, top.marks_all = {}, False
        elif top.filter:
            self._set_filter([])

    def _do_quit(self, key: str) -> None:
        self.is_over = True

    def _do_help(self, key: str) -> None:
        self.top.has_help = True

    # What is listed

    def _do_filter(self, key: str) -> None:
        text = shlex.join(self.top.filter)
        self.top.prompt = Prompt("filter", "/", f"{text} " if text else "", filter_words.HINT)

    def _do_filter_output(self, key: str) -> None:
        self.top.prompt = Prompt("output", "&", self.top.pane.words, "show only lines with this text")

    def _set_filter(self, words: Sequence[str]) -> None:
        """Choose the jobs of the list.

        Raises: QueueError.
        """
        before, self.top.filter = self.top.filter, list(words)
        try:
            self.check()
        except QueueError:
            self.top.filter = before
            raise
        self.top.to_start()
        self.top.take_jobs([])
        self._show_output()
        self.top.is_searching = True
        self.read_again()

    def _do_failed_first(self, key: str) -> None:
        self.top.toggle_failed_first()
        self.read_again()

    def _do_sort(self, key: str) -> None:
        self.top.sort_by_next(1 if key == ">" else -1)
        self.read_again()

    def _do_reverse(self, key: str) -> None:
        self.top.reverse()

    def _do_mark(self, key: str) -> None:
        self.top.toggle_mark()

    def _do_mark_all(self, key: str) -> None:
        self.top.toggle_all()

    # One job

    def _do_why(self, key: str) -> None:
        job = self.top.chosen()
        if job is not None:
            status: Any = self.record
            why = with_facts(self._queue.why(job["id"]), self._queue.home.path, status)
            self.top.pane.show(TEXT, f"why {job['id']}", [f"{job['id']} is {why['state']}: {explained(why)}"])

    def _do_details(self, key: str) -> None:
        job = self.top.chosen()
        if job is not None:
            self.top.pane.show(DETAILS, f"details of {job['id']}", self._details_of(job["id"], self.columns))
            self.top.pane.is_large, self.top.focus = True, PANE

    def _do_follow(self, key: str) -> None:
        top = self.top
        if top.is_following:
            self._do_back(key)
        elif top.chosen() is not None:
            if top.pane.kind != OUTPUT:
                top.pane.show(OUTPUT, "", [])
            top.is_following = top.pane.is_large = top.pane.is_at_end = True
            top.focus = PANE

    # Changes

    def _do_cancel(self, key: str) -> None:
        self._plan("cancel")

    def _do_retry(self, key: str) -> None:
        self._plan("retry")

    def _do_dlq(self, key: str) -> None:
        self._plan(DLQ)

    def _do_suspend(self, key: str) -> None:
        chosen, marked = self.top.chosen(), [job for job in self.top.jobs if self.top.is_marked(job["id"])]
        jobs = marked or ([] if chosen is None else [chosen])
        running = [job for job in jobs if job["state"] == "processing"]
        is_suspended = bool(running) and all(job.get("suspended") for job in running)
        self._plan("continue" if is_suspended else "suspend")

    def _do_edit(self, key: str) -> None:
        job = self.top.chosen()
        if self.top.marks or self.top.marks_all:
            self.top.prompt = Prompt("edit", "edit --set", "", EDIT_HINT)
        elif job is not None:
            self.editing = job["id"]

    def _do_pause(self, key: str) -> None:
        job = self.top.chosen()
        queue = job["queue"] if job is not None else "default"
        queues = self.top.view["queues"] if self.top.view else []
        is_paused = any(each["queue"] == queue and each["is_paused"] for each in queues)
        all_paused = self.record is not None and self.record["paused_since"] is not None
        verb, all_verb = ("resume" if is_paused else "pause"), ("resume" if all_paused else "pause")
        lines = [f"Running jobs continue. Or {all_verb} all queues: queuectl {all_verb}"]
        answers = (("y", f"{verb} queue {queue}"), ("a", f"{all_verb} all queues"), ("n", "no"))
        self.top.question = Question(
            f"{verb} queue {queue}?", lines, f"queuectl queue {verb} {shlex.quote(queue)}", answers
        )
        self._on_answer = {
            "y": lambda: self._pause(queue, not is_paused, f"{verb}d queue {queue}"),
            "a": lambda: self._pause("*", not all_paused, f"{all_verb}d all queues"),
        }

    def _pause(self, queue: str, paused: bool, said: str) -> None:
        self._queue.set_queue(queue, paused=paused)
        self.top.say(said)
        self.read_again()

    def _plan(self, verb: str, extra: Sequence[str] = ()) -> None:
        self.task = self._previewed(Preview(self._queue, self.top, verb, extra))

    def _previewed(self, preview: Preview) -> Task:
        self._if_stopped = "stopped; nothing was changed"
        for count in preview:
            yield f"{count:,} jobs so far; Esc stops the count"
        plan = preview.plan
        if plan is not None:
            self.top.question = Question(plan.title, plan.sample, plan.command)
            self._on_answer = {"y": lambda: self._begin(plan)}
            yield ""

    def _begin(self, plan: Plan) -> None:
        self.task = self._done(Doing(self._queue, plan))

    def _done(self, doing: Doing) -> Task:
        plan, before_s = doing.plan, self._queue.deadline_s
        self._if_stopped = "stopped; what is changed stays changed"
        self._queue.deadline_s = max(before_s, CHANGE_WITHIN_S)
        try:
            for count in doing:
                yield f"{plan.done} {count:,} of {len(plan.ids):,}; Esc stops"
        finally:
            self._queue.deadline_s = before_s
        self.top.marks, self.top.marks_all = {}, False
        self.read_again()
        left = len(plan.ids) - doing.count
        yield f"{plan.done} {counted(doing.count)}" + (f"; {left:,} had changed meanwhile" if left > 0 else "")

    def work(self) -> None:
        """Do the next step of the task."""
        try:
            said = next(self.task) if self.task is not None else ""
            self.top.message, self.top.is_refusal = said, False
        except StopIteration:
            self.task = None
        except QueueError as refusal:
            self.task = None
            self.read_again()
            self.top.say(str(refusal), is_refusal=True)

    # Questions and prompts

    def _answer(self, key: str) -> None:
        answers = self._on_answer
        if key.lower() in answers:
            self.top.question = None
            answers[key.lower()]()
        elif key.lower() in ("n", "q", "esc"):
            self.top.question = None
            self.top.say("nothing was changed")

    def _type(self, prompt: Prompt, key: str) -> None:
        """Take a key of a line that the user types.

        Raises: QueueError.
        """
        if key == "Esc" or (key == "Backspace" and not prompt.text):
            self.top.prompt = None
        elif key == "Enter":
            self._take(prompt)
            self.top.prompt = None
        elif key in ("Backspace", "Clear"):
            self.top.prompt = prompt._replace(text=prompt.text[:-1] if key == "Backspace" else "")
        elif len(key) == 1:
            self.top.prompt = prompt._replace(text=prompt.text + key)

    def _take(self, prompt: Prompt) -> None:
        """Take a whole line. After a refusal, the user can correct it.

        Raises: QueueError.
        """
        if prompt.name == "filter":
            self._set_filter(filter_words.words_of(prompt.text))
        elif prompt.name == "output":
            self.top.pane.words = prompt.text
            self.top.pane.is_at_end = True
        else:
            self._plan("edit", _settings_of(prompt.text))


def _settings_of(text: str) -> list[str]:
    """Return the options for new values of jobs.

    Raises: InvalidInput.
    """
    try:
        words = shlex.split(text)
    except ValueError as fault:
        raise InvalidInput(what=f"cannot read the values: {fault}") from None
    if not words:
        raise InvalidInput(what=f"type {EDIT_HINT}")
    return [part for word in words for part in ("--set", word)]
