"""Reading FHIR JSON: the parts of a resource, each checked for its form, with a clear word on what does not fit."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from careapp import clock
from careapp.imports.report import Note, Unusable, shown

Resource = dict[str, Any]

LONGEST_TEXT = 2000  # characters
LONGEST_NAME = 200
EARLIEST_YEAR = 1800

# FHIR R4 date and dateTime: year, year-month, full date, or date with time and offset (Z or ±hh:mm).
_FHIR_DATE = re.compile(
    r"\d{4}(-\d\d(?P<day>-\d\d(?P<time>T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?)?)?", re.ASCII
)  # fmt: skip


@dataclass(frozen=True)
class Concept:
    """A CodeableConcept: its text, or its first coding's; code and system of that coding."""

    text: str
    code: str | None
    system: str | None


def text(resource: Resource, field: str, *, longest: int = LONGEST_TEXT) -> str | None:
    """A string without blanks around it, or None. Raises Unusable for what cannot be stored as text."""
    value = resource.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Unusable("FORM", value, f"{field} should be text.")
    if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise Unusable("CHARACTERS", value, f"{field} has characters that are no text (NUL or half a surrogate pair).")
    if len(value) > longest:
        raise Unusable("TOO_LONG", value, f"{field} is longer than {longest} characters.")
    return value.strip() or None


def texts(resource: Resource, field: str, *, longest: int = LONGEST_NAME) -> list[str]:
    """A list of strings, each as text() gives it, empty ones left out."""
    values = resource.get(field) or []
    if not isinstance(values, list):
        raise Unusable("FORM", values, f"{field} should be a list.")
    return [found for value in values if (found := text({field: value}, field, longest=longest))]


def part(resource: Resource, field: str) -> Resource:
    """An object within a resource, empty where there is none."""
    value = resource.get(field)
    if value is not None and not isinstance(value, dict):
        raise Unusable("FORM", value, f"{field} should be an object.")
    return value or {}


def parts(resource: Resource, field: str) -> list[Resource]:
    """A list of objects within a resource, empty where there is none."""
    value = resource.get(field)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Unusable("FORM", value, f"{field} should be a list of objects.")
    return value


def concept(holder: Resource, field: str, *, system: str | None = None) -> Concept | None:
    """The CodeableConcept in a field, None where it says nothing; of several codings that of `system`, or the first."""
    return _concept(part(holder, field), system)


def first_concept(holder: Resource, field: str) -> Concept | None:
    """The first of a list of CodeableConcepts that says something."""
    return next(iter(concepts(holder, field)), None)


def concepts(holder: Resource, field: str) -> list[Concept]:
    """Those of a list of CodeableConcepts that say something."""
    return list(filter(None, map(_concept, parts(holder, field))))


def _concept(value: Resource, system: str | None = None) -> Concept | None:
    codings = parts(value, "coding")
    coding = next((one for one in codings if system and one.get("system") == system), codings[0] if codings else {})
    code = text(coding, "code", longest=LONGEST_NAME)
    displays = (text(one, "display") for one in (coding, *codings))
    words = text(value, "text") or next(filter(None, displays), None) or code
    return Concept(words, code, text(coding, "system", longest=LONGEST_NAME)) if words else None


def reference(holder: Resource, field: str) -> str | None:
    """The literal reference in a field, as it is written."""
    return text(part(holder, field), "reference", longest=LONGEST_NAME)


def refuse_modified(resource: Resource) -> None:
    """Raise Unusable where an extension alters the meaning of a resource or of a part of it (a modifierExtension).

    Whoever does not know it must not use what it stands in: it may say "not", or "of the patient's mother".
    """
    rest: list[Any] = [resource]
    while rest:
        found = rest.pop()
        if isinstance(found, dict):
            if found.get("modifierExtension"):
                raise Unusable(
                    "MODIFIER", found["modifierExtension"], "An extension not known here alters its meaning."
                )
            found = list(found.values())
        if isinstance(found, list):
            rest += found


def moment(resource: Resource, field: str, zone: ZoneInfo) -> datetime | None:
    """The instant in a dateTime; a date without a time is its midnight in `zone`. None where the field is absent.

    Raises Unusable: DATE for no date, DATE_PARTIAL for a mere year or month, DATE_RANGE for one that is no history.
    """
    value, match = _date(resource, field)
    if value is None or match is None:
        return None
    found = _parsed(value, field)
    if not match["time"]:
        found = datetime.combine(found.date(), time(), zone)
    if found > clock.now() + timedelta(days=1):  # a day, for clocks and zones that differ
        raise Unusable("DATE_RANGE", value, f"{field} lies in the future.")
    return found


def day(resource: Resource, field: str) -> date | None:
    """The day in a FHIR date; raises as moment() does."""
    value, match = _date(resource, field)
    if value is None or match is None:
        return None
    found = _parsed(value, field).date()
    if found > clock.now().date() + timedelta(days=1):
        raise Unusable("DATE_RANGE", value, f"{field} lies in the future.")
    return found


def moment_or_remark(resource: Resource, field: str, zone: ZoneInfo, remarks: list[Note]) -> datetime | None:
    """The instant in a dateTime that may be a mere year or month: then None, with a remark."""
    try:
        return moment(resource, field, zone)
    except Unusable as unusable:
        keep_partial(unusable, remarks)
        return None


def keep_partial(unusable: Unusable, remarks: list[Note]) -> None:
    """Turn a date that is merely partial into a remark; raise every other problem again."""
    if unusable.note.code != "DATE_PARTIAL":
        raise unusable
    remarks.append(remark("DATE_PARTIAL", unusable.note.value, f"{unusable.note.why} Kept without it."))


def remark(code: str, value: object, why: str) -> Note:
    """A remark on a record that is taken in all the same."""
    return Note(code, shown(value), why)


def _date(resource: Resource, field: str) -> tuple[str | None, re.Match[str] | None]:
    value = text(resource, field)
    if value is None:
        return None, None
    match = _FHIR_DATE.fullmatch(value)
    if match is None:
        raise Unusable("DATE", value, f"{field} is no date.")
    if not match["day"]:
        raise Unusable("DATE_PARTIAL", value, f"{field} is not a full date.")
    return value, match


def _parsed(value: str, field: str) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise Unusable("DATE", value, f"{field} is no date.") from None
    if found.year < EARLIEST_YEAR:
        raise Unusable("DATE_RANGE", value, f"{field} lies before {EARLIEST_YEAR}.")
    return found
