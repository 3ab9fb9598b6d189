"""Safety checks: what they find by code, by name and by group, what they leave alone, and what they cannot look at."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from careapp.prescriptions.checks import Allergy, Checks, Earlier, Ordered, check, named_in
from careapp.prescriptions.dosage import Dosage
from careapp.prescriptions.groups import GROUPS, groups_of
from careapp.terminology.views import RXNORM, Substance

SNOMED = "http://snomed.info/sct"
AMOXICILLIN, CLAVULANATE = Substance(code="723", name="amoxicillin"), Substance(code="48203", name="clavulanate")
CEPHALEXIN, IBUPROFEN = Substance(code="2231", name="cephalexin"), Substance(code="5640", name="ibuprofen")
NAPROXEN, ACETAMINOPHEN = Substance(code="7258", name="naproxen"), Substance(code="161", name="acetaminophen")
METFORMIN, CODEINE = Substance(code="6809", name="metformin"), Substance(code="2670", name="codeine")
KNOWN = [AMOXICILLIN, CLAVULANATE, CEPHALEXIN, IBUPROFEN, NAPROXEN, ACETAMINOPHEN, METFORMIN, CODEINE]


def coded(*contents: Substance, code: str = "1", text: str = "A medicine") -> Ordered:
    """A medicine of the list."""
    return Ordered(text=text, code=code, system=RXNORM, ingredients=contents)


def running(medicine: Ordered) -> Earlier:
    """Something the patient has already."""
    return Earlier(locator="RXP-2026-000007", medicine=medicine, issued_at=datetime(2026, 1, 1, tzinfo=UTC))


def found(said: Checks) -> list[tuple[str, str, str | None]]:
    """Kind, how and group of all findings."""
    return [(one.kind, one.how, one.group) for one in said.findings]


@pytest.mark.parametrize(
    ("medicine", "allergy", "expected"),
    [
        # by code
        (coded(AMOXICILLIN), Allergy(text="x", code="723", system=RXNORM, ingredients=[AMOXICILLIN]),
         ("SAME_INGREDIENT", None)),
        (coded(AMOXICILLIN, CLAVULANATE), Allergy(text="x", code="48203", system=RXNORM, ingredients=[CLAVULANATE]),
         ("SAME_INGREDIENT", None)),
        # by words, when there is no code or no code of the list
        (coded(IBUPROFEN), Allergy(text="Ibuprofen: rash"), ("SAME_INGREDIENT", None)),
        (coded(IBUPROFEN), Allergy(text="Allergy to ibuprofen", code="293619005", system=SNOMED),
         ("SAME_INGREDIENT", None)),
        (coded(ACETAMINOPHEN), Allergy(text="Paracetamol"), ("SAME_INGREDIENT", None)),
        # by group: word of the group, SNOMED code of the group, an ingredient of the group
        (coded(AMOXICILLIN), Allergy(text="Allergy to penicillin", code="91936005", system=SNOMED),
         ("SAME_GROUP", "PENICILLINS")),
        (coded(AMOXICILLIN), Allergy(text="Penicillin"), ("SAME_GROUP", "PENICILLINS")),
        (coded(AMOXICILLIN), Allergy(text="?", code="91936005", system=SNOMED), ("SAME_GROUP", "PENICILLINS")),
        (coded(IBUPROFEN), Allergy(text="NSAIDs"), ("SAME_GROUP", "NSAIDS")),
        (coded(NAPROXEN), Allergy(text="ibuprofen"), ("SAME_GROUP", "NSAIDS")),
        (coded(Substance(name="naproxen sodium")), Allergy(text="naproxen"), ("SAME_INGREDIENT", None)),
        (coded(Substance(name="sulfamethoxazole")), Allergy(text="Sulfa drugs"), ("SAME_GROUP", "SULFONAMIDES")),
        # groups that may cross-react
        (coded(CEPHALEXIN), Allergy(text="penicillin"), ("RELATED_GROUP", "CEPHALOSPORINS")),
        (coded(AMOXICILLIN), Allergy(text="cephalexin"), ("RELATED_GROUP", "PENICILLINS")),
        # what the list has only in the medicine itself, or not at all
        (coded(Substance(name="nystatin")), Allergy(text="Nystatin"), ("SAME_INGREDIENT", None)),
        (coded(Substance(name="nitrofurantoin, macrocrystals")), Allergy(text="macrocrystals, nitrofurantoin"),
         ("SAME_INGREDIENT", None)),
        (coded(AMOXICILLIN, text="amoxicillin 500 MG Oral Tablet [Amoxil]"), Allergy(text="Amoxil, rash"),
         ("SAME_INGREDIENT", None)),
        (Ordered(text="Amoxil 500"), Allergy(text="amoxil"), ("SAME_INGREDIENT", None)),
        # by the stem of a name, whether or not the list has it
        (coded(Substance(name="cloxacillin sodium")), Allergy(text="penicillin"), ("SAME_GROUP", "PENICILLINS")),
        (coded(Substance(name="cefoperazone")), Allergy(text="penicillin"), ("RELATED_GROUP", "CEPHALOSPORINS")),
        (coded(AMOXICILLIN), Allergy(text="Cloxacillin"), ("SAME_GROUP", "PENICILLINS")),
        (Ordered(text="Cloxacillin 500 mg"), Allergy(text="penicillin"), ("SAME_GROUP", "PENICILLINS")),
        # free text is compared by its words
        (Ordered(text="Amoxicillin 500 mg capsule"), Allergy(text="penicillin"), ("SAME_GROUP", "PENICILLINS")),
    ],
)  # fmt: skip
def test_an_allergy_is_found(medicine: Ordered, allergy: Allergy, expected: tuple[str, str | None]) -> None:
    said = check(medicine, [allergy], [], KNOWN)
    assert found(said) == [("ALLERGY", *expected)]
    assert said.state == "WARNED"
    assert said.findings[0].against == allergy.text


@pytest.mark.parametrize(
    ("medicine", "allergy"),
    [
        (coded(METFORMIN), Allergy(text="Allergy to penicillin", code="91936005", system=SNOMED)),
        (coded(METFORMIN), Allergy(text="ibuprofen")),
        (coded(AMOXICILLIN), Allergy(text="Allergy to peanut", code="91935009", system=SNOMED)),
        (coded(AMOXICILLIN), Allergy(text="Latex")),
        (coded(AMOXICILLIN), Allergy(text="House dust mite")),
        (coded(METFORMIN), Allergy(text="Penicillin: severe rash as a child, 10 years ago")),
        (coded(METFORMIN), Allergy(text="Penicillin, so he says", code="91936005", system=SNOMED)),
    ],
)
def test_an_allergy_to_something_else_is_clear(medicine: Ordered, allergy: Allergy) -> None:
    said = check(medicine, [allergy], [], KNOWN)
    assert (said.state, said.findings, said.gaps, said.key) == ("CLEAR", (), (), "")


@pytest.mark.parametrize(
    "text",
    [
        "Reaction to the blue pills", "Unknown antibiotic", "Contrast agent", "ပင်နီစီလင်",
        # one word that is known does not place the others
        "Ibuprofen and Augmentin", "Eggs, Augmentin", "NSAIDs, Augmentin",
    ],
)  # fmt: skip
def test_an_allergy_nobody_can_place_is_said(text: str) -> None:
    said = check(coded(AMOXICILLIN), [Allergy(text=text)], [], KNOWN)
    assert said.state == "NOT_CHECKED"
    assert [(gap.why, gap.about) for gap in said.gaps] == [("UNCLEAR_ALLERGY", text)]


@pytest.mark.parametrize(
    ("medicine", "earlier", "expected"),
    [
        (coded(AMOXICILLIN), coded(AMOXICILLIN, CLAVULANATE, code="2"), ("SAME_INGREDIENT", None)),
        (coded(AMOXICILLIN), Ordered(text="Amoxicillin 500 mg capsule"), ("SAME_INGREDIENT", None)),
        (Ordered(text="Paracetamol 500 mg"), coded(ACETAMINOPHEN), ("SAME_INGREDIENT", None)),
        (coded(code="99"), coded(code="99"), ("SAME_INGREDIENT", None)),
        (Ordered(text="Thing 5 mg"), Ordered(text="thing 5 MG"), ("SAME_INGREDIENT", None)),
        (coded(IBUPROFEN), coded(NAPROXEN, code="2"), ("SAME_GROUP", "NSAIDS")),
        (coded(CODEINE), coded(Substance(name="tramadol"), code="2"), ("SAME_GROUP", "OPIOIDS")),
    ],
)
def test_the_same_therapy_twice_is_found(medicine: Ordered, earlier: Ordered, expected: tuple[str, str | None]) -> None:
    said = check(medicine, [], [running(earlier)], KNOWN)
    assert found(said) == [("DUPLICATE", *expected)]
    assert (said.findings[0].locator, said.findings[0].against) == ("RXP-2026-000007", earlier.text)


@pytest.mark.parametrize(
    ("medicine", "earlier"),
    [
        (coded(AMOXICILLIN), coded(METFORMIN, code="2")),
        (coded(AMOXICILLIN), coded(CEPHALEXIN, code="2")),  # one group for allergies, but no therapy twice
        (coded(AMOXICILLIN, code="5"), coded(IBUPROFEN, code="50")),
    ],
)
def test_another_therapy_is_clear(medicine: Ordered, earlier: Ordered) -> None:
    assert check(medicine, [], [running(earlier)], KNOWN).state == "CLEAR"


@pytest.mark.parametrize(
    ("medicine", "loaded", "why"),
    [
        (Ordered(text="Herbal tea"), True, "NOT_CODED"),
        (Ordered(text="X", code="999999999", system=RXNORM), True, "UNKNOWN_CODE"),
        (Ordered(text="X", code="A01", system="urn:other"), True, "UNKNOWN_CODE"),
        (coded(), True, "NO_INGREDIENTS"),
        (Ordered(text="X", code="308191", system=RXNORM), False, "NO_LIST"),
        (Ordered(text="Herbal tea"), False, "NO_LIST"),
    ],
)
def test_what_cannot_be_checked_is_said(medicine: Ordered, loaded: bool, why: str) -> None:
    said = check(medicine, [], [], KNOWN, list_loaded=loaded)
    assert said.state == "NOT_CHECKED"
    assert [gap.why for gap in said.gaps] == [why]


def test_an_earlier_prescription_nobody_can_read_is_said() -> None:
    said = check(coded(AMOXICILLIN), [], [running(Ordered(text="His usual"))], KNOWN)
    assert [(gap.why, gap.about, gap.locator) for gap in said.gaps] == [
        ("UNCLEAR_EARLIER", "His usual", "RXP-2026-000007")
    ]


def test_what_is_found_outranks_what_could_not_be_checked() -> None:
    said = check(Ordered(text="Ibuprofen 400"), [Allergy(text="NSAID")], [], KNOWN)
    assert (said.state, [gap.why for gap in said.gaps]) == ("WARNED", ["NOT_CODED"])


def test_an_override_is_for_exactly_what_was_read() -> None:
    one = check(coded(IBUPROFEN), [Allergy(text="NSAID")], [], KNOWN)
    same = check(coded(IBUPROFEN, code="7"), [Allergy(text="NSAID")], [], KNOWN)
    more = check(coded(IBUPROFEN), [Allergy(text="NSAID")], [running(coded(NAPROXEN, code="2"))], KNOWN)
    assert one.key == same.key != more.key


@pytest.mark.parametrize(
    ("dose", "unit", "quantity", "expected"),
    [
        ("20", "tablet", 1000, []),
        ("20.5", "tablet", 21, [("DOSE", "20.5", 20)]),
        ("100", "capsule", 2100, [("DOSE", "100", 20), ("QUANTITY", "2100", 1000)]),
        ("25", "puff", None, [("DOSE", "25", 20)]),
        ("30", "mL", None, []),
        ("500", "mg", 1001, [("QUANTITY", "1001", 1000)]),
        ("100", "application", None, []),
        (None, "tablet", 5000, [("QUANTITY", "5000", 1000)]),
    ],
)
def test_an_amount_that_may_be_a_slip_of_the_finger_is_asked_about(
    dose: str | None, unit: str, quantity: int | None, expected: list[tuple[str, str, int]]
) -> None:
    parts = Dosage(dose=Decimal(dose), unit=unit, timing="TID") if dose else None
    said = check(coded(METFORMIN), [], [], KNOWN, parts=parts, quantity=quantity)
    assert [(one.what, one.amount, one.limit) for one in said.slips] == expected
    assert (said.asks, said.state) == ((True, "WARNED") if expected else (False, "CLEAR"))
    assert bool(said.key) is bool(expected)


def test_an_override_of_one_amount_is_for_no_other() -> None:
    one, other = (check(coded(METFORMIN), [], [], KNOWN, quantity=number) for number in (2100, 21000))
    assert one.key != other.key


def test_all_words_of_an_ingredient_are_needed() -> None:
    iron = Substance(code="24947", name="ferrous sulfate")
    assert named_in("Magnesium sulfate 500 mg", [iron]) == []
    assert named_in("Ferrous sulfate 325 mg", [iron]) == [iron]


def test_groups_are_told_apart() -> None:
    assert groups_of("Penicillin V potassium") == {"PENICILLINS"}
    assert groups_of("metformin") == groups_of("ferrous sulfate") == groups_of("penicillamine") == set()
    assert groups_of("benzathine benzylpenicillin") == {"PENICILLINS"}
    for group in GROUPS.values():
        assert set(group.crosses) <= set(GROUPS)
        assert all(member == member.lower() for member in group.members)
