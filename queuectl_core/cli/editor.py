"""Editor: JSON that a user changes in a text editor.

It does not know any command.

Invariant: text that the user wrote is never lost. If a change is refused, the file stays and the message names it.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile

from .. import fast_json
from ..errors import InvalidInput, NothingToDo, QueueError
from .screen import SECRET_FIELDS, Screen, cut, tell

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Fields = Mapping[str, object]

_SHOWN_COLUMNS = 60


def check_terminal(instead: str) -> None:
    """Refuse to open an editor without a terminal. `instead` says what to use then.

    Raises: InvalidInput.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidInput(what=f"{instead}; without a change, it opens an editor, which needs a terminal")


def edit(fields: Fields, change: Callable[[Fields], object], screen: Screen) -> Fields:
    """Let the user change fields in an editor, make the change, and return it. A removed field has the value None.

    Print the difference. If the change is refused, offer to open the editor again.

    Raises: NothingToDo, InvalidInput.
    """
    text = json.dumps(fields, ensure_ascii=False, indent=2) + "\n"
    descriptor, path = tempfile.mkstemp(prefix="queuectl-", suffix=".json")  # its mode is 0600
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    while True:
        try:
            _open_editor(path)
            changed = _difference(fields, _read(path))
            if changed:
                change(changed)
            break
        except QueueError as refusal:
            if not _wants_another_try(refusal):
                raise InvalidInput(what=f"nothing was changed, and your text is in {path}") from None
    os.unlink(path)
    if not changed:
        raise NothingToDo(what="nothing was changed")
    if not (screen.json or screen.quiet):
        for name, value in changed.items():
            screen.line(_line(name, fields.get(name), value))
    return changed


def _open_editor(path: str) -> None:
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    before = signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for the editor, which gets the default again
    try:
        status = subprocess.run([*shlex.split(command), path], check=False).returncode
    except (OSError, ValueError) as fault:
        why = getattr(fault, "strerror", None) or fault
        raise InvalidInput(what=f"cannot start the editor {command}: {why}; set VISUAL or EDITOR") from None
    finally:
        signal.signal(signal.SIGINT, before)
    if status:
        raise InvalidInput(what=f"the editor {command} ended with status {status}")


def _read(path: str) -> Fields:
    try:
        with open(path, encoding="utf-8") as file:
            new = json.load(file, object_pairs_hook=fast_json.unique)
    except OSError as fault:
        raise InvalidInput(what=f"cannot read {path}: {fault.strerror}") from None
    except (ValueError, RecursionError) as fault:
        raise InvalidInput(what=f"not valid JSON: {fault}") from None
    if not isinstance(new, dict):
        raise InvalidInput(what="the text must be one JSON object")
    return new


def _difference(old: Fields, new: Fields) -> dict[str, object]:
    """Return the fields that differ. A removed field comes last, so that a mistyped name is refused before it."""
    names = [*new, *(name for name in old if name not in new)]
    return {name: new.get(name) for name in names if _differs(new.get(name), old.get(name))}


def _differs(one: object, other: object) -> bool:
    """Return whether two JSON values differ, also as 1 and true."""
    return json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True)


def _line(name: str, old: object, new: object) -> str:
    if name in SECRET_FIELDS:
        return f"{name}: changed"
    return f"{name}: {_shown(old)} -> {_shown(new)}"


def _shown(value: object) -> str:
    return "default" if value is None else cut(json.dumps(value, ensure_ascii=False), _SHOWN_COLUMNS)


def _wants_another_try(refusal: QueueError) -> bool:
    """Ask whether to open the editor again. The end of the input and Ctrl-C mean no."""
    tell(f"queuectl: {refusal}")
    sys.stderr.write("open the editor again? [Y/n] ")
    sys.stderr.flush()
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        answer = ""
        tell("")
    return bool(answer) and answer.strip().lower() in ("", "y", "yes")
