"""The parts of a dosage as FHIR R4's Dosage, the form they are stored in, and back; pure rules."""

from decimal import Decimal
from typing import Any

from careapp.prescriptions.dosage import Dosage, plain, sentence
from careapp.prescriptions.dosage_codes import ABBREVIATION, ROUTES, SNOMED, TIMINGS, UCUM, UNITS

Part = dict[str, Any]


def to_fhir(dosage: Dosage) -> Part:
    """The dosage as a FHIR R4 Dosage. A timing for which HL7 has no abbreviation is told by Timing.repeat alone."""
    whole: Part = {"text": sentence(dosage), "doseAndRate": [{"doseQuantity": _quantity(dosage.dose, dosage.unit)}]}
    if dosage.route:
        route = ROUTES[dosage.route]
        whole["route"] = {"coding": [{"system": SNOMED, "code": route.snomed}], "text": route.label}
    timing = _timing(dosage)
    if timing:
        whole["timing"] = timing
    if dosage.reason:
        whole["asNeededCodeableConcept"] = {"text": dosage.reason}
    elif dosage.as_needed:
        whole["asNeededBoolean"] = True
    if dosage.most_a_day is not None:
        day = {"value": 24, "unit": "h", "system": UCUM, "code": "h"}
        whole["maxDosePerPeriod"] = {"numerator": _quantity(dosage.most_a_day, dosage.unit), "denominator": day}
    if dosage.instruction:
        whole["additionalInstruction"] = [{"text": dosage.instruction}]
    return whole


def from_fhir(stored: Part | None) -> Dosage | None:
    """The parts of a stored FHIR Dosage that to_fhir has made; None for None."""
    if stored is None:
        return None
    dose = stored["doseAndRate"][0]["doseQuantity"]
    repeat = stored.get("timing", {}).get("repeat", {})
    bounds = repeat.get("boundsDuration")
    most = stored.get("maxDosePerPeriod", {}).get("numerator")
    needed = stored.get("asNeededCodeableConcept")
    route = stored.get("route", {}).get("coding", [{}])[0].get("code")
    return Dosage(
        dose=_number(dose), unit=_key(UNITS, "ucum", dose["code"]) or "", route=_key(ROUTES, "snomed", route),
        timing=_timing_of(stored.get("timing")), as_needed=bool(needed) or stored.get("asNeededBoolean", False),
        reason=needed and needed["text"], most_a_day=_number(most) if most else None,
        duration=bounds and int(bounds["value"]), duration_unit=bounds["code"] if bounds else "d",
        instruction=stored.get("additionalInstruction", [{}])[0].get("text"),
    )  # fmt: skip


def _timing(dosage: Dosage) -> Part | None:
    """FHIR's Timing, or None where neither how often nor how long is said."""
    repeat: Part = {}
    if dosage.duration is not None:
        unit = dosage.duration_unit
        repeat["boundsDuration"] = {"value": dosage.duration, "unit": unit, "system": UCUM, "code": unit}
    if dosage.timing is None:
        return {"repeat": repeat} if repeat else None
    timing = TIMINGS[dosage.timing]
    if timing.frequency is None:
        repeat["count"] = 1
    else:
        repeat |= {"frequency": timing.frequency, "period": float(timing.period), "periodUnit": timing.unit}
    if timing.when:
        repeat["when"] = [timing.when]
    whole: Part = {"repeat": repeat}
    if timing.code:
        whole["code"] = {"coding": [{"system": ABBREVIATION, "code": timing.code}], "text": timing.label}
    return whole


def _timing_of(stored: Part | None) -> str | None:
    """The timing whose repeat the stored one has."""
    repeat = (stored or {}).get("repeat", {})
    for key, timing in TIMINGS.items():
        if timing.frequency is None:
            if repeat.get("count") == 1:
                return key
            continue
        same = (timing.frequency, float(timing.period), timing.unit, [timing.when] if timing.when else None)
        if same == (repeat.get("frequency"), repeat.get("period"), repeat.get("periodUnit"), repeat.get("when")):
            return key
    return None


def _quantity(value: Decimal, unit: str) -> Part:
    named = UNITS[unit]
    return {"value": plain(value), "unit": named.one if value <= 1 else named.many, "system": UCUM, "code": named.ucum}


def _number(quantity: Part) -> Decimal:
    return Decimal(str(quantity["value"]))


def _key(table: Part, attribute: str, value: str | None) -> str | None:
    return next((key for key, one in table.items() if getattr(one, attribute) == value), None) if value else None
