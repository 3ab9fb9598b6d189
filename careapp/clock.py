"""The clock: the one place that asks what time it is, and the zones times are shown in."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def now() -> datetime:
    """The present moment, aware, in UTC. Tests replace this function to move time."""
    return datetime.now(UTC)


def zone(name: str) -> ZoneInfo:
    """The IANA zone `name`; raises ZoneInfoNotFoundError for a name the time zone database does not hold."""
    return ZoneInfo(name)


def local(moment: datetime, zone_name: str) -> datetime:
    """The same moment on the wall clock of `zone_name`."""
    return moment.astimezone(zone(zone_name))
