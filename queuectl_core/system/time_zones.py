"""Time zones: time zones by name, from the system's database, and the name of the local one.

It does not know about schedules.

Warning: a zone that exists today can be missing in another container.
"""

from __future__ import annotations

import os

from ..errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import tzinfo


def zone_of(name: str) -> tzinfo | None:
    """Return the time zone of this name; None for UTC.

    Raises: InvalidInput.
    """
    if name == "UTC":
        return None
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(what=f"unknown time zone {name[:60]!r}; use a name like Europe/Berlin") from None


def local_name() -> str:
    """Return the name of the local time zone, or UTC if none can be found.

    The error means that TZ is set to a value that is not a zone name.

    Raises: InvalidInput.
    """
    in_environ = os.environ.get("TZ", "").lstrip(":")
    name = in_environ or os.path.realpath("/etc/localtime").rpartition("zoneinfo/")[2]
    try:
        zone_of(name)
        return name
    except InvalidInput:
        if in_environ:
            why = f"TZ is {name[:40]!r}, which is not a zone name; use --tz with a name like Europe/Berlin"
            raise InvalidInput(what=why) from None
        return "UTC"
