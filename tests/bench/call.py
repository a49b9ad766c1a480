"""Call: the cost of one call of the command line, compared with an empty program of the same bare
Python.

A first call warms up, and .pyc files exist (see `homes`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from tests.bench import floors
from tests.bench.contest import Bench, Contest, Turn, median_ms
from tests.bench.homes import bare_python, new_home, scratch, taken_s
from tests.bench.peers import programs

FLOOR = "python3 -I -c pass"


def contests(bench: Bench) -> Iterator[Contest]:
    times = bench.pick(2, 20, 50)

    def calls(call_s: Callable[[], float]) -> Turn:
        return lambda: {"ms": median_ms([call_s() for _ in range(times + 1)][1:])}

    with scratch(bench.folder) as folder, ExitStack() as stack:
        python = bare_python(folder)
        alone, served = (stack.enter_context(new_home(bench.folder, workers, python)) for workers in (None, 0))
        turns = {FLOOR: calls(lambda: floors.empty_python_s(python))}
        for called, words in (
            ("enqueue", ["enqueue", "--", "true"]),
            ("enqueue of JSON", ["enqueue", '{"command": "true"}']),
            ("status", ["status"]),
        ):
            for home, where in ((alone, "no supervisor"), (served, "supervisor")):
                command = home.words(*words)
                turns[f"queuectl {called}, {where}"] = calls(lambda c=command, h=home: taken_s(c, h.environ))
        for name, words in (("enqueue", ["true"]), ("list", ["-l"])):
            turns[f"task-spooler {name}"] = lambda words=words: programs.call_tsp(bench, times, words)
        turns["nq enqueue"] = lambda: programs.call_nq(bench, times)
        yield Contest("one call", FLOOR, turns)
