"""Service manager: the process that keeps this one running as a service, and what it hears from it.

systemd hears messages on a datagram socket (sd_notify), whose address stands in NOTIFY_SOCKET. launchd and a container
hear nothing, but also watch this process alone. It does not know what the service does.

Invariant: no child inherits NOTIFY_SOCKET. Otherwise, a job could speak for the service.
"""

from __future__ import annotations

import _socket
import os
from collections.abc import Mapping, MutableMapping

from ..escapes import visible

VARIABLE = "NOTIFY_SOCKET"

LAUNCHD_VARIABLE, LAUNCHD_PREFIX = "XPC_SERVICE_NAME", "queuectl"
"""The variable in which launchd names the service of a process, and how the names of our services begin."""

_WITHIN_S = 5.0
"""How many seconds a full socket may delay a fact. A status is dropped at once."""


class ServiceManager:
    """The service manager of this process, if it has one."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        """Take the address of the manager out of the environment."""
        self._address = environ.pop(VARIABLE, "")
        self.is_there = is_service(environ, os.getpid()) or self._address[:1] in ("/", "@")
        """Whether something watches this process, and counts the service as ended when it ends."""

    def tell(self, status: str, *facts: str) -> None:
        """Send a status for people, and facts like `READY=1`. A manager that does not listen changes nothing."""
        if self._address[:1] not in ("/", "@"):
            return
        address = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        message = "\n".join([*facts, f"STATUS={visible(status)}"])
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        try:
            sock.settimeout(_WITHIN_S if facts else 0)
            sock.sendto(message.encode("utf-8", "backslashreplace"), os.fsencode(address))
        except OSError:
            pass
        finally:
            sock.close()

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment with which this process can start itself again."""
        return {**environ, VARIABLE: self._address} if self._address else dict(environ)


def is_service(environ: Mapping[str, str], pid: int) -> bool:
    """Return whether a process is a service of launchd, or the first process of a container."""
    return pid == 1 or environ.get(LAUNCHD_VARIABLE, "").startswith(LAUNCHD_PREFIX)
