"""Dosage → one sentence: what was coded (dose, how often, when needed, advice) in words a nurse reads."""

from typing import Any

from careapp.imports.reading import Resource, concept, first_concept, part, parts, text
from careapp.imports.report import Unusable

NOT_STATED = "not stated"
AS_NEEDED = "as needed"
LARGEST = 1e9
_UNITS = {"s": "second", "min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year"}


def in_words(request: Resource) -> str:
    """The dosage instructions of a MedicationRequest; "not stated" where there are none."""
    return "; ".join(filter(None, map(_instruction, parts(request, "dosageInstruction")))) or NOT_STATED


def _instruction(instruction: Resource) -> str:
    """One instruction: its own text, else its coded parts."""
    written = text(instruction, "text")
    if written:
        return written
    needed_for, advice = (
        concept(instruction, "asNeededCodeableConcept"),
        first_concept(instruction, "additionalInstruction"),
    )
    said = [
        _dose(instruction),
        _how_often(part(part(instruction, "timing"), "repeat")),
        AS_NEEDED if instruction.get("asNeededBoolean") is True else "",
        f"{AS_NEEDED} for {needed_for.text}" if needed_for else "",
        advice.text if advice else "",
    ]
    return ", ".join(filter(None, said))


def _dose(instruction: Resource) -> str:
    """Such as "1 tablet", or "dose 1" where the record names no unit."""
    for dose in parts(instruction, "doseAndRate"):
        quantity = part(dose, "doseQuantity")
        value, unit = _number(quantity.get("value")), text(quantity, "unit")
        if value:
            return f"{value} {unit}" if unit else f"dose {value}"
    return ""


def _how_often(repeat: Resource) -> str:
    """Such as "2 times every day" or "once every 4 hours"; FHIR's frequency is 1 where it is not given."""
    period, unit = _number(repeat.get("period")), _UNITS.get(text(repeat, "periodUnit") or "")
    if not period or not unit:
        return ""
    times = _number(repeat.get("frequency")) or "1"
    return f"{'once' if times == '1' else f'{times} times'} every {unit if period == '1' else f'{period} {unit}s'}"


def _number(value: Any) -> str:
    """A JSON number in its shortest form, nothing for what is no number. Raises Unusable for an absurdly large one."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return ""
    if not -LARGEST <= value <= LARGEST:  # false for NaN, too
        raise Unusable("FORM", value, "A number in the dosage is too large to be meant.")
    return f"{value:g}"
