"""Call: what one call of the command line costs, set against an empty Python; with .pyc files in place (`homes`
sees to it), after one call to warm up. The trap: what is installed beside an interpreter may run at each start (.pth
files), and would make any command line look cheap; so all are run by the bare Python of a new virtual environment.
"""

from __future__ import annotations

import os
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from tests.bench import floors
from tests.bench.contest import Bench, Contest, Turn, median_ms
from tests.bench.homes import new_home, scratch, taken_s
from tests.bench.peers import programs

FLOOR = "python3 -I -c pass"


def contests(bench: Bench) -> Iterator[Contest]:
    times = bench.pick(2, 20, 50)

    def calls(call_s: Callable[[], float]) -> Turn:
        return lambda: {"ms": median_ms([call_s() for _ in range(times + 1)][1:])}

    with scratch(bench.folder) as folder, ExitStack() as stack:
        venv.create(folder, symlinks=True)
        python = os.path.join(folder, "bin", "python")
        alone, served = (stack.enter_context(new_home(bench.folder, workers, python)) for workers in (None, 0))
        turns = {FLOOR: calls(lambda: floors.empty_python_s(python))}
        for words in (["enqueue", "--", "true"], ["status"]):
            for home, where in ((alone, "no supervisor"), (served, "supervisor")):
                command = home.words(*words)
                turns[f"queuectl {words[0]}, {where}"] = calls(lambda c=command, h=home: taken_s(c, h.environ))
        for name, words in (("enqueue", ["true"]), ("list", ["-l"])):
            turns[f"task-spooler {name}"] = lambda words=words: programs.call_tsp(bench, times, words)
        turns["nq enqueue"] = lambda: programs.call_nq(bench, times)
        yield Contest("one call", FLOOR, turns)
