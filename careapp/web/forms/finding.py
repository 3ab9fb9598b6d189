"""Finding a patient with one field: a name, a birth date, a patient or phone number, or a name with a birth date."""

import re
from datetime import date, datetime
from typing import Any

from flask_babel import lazy_gettext as _l

from careapp.patients.contacts import latin_digits
from careapp.patients.queries import NUMBER, as_number
from careapp.web.forms.fields import DAY_FORMATS, CareForm
from careapp.web.forms.typed import LineField
from careapp.web.times import DAY_YEARS

# Enough digits for no patient number, or such as no number begins with; signs between as people write them.
PHONE = re.compile(r"(?:\+[0-9]|0[1-9])[0-9 ()./-]{5,}|[0-9](?: ?[0-9]){7,}")
SHORTEST = 2  # letters of a name; fewer mean everybody
DAY = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{1,2} [A-Za-z]{3,9} [0-9]{4}"
    r"|(?<![0-9./-])[0-9]{1,2}([./-])[0-9]{1,2}\1[0-9]{4}(?![./-]?[0-9])"
)
# How a day is written in a search as well, the day first. No record's day is read so, since 3/2 reads two ways.
SPOKEN_FORMATS = ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y")


class QuickFindForm(CareForm):
    """One field to find a patient with, sent by POST, so that no name stands in an address."""

    q = LineField(_l("Name, birth date or patient number"), render_kw={"autocomplete": "off"})


def meant(text: str | None) -> dict[str, Any]:
    """What somebody who types this searches for, as search_patients() takes it; empty for no text.

    `1980-02-03`, `3 Feb 1980` and `3/2/1980` (day first) are birth dates, `42` and `PTY-2026-000042`
    patient numbers, `09 555 0101` a phone number, all else is a name. Digits may be of any script.
    """
    rest = " ".join(latin_digits(text or "").split())
    found: dict[str, Any] = {}
    if (day := DAY.search(rest)) and (born := _day(day[0])):
        found["birth_date"] = born
        rest = (rest[: day.start()] + rest[day.end() :]).strip()
    if PHONE.fullmatch(rest):
        found["phone"] = rest
    elif NUMBER.fullmatch(number := as_number(rest)):
        found["locator"] = number
    elif rest:
        found["name"] = rest
    return found


def meant_by_now(text: str | None) -> dict[str, Any]:
    """The same while somebody still types: empty as well for fewer than SHORTEST letters that are no number."""
    searched = meant(text)
    return searched if len((text or "").strip()) >= SHORTEST or "locator" in searched else {}


def known_of(searched: dict[str, Any]) -> dict[str, Any]:
    """What is known of somebody who was searched for and not found, as fields of the form that registers him."""
    return {"given": searched.get("name"), "birth_date": searched.get("birth_date"), "phone": searched.get("phone")}


def _day(text: str) -> date | None:
    """The day a text means, if there is such a day."""
    for form in (*DAY_FORMATS, *SPOKEN_FORMATS):
        try:
            on = datetime.strptime(text, form).date()
        except ValueError:
            continue  # not in this form; perhaps in the next
        return on if on.year in DAY_YEARS else None
    return None
