"""Clock anchor: which time it is in a home by a clock that nobody can set, and since when the wall clock agrees with
it.

The file `clock` ties the home's steady time, the wall clock without its shifts, to the boot clock. Within one boot,
the next call knows how much time has passed, whatever the wall clock says: a clock that is wrong for one call moves
nothing. After a boot, and on systems without such a clock, only the journal's own times are left: a clock behind them
goes on from there, a clock ahead of them is believed.
Knows the file, not what waits for a time. The trap: the file is a hint; whatever it says, nothing that is acknowledged
depends on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ..model.commands import ShiftClock
from ..system import clock, durable_files
from ..system.clock import JUMP_MS

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..home import Home


class Anchor(NamedTuple):
    """At `up_ms` of this boot it was `steady_ms`, and since then nobody has set the wall clock. `ahead_ms` is how far
    it was set ahead then.
    """

    boot: str
    up_ms: int
    steady_ms: int
    ahead_ms: int


def follow(home: Home, engine: Engine, decide: Callable[[ShiftClock, int], object], now_ms: int) -> int:
    """Tells the engine how far the wall clock was set since the home was last used: that many ms, negative for back."""
    now = clock.since_boot()
    anchor = None if now is None else _of_this_boot(home, *now)
    if now is None or anchor is None:
        jump_ms = -engine.lag_ms(now_ms)
    else:
        steady_ms = anchor.steady_ms + now[1] - anchor.up_ms
        jump_ms = now_ms - engine.table.clock_shift_ms - steady_ms
    if abs(jump_ms) < JUMP_MS:
        jump_ms = 0
    if jump_ms:
        decide(ShiftClock(jump_ms), now_ms)
    if jump_ms or anchor is None:
        note(home, engine, now_ms, jump_ms)
    return jump_ms


def note(home: Home, engine: Engine, now_ms: int, jump_ms: int) -> None:
    """The wall clock was set by so much, and the engine knows it."""
    now = clock.since_boot()
    if now is None:
        return
    anchor = Anchor(*now, now_ms - engine.table.clock_shift_ms, max(0, jump_ms))
    try:
        durable_files.replace_file(home.clock, json.dumps(anchor).encode(), synced=False)
    except OSError:  # no room, a disk that cannot be written to: the next one tries again
        pass


def held_s(home: Home) -> tuple[float, float]:
    """For how many seconds the wall clock has been as it is, as far as this boot knows, and how far it was set ahead
    before.
    """
    now = clock.since_boot()
    anchor = None if now is None else _of_this_boot(home, *now)
    if now is None or anchor is None:
        return 0.0, 0.0
    return (now[1] - anchor.up_ms) / 1000, anchor.ahead_ms / 1000


def _of_this_boot(home: Home, boot: str, up_ms: int) -> Anchor | None:
    try:
        with open(home.clock, "rb", opener=durable_files.owned) as file:
            anchor = Anchor(*json.loads(file.read(1000)))
    except (OSError, ValueError, TypeError):
        return None
    is_sound = type(anchor.boot) is str and all(type(value) is int for value in anchor[1:])
    return anchor if is_sound and anchor.boot == boot and anchor.up_ms <= up_ms else None
