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
    found = os.environ.get("TZ", "").lstrip(":")
    if found:
        try:
            zone_of(found)
        except InvalidInput:
            raise InvalidInput(
                what=f"TZ is {found[:40]!r}, which is not a zone name; use --tz with a name like Europe/Berlin"
            ) from None
    else:
        found = os.path.realpath("/etc/localtime").rpartition("zoneinfo/")[2]
    try:
        zone_of(found)
        return found
    except InvalidInput:
        return "UTC"
