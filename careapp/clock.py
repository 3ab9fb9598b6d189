"""The clock: the one place that asks what time it is, and the zones times are shown in."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_stopped_at: ContextVar[datetime | None] = ContextVar("careapp_clock", default=None)


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return _stopped_at.get() or datetime.now(UTC)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Stop the clock at a moment for the code inside: for demo data, which needs a past, and for tests."""
    token = _stopped_at.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _stopped_at.reset(token)


def zone(name: str) -> ZoneInfo:
    """The IANA zone `name`; raises ZoneInfoNotFoundError for a name the time zone database does not hold."""
    return ZoneInfo(name)


def local(moment: datetime, zone_name: str) -> datetime:
    """The same moment on the wall clock of `zone_name`."""
    return moment.astimezone(zone(zone_name))


def span_of(first: date, zone_name: str, *, days: int = 1) -> tuple[datetime, datetime]:
    """From the first moment of a day to the last of so many `days` on the clocks of `zone_name`, each of 23, 24 or 25
    hours. In UTC, so that what lies between is time that passes.
    """
    here = zone(zone_name)
    begin, end = (datetime.combine(one, time(), here) for one in (first, first + timedelta(days=days)))
    return begin.astimezone(UTC), end.astimezone(UTC)
