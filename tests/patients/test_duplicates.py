"""Whether two records are of one person: the pure rule, and who is found to be compared."""

from datetime import date
from typing import Any

import pytest

from careapp.access import Actor
from careapp.patients import registering
from careapp.patients.contacts import is_email, is_phone, keys_of, phone_key
from careapp.patients.duplicates import Likeness, Person, Reason, called, compare, swapped
from careapp.patients.names import words
from careapp.patients.views import ContactPoint, HumanName, Identifier
from tests import factories as make

BORN = date(1980, 2, 3)


def person(name: str, born: date | None = BORN, gender: str = "unknown", phone: str | None = None) -> Person:
    """Somebody to compare."""
    telecom = [ContactPoint(system="phone", value=phone)] if phone else []
    return Person(called(words(name)), born, gender, keys_of(telecom, []))


def alike(first: str, second: str, **fields: Any) -> Likeness:
    """Two of these names, born on one day."""
    return compare(person(first), person(second, **fields))


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("Ama Owusu", "Owusu Ama", Reason.SAME_NAME),
        ("Daw Hla Hla Win", "Hla Hla Win", Reason.SAME_NAME),
        ("ဒေါ်လှလှဝင်း", "လှလှဝင်း", Reason.SAME_NAME),
        ("Nguyễn Thị Ánh", "Nguyen Thi Anh", Reason.SAME_NAME),
        ("Đặng Văn Đức", "Dang Van Duc", Reason.SAME_NAME),
        ("Nyein Chan", "Nyeinchan", Reason.SAME_NAME),
        ("Łucja Wójcik", "Lucja Wojcik", Reason.SAME_NAME),
        ("Thandar Aung", "Thanda Aung", Reason.SIMILAR_NAME),
        ("Kyaw Zin Lin", "Kywa Zin Lin", Reason.SIMILAR_NAME),
        ("Ama Owusu", "Ama Owusu-Boateng", Reason.SIMILAR_NAME),
        ("Nguyễn Thị Ánh", "Ánh Nguyễn", Reason.SIMILAR_NAME),
        ("Hla Win", "Hla Tun", None),
        ("Khin Myat Noe", "Khin Myat Su", None),
        ("မောင်မောင်", "မိမိ", None),
    ],
)
def test_how_alike_names_are(first: str, second: str, reason: Reason | None) -> None:
    for one, other in ((first, second), (second, first)):
        found = compare(person(one, None), person(other, None)).reasons
        assert found == ((reason,) if reason else ()), (one, other)


@pytest.mark.parametrize(
    ("born", "reason", "shown"),
    [
        (BORN, Reason.SAME_BIRTH_DATE, True),
        (date(1980, 3, 2), Reason.SWAPPED_BIRTH_DATE, True),
        (date(1980, 2, 8), Reason.NEAR_BIRTH_DATE, True),
        (date(1971, 12, 25), None, False),
    ],
)
def test_birth_dates(born: date, reason: Reason | None, shown: bool) -> None:
    likeness = alike("Hla Hla Win", "Hla Hla Win", born=born)
    assert (reason in likeness.reasons) is (reason is not None)
    assert likeness.shown is shown


def test_what_is_shown_and_what_is_very_likely() -> None:
    assert alike("Hla Hla Win", "Hla Hla Win").very_likely
    assert alike("Thandar Aung", "Thanda Aung").very_likely
    assert not alike("Hla Hla Win", "Kyaw Zin Lin").shown, "born on one day is not enough"
    assert alike("Hla Hla Win", "Hla Hla Win", born=None).shown, "a birth date that is not known speaks neither way"
    assert not alike("Hla Hla Win", "Hla Hla Win", born=None).very_likely
    family = compare(person("Hla Win", phone="095550101"), person("Mya Tun", date(2001, 4, 5), phone="09 555 0101"))
    assert not family.shown, "families share a phone"
    twins = compare(person("Hla Win", phone="095550101"), person("Mya Win", phone="09 555 0101"))
    assert twins.shown, "twins are shown: a person decides"
    man, woman = (person("Hla Hla Win", None, gender) for gender in ("male", "female"))
    assert not compare(man, woman).shown
    assert compare(woman, person("Hla Hla Win", None, "unknown")).shown


def test_the_same_identifier_is_enough() -> None:
    known = keys_of([], [Identifier(system="NRC", value="12/ABC (N) 123")])
    first = Person(("hla",), None, "unknown", known)
    second = Person(("somebody", "else"), None, "unknown", keys_of([], [Identifier(value="12/abc(N)123")]))
    assert compare(first, second).shown
    assert compare(first, second).reasons == (Reason.SAME_IDENTIFIER,)


def test_swapped_days() -> None:
    assert swapped(date(1980, 2, 3)) == date(1980, 3, 2)
    assert swapped(date(1980, 2, 13)) is None
    assert swapped(date(1980, 2, 2)) is None


@pytest.mark.parametrize(
    ("text", "fine", "key"),
    [
        ("+95 9 555 0101", True, "95550101"), ("09 555 0101", True, "95550101"), ("(01) 23-45.67", True, "1234567"),
        ("၀၉ ၅၅၅ ၀၁၀၁", True, "95550101"), ("1234", False, "1234"), ("1" * 16, False, "1" * 8),
        ("call 09 555", False, "9555"), ("++95 555 1234", False, "55551234"), ("", False, ""),
    ],
)  # fmt: skip
def test_phone_numbers(text: str, fine: bool, key: str) -> None:
    assert (is_phone(text), phone_key(text)) == (fine, key)


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("name@example.org", True), ("a.b+c@x.example.org", True), ("a@b", False), ("a b@example.org", False),
        ("a@b@example.org", False), ("a@example..org", False), ("a@" + "x" * 260 + ".org", False), ("", False),
    ],
)  # fmt: skip
def test_email_addresses(text: str, fine: bool) -> None:
    assert is_email(text) is fine


@pytest.mark.parametrize(
    "fields",
    [
        {"name": HumanName(given=["Hla", "Hla", "Win"]), "birth_date": BORN},
        {"name": HumanName(given=["Hla", "Win", "Hla"]), "birth_date": None},
        {"name": HumanName(given=["Hla", "Win", "Oo"]), "birth_date": date(1980, 3, 2)},
        {"name": HumanName(given=["Ma", "Hla", "Hla", "Win"]), "birth_date": date(1980, 2, 13)},
        {
            "name": HumanName(given=["Haal", "Win"]), "birth_date": BORN,
            "telecom": [ContactPoint(system="phone", value="09 555 0101")],
        },
        {"name": HumanName(given=["Other"]), "birth_date": None, "identifiers": [Identifier(value="12/ABC(N)1")]},
    ],
)  # fmt: skip
def test_who_may_be_the_same_is_found(god: Actor, fields: dict[str, Any]) -> None:
    known = make.a_patient(
        god, name=HumanName(given=["Daw", "Hla", "Hla", "Win"]), birth_date=BORN, gender="unknown",
        telecom=[ContactPoint(system="phone", value="+95 9 555 0101")],
        identifiers=[Identifier(system="NRC", value="12/ABC(N)1")],
    )  # fmt: skip
    make.a_patient(god, name=HumanName(given=["Kyaw", "Zin"]), birth_date=date(1955, 5, 5))
    found = registering.find_likely(god, gender="unknown", **fields)
    assert [one.patient.locator for one in found] == [known.locator]


def test_a_slip_at_the_beginning_hides_nobody_of_the_same_birth_date(god: Actor) -> None:
    known = make.a_patient(god, name=HumanName(given=["Soemoe"]), birth_date=BORN, gender="unknown")
    found = registering.find_likely(god, name=HumanName(given=["Zoemoe"]), birth_date=BORN, gender="unknown")
    assert [one.patient.locator for one in found] == [known.locator]


def test_a_name_is_not_enough_for_somebody_without_words(god: Actor) -> None:
    make.a_patient(god, name=HumanName(given=["Hla"]))
    assert registering.find_likely(god, name=HumanName(), birth_date=None, gender="unknown") == []
