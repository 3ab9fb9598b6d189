"""Dosage: the sentence parts make, the quantity they take, how long that lasts, and FHIR's form of it."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from careapp.errors import Invalid
from careapp.prescriptions.dosage import (
    DEFAULT_SUPPLY,
    Dosage,
    amount,
    plain,
    quantity_for,
    require_whole,
    sentence,
    supply_days,
)
from careapp.prescriptions.dosage_codes import DURATION_UNITS, ROUTES, TIMINGS, UNITS
from careapp.prescriptions.dosage_fhir import from_fhir, to_fhir
from careapp.prescriptions.dosage_forms import likely


def parts(**changed: Any) -> Dosage:
    """1 tablet by mouth three times a day for a week, but for what is changed."""
    given: dict[str, Any] = {"dose": 1, "unit": "tablet", "route": "oral", "timing": "TID", "duration": 7}
    return Dosage(**given | changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "Take 1 tablet by mouth three times a day for 7 days."),
        ({"dose": 2}, "Take 2 tablets by mouth three times a day for 7 days."),
        ({"dose": Decimal("0.5"), "duration": 1}, "Take 0.5 tablet by mouth three times a day for 1 day."),
        ({"dose": 5, "unit": "mL", "timing": "Q8H"}, "Take 5 mL by mouth every 8 hours for 7 days."),
        ({"dose": Decimal("2.50"), "unit": "mL"}, "Take 2.5 mL by mouth three times a day for 7 days."),
        ({"duration": None}, "Take 1 tablet by mouth three times a day."),
        ({"duration": 2, "duration_unit": "wk"}, "Take 1 tablet by mouth three times a day for 2 weeks."),
        ({"duration": 1, "duration_unit": "mo"}, "Take 1 tablet by mouth three times a day for 1 month."),
        ({"route": None}, "Use 1 tablet three times a day for 7 days."),
        ({"dose": 2, "unit": "puff", "route": "inhaled", "timing": "BID"}, "Inhale 2 puffs twice a day for 7 days."),
        ({"unit": "drop", "route": "eye"}, "Put 1 drop in the eye three times a day for 7 days."),
        ({"unit": "application", "route": "topical"}, "Apply 1 application to the skin three times a day for 7 days."),
        ({"timing": "ONCE", "duration": None}, "Take 1 tablet by mouth once."),
        ({"timing": "BED", "duration": None}, "Take 1 tablet by mouth at bedtime."),
        ({"as_needed": True}, "Take 1 tablet by mouth three times a day when needed for 7 days."),
        (
            {"timing": "QD", "as_needed": True, "reason": "pain"},
            "Take 1 tablet by mouth once a day when needed for pain for 7 days.",
        ),
        ({"timing": None, "as_needed": True, "duration": None}, "Take 1 tablet by mouth when needed."),
        (
            {"timing": "Q6H", "as_needed": True, "most_a_day": 4, "duration": None},
            "Take 1 tablet by mouth every 6 hours when needed, at most 4 tablets in 24 hours.",
        ),
        ({"instruction": "with food"}, "Take 1 tablet by mouth three times a day for 7 days. With food."),
        ({"instruction": "Call us!"}, "Take 1 tablet by mouth three times a day for 7 days. Call us!"),
    ],
)
def test_the_sentence(changed: dict[str, Any], said: str) -> None:
    assert sentence(parts(**changed)) == said


@pytest.mark.parametrize(
    ("changed", "quantity"),
    [
        ({}, 21),
        ({"dose": Decimal("0.5")}, 11),
        ({"dose": Decimal("1.5"), "timing": "BID", "duration": 5}, 15),
        ({"timing": "Q8H"}, 21),
        ({"timing": "Q6H"}, 28),
        ({"timing": "Q12H", "duration": 10}, 20),
        ({"timing": "QOD", "duration": 7}, 4),
        ({"timing": "WK", "duration": 4, "duration_unit": "wk"}, 4),
        ({"timing": "MO", "duration": 3, "duration_unit": "mo"}, 3),
        ({"timing": "QD", "duration": 1, "duration_unit": "mo"}, 30),
        ({"dose": 5, "unit": "mL"}, 105),
        ({"timing": "ONCE", "duration": None, "dose": 2}, 2),
        ({"duration": None}, None),
        ({"unit": "drop", "route": "eye"}, None),
        ({"unit": "mg"}, None),
        ({"as_needed": True}, None),
        ({"as_needed": True, "most_a_day": 4, "duration": 5}, 20),
        ({"timing": None, "as_needed": True, "most_a_day": 4, "duration": None}, None),
        ({"dose": 10_000, "timing": "Q2H", "duration": 1000}, None),
    ],
)
def test_the_quantity_it_takes(changed: dict[str, Any], quantity: int | None) -> None:
    assert quantity_for(parts(**changed)) == quantity


@pytest.mark.parametrize(
    ("dosage", "quantity", "refills", "days"),
    [
        (None, 30, 2, DEFAULT_SUPPLY),
        (parts(), 21, None, 7),
        (parts(), 21, 2, 21),
        (parts(duration=None, timing="QD"), 30, None, 30),
        (parts(duration=None, timing="BID"), 30, 1, 30),
        (parts(duration=None, timing="QD"), None, None, DEFAULT_SUPPLY),
        (parts(duration=None, unit="drop"), 1, None, DEFAULT_SUPPLY),
        (parts(duration=None, timing=None, as_needed=True, most_a_day=4), 20, None, 5),
        (parts(duration=None, timing=None, as_needed=True), 20, None, DEFAULT_SUPPLY),
    ],
)
def test_how_long_it_lasts(dosage: Dosage | None, quantity: int | None, refills: int | None, days: int) -> None:
    assert supply_days(dosage, quantity, refills) == days


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"timing": None}, "timing"),
        ({"timing": "TIDD"}, "timing"),
        ({"unit": "bucket"}, "unit"),
        ({"route": "ear canal"}, "route"),
        ({"duration_unit": "a"}, "duration_unit"),
        ({"dose": 2, "as_needed": True, "most_a_day": 1}, "mostADay"),
    ],
)
def test_parts_that_make_no_order(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        require_whole(parts(**changed))
    assert set(refusal.value.errors) == {field}


@pytest.mark.parametrize("changed", [{"dose": 0}, {"dose": -1}, {"dose": 10_001}, {"duration": 0}, {"duration": 1001}])
def test_numbers_nobody_means(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        parts(**changed)


@pytest.mark.parametrize(("value", "said"), [("2.50", "2.5"), ("1E+2", "100"), ("0.125", "0.125"), ("10", "10")])
def test_numbers_are_written_plainly(value: str, said: str) -> None:
    assert plain(Decimal(value)) == said
    assert amount(Decimal(1), "patch") == "1 patch"


@pytest.mark.parametrize("timing", [*TIMINGS, None])
@pytest.mark.parametrize(
    "changed", [{}, {"duration": None}, {"most_a_day": 9, "reason": "pain"}, {"instruction": "With food"}]
)
def test_fhir_gives_every_timing_back(timing: str | None, changed: dict[str, Any]) -> None:
    dosage = parts(timing=timing, as_needed=timing is None or "reason" in changed, **changed)
    stored = to_fhir(dosage)
    assert from_fhir(stored) == dosage
    assert stored["text"] == sentence(dosage)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("route", [*ROUTES, None])
def test_fhir_gives_every_unit_and_route_back(unit: str, route: str | None) -> None:
    dosage = parts(unit=unit, route=route, duration_unit="wk")
    assert from_fhir(to_fhir(dosage)) == dosage


def test_what_fhir_is_told() -> None:
    stored = to_fhir(parts(dose=Decimal("0.5"), instruction="With food"))
    assert stored["doseAndRate"][0]["doseQuantity"] == {
        "value": "0.5", "unit": "tablet", "system": "http://unitsofmeasure.org", "code": "{tablet}",
    }  # fmt: skip
    assert stored["timing"]["repeat"]["frequency"] == 3
    assert stored["timing"]["code"]["coding"][0]["code"] == "TID"
    assert stored["route"]["coding"][0]["code"] == "26643006"
    assert from_fhir(None) is None


def test_codes_do_not_repeat() -> None:
    for table, name in ((UNITS, "ucum"), (ROUTES, "snomed")):
        codes = [getattr(one, name) for one in table.values()]
        assert len(codes) == len(set(codes))
    assert set(DURATION_UNITS) == {"d", "wk", "mo"}


@pytest.mark.parametrize(
    ("name", "unit", "route"),
    [
        ("amoxicillin 500 MG Oral Capsule", "capsule", "oral"),
        ("amoxicillin 50 MG/ML Oral Suspension", "mL", "oral"),
        ("nitroglycerin 0.4 MG Sublingual Tablet", "tablet", "sublingual"),
        ("200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler", "puff", "inhaled"),
        ("hydrocortisone 10 MG/ML Topical Cream", "application", "topical"),
        ("ceftriaxone 250 MG Injection", "mL", None),
        ("Something", None, None),
    ],
)
def test_what_a_form_suggests(name: str, unit: str | None, route: str | None) -> None:
    assert likely(name) == (unit, route)
    assert unit is None or unit in UNITS
    assert route is None or route in ROUTES
