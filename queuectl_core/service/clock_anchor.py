"""Clock anchor: the file that ties a home's steady time to the boot clock, which nobody can set.

The steady time is the wall clock without its shifts.
Within one boot, the anchor tells the next process how much time has passed, whatever the wall clock says.
So a clock that is wrong during one call changes nothing.
After a reboot, and on systems without a boot clock, only the times in the journal remain.
If the wall clock is behind them, time continues from the journal's last time.
If the wall clock is ahead of them, queuectl trusts it.
Does not know what waits for a time.

Invariant: the file is only a hint. No acknowledged change depends on its content.
"""

from __future__ import annotations

from ..fast_json import decode, encode
from ..light_types import NamedTuple
from ..model.commands import ShiftClock
from ..system import clock, file_io
from ..system.clock import JUMP_MS

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..engine.engine import Engine
    from ..home import Home


class Anchor(NamedTuple):
    """A moment of this boot, `up_ms`, at which the steady time was `steady_ms`.

    Nobody has set the wall clock since then. `ahead_ms` is how far it was set ahead at that moment.
    """

    boot: str
    up_ms: int
    steady_ms: int
    ahead_ms: int


def follow(home: Home, engine: Engine, decide: Callable[[ShiftClock, int], object], now_ms: int) -> int:
    """Tell the engine how far somebody has set the wall clock since the last use of the home.

    Return that distance in milliseconds. It is negative if the clock was set back, and 0 below `JUMP_MS`.
    """
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
    """Write a new anchor after the engine has learned of a jump of the wall clock by `jump_ms`."""
    now = clock.since_boot()
    if now is None:
        return
    anchor = Anchor(*now, now_ms - engine.table.clock_shift_ms, max(0, jump_ms))
    try:
        file_io.replace_file(home.clock, encode(anchor).encode(), synced=False)
    except OSError:  # a full or read-only disk; the next process tries again
        pass


def held_s(home: Home) -> tuple[float, float]:
    """Return how long the wall clock has been unchanged, and how far it was set ahead before that.

    Both are in seconds. Both are 0 if no anchor of this boot exists.
    """
    now = clock.since_boot()
    anchor = None if now is None else _of_this_boot(home, *now)
    if now is None or anchor is None:
        return 0.0, 0.0
    return (now[1] - anchor.up_ms) / 1000, anchor.ahead_ms / 1000


def _of_this_boot(home: Home, boot: str, up_ms: int) -> Anchor | None:
    """Return the anchor in the file, or None if it is damaged or belongs to another boot."""
    try:
        with open(home.clock, "rb", opener=file_io.open_owned) as file:
            anchor = Anchor(*decode(file.read(1000).decode()))
    except (OSError, ValueError, TypeError):
        return None
    is_sound = type(anchor.boot) is str and all(type(value) is int for value in anchor[1:])
    return anchor if is_sound and anchor.boot == boot and anchor.up_ms <= up_ms else None
