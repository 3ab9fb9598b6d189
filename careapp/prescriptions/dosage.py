"""Dosage: structured parts, the sentence they make, and how much that is; pure rules.

The sentence that is stored and printed is English. The domain knows no language of a reader, so a page that speaks
another one shows the parts in its own words beside it.
"""

from collections.abc import Collection
from decimal import ROUND_CEILING, Decimal

from pydantic import Field

from careapp.errors import Invalid, Sentence
from careapp.prescriptions.dosage_codes import DAYS, DURATION_UNITS, ROUTES, TIMINGS, UNITS
from careapp.views import View

MOST = Decimal(100_000)  # of a quantity; the database's own limit is higher
CODES: dict[str, Collection[str]] = {
    "unit": UNITS, "route": ROUTES, "timing": TIMINGS, "duration_unit": DURATION_UNITS,
}  # fmt: skip
DEFAULT_SUPPLY = 90  # days a prescription is taken to last where its dosage does not tell


class Dosage(View):
    """How a medicine is taken. `unit`, `route`, `timing` and `duration_unit` are codes of dosage_codes; `dose` counts
    units, `most_a_day` too. `as_needed` may have a reason; `instruction` is what else the patient is told.
    """

    dose: Decimal = Field(gt=0, le=10_000)
    unit: str
    route: str | None = None
    timing: str | None = None
    as_needed: bool = False
    reason: str | None = None
    most_a_day: Decimal | None = Field(default=None, gt=0, le=10_000)
    duration: int | None = Field(default=None, gt=0, le=1000)
    duration_unit: str = "d"
    instruction: str | None = None

    @property
    def days(self) -> Decimal | None:
        """How many days it is taken for, a month counted as 30; None where that is left open."""
        return None if self.duration is None else self.duration * DAYS[self.duration_unit]


def require_whole(dosage: Dosage) -> Dosage:
    """The dosage itself. Raises Invalid for parts that make no order: no timing though it is not as needed, a limit
    below one dose, or a code nobody knows.
    """
    faults: dict[str, str] = {}
    if dosage.timing is None and not dosage.as_needed:
        faults["timing"] = Sentence("Say how often, or mark it as needed.")
    if dosage.most_a_day is not None and dosage.most_a_day < dosage.dose:
        faults["mostADay"] = Sentence("This is less than one dose.")
    for name, codes in CODES.items():
        code = getattr(dosage, name)
        if code is not None and code not in codes:
            faults[name] = Sentence("Choose one of the list.")
    if faults:
        raise Invalid(faults)
    return dosage


def sentence(dosage: Dosage) -> str:
    """The dosage in English: "Take 1 tablet by mouth three times a day for 7 days. With food."."""
    route = ROUTES.get(dosage.route or "")
    parts = [route.verb if route else "Use", amount(dosage.dose, dosage.unit), route.where if route else ""]
    if dosage.timing:
        parts.append(TIMINGS[dosage.timing].label)
    if dosage.as_needed:
        parts.append(f"when needed for {dosage.reason}" if dosage.reason else "when needed")
    if dosage.duration is not None:
        one, many = DURATION_UNITS[dosage.duration_unit]
        parts.append(f"for {dosage.duration} {one if dosage.duration == 1 else many}")
    said = " ".join(filter(None, parts))
    if dosage.most_a_day is not None:
        said += f", at most {amount(dosage.most_a_day, dosage.unit)} in 24 hours"
    return f"{said}. {_as_sentence(dosage.instruction)}" if dosage.instruction else f"{said}."


def amount(value: Decimal, unit: str) -> str:
    """A dose in words: "1 tablet", "2.5 mL", "half a tablet" is "0.5 tablet"."""
    named = UNITS[unit]
    return f"{plain(value)} {named.one if value <= 1 else named.many}"


def plain(value: Decimal) -> str:
    """A number without zeros at its end, never with an exponent: 2.50 is 2.5, 1E+2 is 100."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity_for(dosage: Dosage) -> int | None:
    """How much is needed for the whole duration, rounded up; None where that cannot be calculated: a duration left
    open, a unit no pharmacy counts (drops, mg), or as needed without a limit for the day.
    """
    if not UNITS[dosage.unit].countable:
        return None
    timing = TIMINGS[dosage.timing] if dosage.timing else None
    if timing and timing.frequency is None:
        needed = dosage.dose
    else:
        a_day = _units_a_day(dosage)
        if a_day is None or dosage.days is None:
            return None
        needed = a_day * dosage.days
    whole = needed.quantize(Decimal("0.000001")).to_integral_value(ROUND_CEILING)
    return int(whole) if whole <= MOST else None


def supply_days(dosage: Dosage | None, quantity: int | None, refills: int | None) -> int:
    """For how many days a prescription lasts with its repeats: its duration, else its quantity at the dose of a day,
    else DEFAULT_SUPPLY."""
    times = 1 + (refills or 0)
    a_day = _units_a_day(dosage) if dosage else None
    if dosage and dosage.days is not None:
        days = dosage.days
    elif dosage and quantity and a_day and UNITS[dosage.unit].countable:
        days = quantity / a_day
    else:
        return DEFAULT_SUPPLY
    return int((days * times).to_integral_value(ROUND_CEILING))


def _units_a_day(dosage: Dosage) -> Decimal | None:
    """How many units a day are taken, at most where it is as needed; None where nobody can tell."""
    if dosage.most_a_day is not None:
        return dosage.most_a_day
    if dosage.as_needed or dosage.timing is None:
        return None
    a_day = TIMINGS[dosage.timing].a_day
    return None if a_day is None else dosage.dose * a_day


def _as_sentence(text: str) -> str:
    text = text.strip()
    said = text[:1].upper() + text[1:]
    return said if said.endswith((".", "!", "?")) else f"{said}."
