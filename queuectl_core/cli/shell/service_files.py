"""Service files: the unit of systemd and the property list of launchd that run a supervisor of one home.

It reads and writes no file.
"""

from __future__ import annotations

from typing import NamedTuple

MARK = "Made by `queuectl service install` for home "
"""What a file of ours says before the path of its home."""


class Service(NamedTuple):
    """A service. `words` is its command line, `search_path` the PATH of its jobs, and `log` its log on macOS."""

    name: str
    home: str
    words: list[str]
    search_path: str
    log: str


def unit(service: Service) -> str:
    """Return the unit for the systemd of a user."""
    return f"""# {MARK}{_one_line(service.home)}
[Unit]
Description=queuectl: jobs of {_one_line(service.home).replace("%", "%%")}

[Service]
Type=notify
NotifyAccess=main
ExecStart={" ".join(_quoted(word.replace("$", "$$")) for word in service.words)}
Environment={_quoted(f"PATH={service.search_path}")}
KillMode=process
OOMPolicy=continue
TimeoutStopSec=infinity
Restart=on-failure
RestartPreventExitStatus=2

[Install]
WantedBy=default.target
"""


def property_list(service: Service) -> bytes:
    """Return the property list for the launchd of a user."""
    import plistlib

    return plistlib.dumps(
        {
            "Label": service.name,
            "ProgramArguments": service.words,
            "EnvironmentVariables": {"PATH": service.search_path},
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ExitTimeOut": 0,  # no limit: running jobs may finish
            "AbandonProcessGroup": True,  # jobs continue when the supervisor dies
            "StandardErrorPath": service.log,
            "Comment": f"{MARK}{service.home}",
        },
        sort_keys=False,
    )


def is_for(text: str, home: str) -> bool:
    """Return whether a unit or a property list is one of ours for this home."""
    from xml.sax.saxutils import escape

    lines = text.splitlines()
    return f"# {MARK}{_one_line(home)}" in lines or f"<string>{MARK}{escape(home)}</string>" in map(str.strip, lines)


def _quoted(word: str) -> str:
    """Return a word in quotes, in which systemd replaces nothing."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{_one_line(escaped)}"'


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
