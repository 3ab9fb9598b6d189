"""The times a form means: slots to be offered, and spans to be blocked, as moments. Values in, values out."""

from datetime import date, datetime, time, timedelta
from types import SimpleNamespace

from flask_babel import gettext as _

from careapp.errors import Invalid
from careapp.scheduling.spans import MOST_ADDED
from careapp.web import times

MOST_DAYS = 366  # between the first and the last day of one form

Span = tuple[datetime, datetime]


def offered(sent: SimpleNamespace, zone: str) -> list[Span]:
    """The slots an AddSlotsForm asks for: those of its day, and of each later day it is repeated on.

    Each day is measured for itself, so all begin at the time asked for, also after the clocks have changed. Without
    days of the week it is repeated once a week. Raises Invalid where none fits, or more than one form may add.
    """
    until = sent.until or sent.day
    weekdays = {int(number) for number in sent.weekdays or ()} or {sent.day.weekday()}
    days = [sent.day, *(one for one in _days(sent.day, until, "until")[1:] if one.weekday() in weekdays)]
    found = [span for one in days for span in times.spans(one, sent.first, sent.last, sent.minutes, zone)]
    if not found:
        raise Invalid({"last": _("No slot of this length fits between these times.")})
    if len(found) > MOST_ADDED:
        message = _("These would be %(count)s slots. Add at most %(most)s at once.", count=len(found), most=MOST_ADDED)
        raise Invalid({"until" if len(days) > 1 else "minutes": message})
    return found


def shut(sent: SimpleNamespace, zone: str) -> list[Span]:
    """The spans a SpanForm means: the times of each day, or, where no times are given, the days from end to end."""
    last_day = sent.last_day or sent.first_day
    days = _days(sent.first_day, last_day, "last_day")
    if sent.first is None and sent.last is None:
        return [(_begin(sent.first_day, zone), _begin(last_day + timedelta(days=1), zone))]
    first = sent.first or time()
    if sent.last is not None and sent.last <= first:
        raise Invalid({"last": _("The end must be later than the start.")})
    return [
        (
            times.moment_at(one, first, zone),
            times.moment_at(one, sent.last, zone) if sent.last else _begin(one + timedelta(days=1), zone),
        )
        for one in days
    ]


def _begin(on: date, zone: str) -> datetime:
    return times.moment_at(on, time(), zone)


def _days(first: date, last: date, field: str) -> list[date]:
    """All days from one to the other. Raises Invalid for the field of the last one."""
    count = (last - first).days + 1
    if count < 1:
        raise Invalid({field: _("The last day must not be before the first.")})
    if count > MOST_DAYS:
        raise Invalid({field: _("Take at most %(most)s days at once.", most=MOST_DAYS)})
    return [first + timedelta(days=number) for number in range(count)]
