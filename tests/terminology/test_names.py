"""Names of medicines: the words they are found by, and the ingredients they tell of."""

import pytest

from careapp.terminology.names import ingredients_in, search_words, us_words, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Amoxicillin 500 MG Oral Capsule", ["amoxicillin", "500", "mg", "oral", "capsule"]),
        ("amox500mg", ["amox", "500", "mg"]),
        ("0.4 ML / 12.5", ["0.4", "ml", "12.5"]),
        ("Prozac® café", ["prozac", "cafe"]),
        ("  ", []),
        ("\u0015-/,", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_a_medicine_is_found_by_its_international_name() -> None:
    assert "paracetamol" in search_words("acetaminophen 500 MG Oral Tablet")
    assert us_words("Paracetamol 500") == ["acetaminophen", "500"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("amoxicillin 500 MG Oral Capsule", ["amoxicillin"]),
        ("amoxicillin 500 MG / clavulanate 125 MG Oral Tablet [Augmentin]", ["amoxicillin", "clavulanate"]),
        ("24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet", ["metformin hydrochloride"]),
        ("0.4 ML enoxaparin sodium 100 MG/ML Prefilled Syringe", ["enoxaparin sodium"]),
        ("vitamin B12 5 MG/ML Injectable Solution", ["vitamin b12"]),
        ("{6 (azithromycin 250 MG Oral Tablet) } Pack", []),
    ],
)
def test_what_a_name_tells(name: str, expected: list[str]) -> None:
    assert ingredients_in(name) == expected
