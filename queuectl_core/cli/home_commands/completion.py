"""`queuectl completion`: the completion of calls in bash, zsh, and fish, and the manual pages."""

from __future__ import annotations

import os

from ...api import Queue
from ...home import expanded
from ...supervisor.invocation import program
from ..fast_args import Action, Arguments
from ..screen import Screen, write
from ..shell.completion_scripts import SHELLS, script

SUMMARY = """Completes commands, options, job IDs, queues, schedules, tags and settings when you press Tab. It asks the
home for its values, starts nothing, and offers no values if the home does not answer within 0.2 s."""
EXAMPLES = ["queuectl completion install", 'eval "$(queuectl completion bash)"', "queuectl completion fish | source"]
ACTIONS = {
    **{
        shell: Action(f"print the completion script for {shell}", f"queuectl completion {shell}", HAS_JSON=False)
        for shell in SHELLS
    },
    "install": Action(
        "write the scripts and the manual pages to where the shells and man look", "queuectl completion install"
    ),
}


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print a completion script, or install all of them and the manual pages."""
    call = program()
    if args.action in SHELLS:
        return write(script(args.action, call))
    from ..shell.man_pages import write_pages  # it imports argparse, which no new shell needs

    data = _folder("XDG_DATA_HOME", "~/.local/share")
    zsh_folder = os.path.join(data, "zsh", "site-functions")
    fish_folder = os.path.join(_folder("XDG_CONFIG_HOME", "~/.config"), "fish", "completions")
    paths = {
        os.path.join(data, "bash-completion", "completions", "queuectl"): script("bash", call),
        os.path.join(zsh_folder, "_queuectl"): script("zsh", call),
        os.path.join(fish_folder, "queuectl.fish"): script("fish", call),
    }
    for path, text in paths.items():
        _replace(path, text)
    manual = os.path.join(data, "man", "man1")
    pages = write_pages(manual)
    done = [*(f"wrote {path}" for path in paths), f"wrote {len(pages)} manual pages to {manual}"]
    screen.done({"files": [*paths, *pages]}, "\n".join(done))
    if not screen.quiet:
        screen.note("start a new shell to use it; bash needs the package bash-completion")
        screen.note(f"zsh needs this line in ~/.zshrc, before compinit: fpath=({zsh_folder} $fpath)")


def _folder(variable: str, otherwise: str) -> str:
    """Return the folder that a variable names, if it is absolute, or the usual one.

    Raises: BadHome.
    """
    named = os.environ.get(variable, "")
    return named if os.path.isabs(named) else expanded(otherwise)


def _replace(path: str, text: str) -> None:
    """Write a file that others may read, whole or not at all.

    Raises: OSError.
    """
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    half = f"{path}.{os.getpid()}"
    with open(half, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(half, 0o644)
    os.replace(half, path)
