"""Times as people of a clinic read and type them: on the clinic's clock, with the zone named."""

import re
from datetime import UTC, date, datetime, time, timedelta

from babel.dates import format_date

from careapp import clock
from careapp.errors import Invalid
from careapp.web.language import SOURCE, current_language, current_locale, gettext, ngettext, once_a_language

ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
ISO_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})")
YEARS = range(1900, 2201)  # in which times may lie; the JSON API takes the same
DAY_YEARS = range(1800, 2201)  # in which days such as birth dates may lie; likewise
CHILD = 2  # years; younger children's age is told in months, as doses depend on it


def local_time(moment: datetime, zone: str) -> str:
    """`14:30` on the clock of `zone`."""
    shown = clock.local(moment, zone)
    return f"{shown.hour:02d}:{shown.minute:02d}"  # a third of what a pattern takes; a page says some hundred times


def local_date(moment: datetime, zone: str) -> str:
    """`Fri 20 Nov 2026` in `zone`."""
    return day(clock.local(moment, zone).date())


def local_datetime(moment: datetime, zone: str) -> str:
    """`Fri 20 Nov 2026, 14:30` on the clock of `zone`."""
    return f"{local_date(moment, zone)}, {local_time(moment, zone)}"


def near_date(moment: datetime, zone: str) -> str:
    """`Fri 20 Nov` in `zone`; with its year where that is not the present one. For lists of what is going on now."""
    on = clock.local(moment, zone).date()
    return _written(on, "EEE d MMM") if on.year == clock.local(clock.now(), zone).year else day(on)


def near_day(on: date) -> str:
    """`Fri 20 Nov`, for a day beside others of a list that says its year."""
    return _written(on, "EEE d MMM")


def near_datetime(moment: datetime, zone: str) -> str:
    """`Fri 20 Nov, 14:30` on the clock of `zone`."""
    return f"{near_date(moment, zone)}, {local_time(moment, zone)}"


def day(value: date) -> str:
    """`Fri 20 Nov 2026`."""
    return _written(value, "EEE d MMM y")


def short_day(value: date) -> str:
    """`20 Nov 2026`; a birth date needs no weekday."""
    return _written(value, "d MMM y")


@once_a_language
def _written(on: date, pattern: str) -> str:
    """A day by a pattern of Unicode's (CLDR), with the names the reader's language has for months and weekdays.

    English, which most lists are printed in, is written without a catalogue.
    """
    if current_language() != SOURCE:
        return format_date(on, pattern, locale=current_locale())
    parts = {"EEE": f"{on:%a}", "d": str(on.day), "MMM": f"{on:%b}", "y": str(on.year)}
    return " ".join(parts[part] for part in pattern.split())


def zone_name(zone: str) -> str:
    """`Asia/Yangon, UTC+06:30`: the zone and what its clocks show against UTC now."""
    offset = f"{clock.local(clock.now(), zone):%z}"
    return f"{zone}, UTC{offset[:3]}:{offset[3:5]}"


def utc_minutes(zone: str) -> int:
    """How many minutes the clocks of `zone` are ahead of UTC now; the page script compares the browser's own."""
    offset = clock.local(clock.now(), zone).utcoffset() or timedelta(0)
    return int(offset.total_seconds() // 60)


def age(born: date) -> str:
    """`46 years`, or `7 months` for a small child."""
    today = clock.now().date()
    months = (today.year - born.year) * 12 + today.month - born.month - (today.day < born.day)
    if months >= CHILD * 12:
        return ngettext("%(num)s year", "%(num)s years", months // 12)
    return ngettext("%(num)s month", "%(num)s months", max(months, 0))


def parse_day(text: str | None) -> date | None:
    """A day in an address such as 2026-11-20; None for no text. Raises Invalid for anything else."""
    if not text:
        return None
    if ISO_DAY.fullmatch(text) and int(text[:4]) in YEARS:
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass  # the 31st of a month without one: the same answer as for no day at all
    raise Invalid({"day": gettext("Give a day such as 2026-11-20.")})


def parse_week(text: str | None) -> date | None:
    """The Monday of a week such as 2026-W47; None for no text. Raises Invalid for anything else."""
    if not text:
        return None
    found = ISO_WEEK.fullmatch(text)
    if found and int(found[1]) in YEARS:
        try:
            return date.fromisocalendar(int(found[1]), int(found[2]), 1)
        except ValueError:
            pass  # a week 53 in a year without one: the same answer as for no week at all
    raise Invalid({"week": gettext("Give a week such as 2026-W47.")})


def week_name(on: date) -> str:
    """`2026-W47`, the week this day lies in."""
    year, week, _ = on.isocalendar()
    return f"{year}-W{week:02d}"


def moment_at(on: date, at: time, zone: str) -> datetime:
    """The moment, in UTC, when the clocks of `zone` show this day and time."""
    return datetime.combine(on, at, clock.zone(zone)).astimezone(UTC)


def spans(on: date, first: time, last: time, minutes: int, zone: str) -> list[tuple[datetime, datetime]]:
    """The whole spans of `minutes` that fit between two times of a day, as moments in UTC.

    Measured in passing time, so a day on which the clocks change has as many as it really has room for.
    """
    begin, end = moment_at(on, first, zone), moment_at(on, last, zone)
    length = timedelta(minutes=minutes)
    count = max(0, (end - begin) // length)
    return [(begin + number * length, begin + (number + 1) * length) for number in range(count)]
