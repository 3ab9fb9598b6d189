"""Dosage → one sentence: what was coded (dose, how often, when needed, advice) in words a nurse reads."""

from collections.abc import Iterator
from typing import Any

from careapp.imports.reading import Resource, concept, concepts, part, parts, remark, text
from careapp.imports.report import Note, Unusable

NOT_STATED = "not stated"
AS_NEEDED = "as needed"
MORE = "more is coded in the record this was imported from"
LARGEST = 1e9
_ABOUT = ("id", "extension")
_TOLD = (
    "timing", "asNeededBoolean", "asNeededCodeableConcept", "additionalInstruction", "doseAndRate", "route", "sequence",
    *_ABOUT,
)  # fmt: skip
_REPEAT = ("frequency", "period", "periodUnit", *_ABOUT)
_UNITS = {"s": "second", "min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year"}


def in_words(request: Resource, remarks: list[Note]) -> str:
    """The dosage instructions of a MedicationRequest; "not stated" where there are none.

    Where something in them has no words here, they say that there is more, and a remark names it.
    """
    instructions = parts(request, "dosageInstruction")
    left_out = sorted({name for instruction in instructions for name in _left_out(instruction)})
    if left_out:
        remarks.append(remark("DOSAGE", ", ".join(left_out), "Parts of the dosage that are not put in words here."))
    return "; ".join(filter(None, map(_instruction, instructions))) or NOT_STATED


def _instruction(instruction: Resource) -> str:
    """One instruction: its own text, else its coded parts."""
    written = text(instruction, "text")
    if written:
        return written
    needed_for, route = concept(instruction, "asNeededCodeableConcept"), concept(instruction, "route")
    said = [
        _dose(instruction),
        route.text if route else "",
        _when(part(instruction, "timing")),
        AS_NEEDED if instruction.get("asNeededBoolean") is True else "",
        f"{AS_NEEDED} for {needed_for.text}" if needed_for else "",
        *(advice.text for advice in concepts(instruction, "additionalInstruction")),
        MORE if any(_left_out(instruction)) else "",
    ]
    return ", ".join(filter(None, said))


def _left_out(instruction: Resource) -> Iterator[str]:
    """What an instruction without a text of its own says besides what is put in words."""
    if text(instruction, "text"):
        return
    timing = part(instruction, "timing")
    doses = parts(instruction, "doseAndRate")
    yield from (name for name in instruction if name not in _TOLD)
    yield from (f"timing.{name}" for name in timing if name not in ("repeat", "code", *_ABOUT))
    yield from (f"repeat.{name}" for name in part(timing, "repeat") if name not in _REPEAT)
    yield from (
        f"doseAndRate.{name}" for dose in doses for name in dose if name not in ("doseQuantity", "type", *_ABOUT)
    )
    if len(doses) > 1:
        yield "a second dose"


def _dose(instruction: Resource) -> str:
    """Such as "1 tablet", or "dose 1" where the record names no unit."""
    for dose in parts(instruction, "doseAndRate"):
        quantity = part(dose, "doseQuantity")
        value, unit = _number(quantity.get("value")), text(quantity, "unit")
        if value:
            return f"{value} {unit}" if unit else f"dose {value}"
    return ""


def _when(timing: Resource) -> str:
    """How often; where only a code says it, such as BID, that."""
    code = concept(timing, "code")
    return _how_often(part(timing, "repeat")) or (code.text if code else "")


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
