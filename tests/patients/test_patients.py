"""Patients: registering them and finding them again by name, birth date or locator."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from careapp import clock, commands
from careapp.access import Actor
from careapp.errors import Forbidden, Invalid, NotFound
from careapp.patients import queries, service
from careapp.patients.names import fold, words, words_to_find
from careapp.patients.views import ContactPoint, HumanName, Identifier, PatientView
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.looking import audits, events, execute, id_of


def registered(actor: Actor, family: str | None, *given: str, birth_date: date | None = None) -> PatientView:
    """A patient of that name."""
    return make.a_patient(actor, name=HumanName(family=family, given=list(given)), birth_date=birth_date)


def found(actor: Actor, **searched: object) -> list[str]:
    """The locators a search finds."""
    return [patient.locator for patient in queries.search_patients(actor, **searched).items]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Müller", "muller"), ("Núñez", "nunez"), ("ÅSA", "asa"), ("İstanbul", "istanbul"), ("Straße", "strasse"),
        ("ΆΓΓΕΛΟΣ", "αγγελοσ"), ("Ｆｕｌｌ", "full"), ("ﬁnn", "finn"), ("မောင်မောင်", "မောင်မောင်"), ("ဒေါ်လှ", "ဒေါ်လှ"),
        ("Nguyễn", "nguyen"), ("نور", "نور"),
    ],
)  # fmt: skip
def test_folding_takes_accents_away_and_leaves_burmese_vowels(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("O'Brien-Smith", ["o", "brien", "smith"]), ("  Daw   Hla ", ["daw", "hla"]), ("Hla Hla", ["hla"]),
        ("", []), (" - ' ", []), ("Nguyễn, Thị (Anna)", ["nguyen", "thi", "anna"]), ("x" * 500, ["x" * 60]),
    ],
)  # fmt: skip
def test_a_name_is_split_into_words(text: str, split: list[str]) -> None:
    assert words(text) == split


@pytest.mark.parametrize(
    ("text", "found_by"),
    [
        ("O'Brien-Smith", ["o", "brien", "smith", "obriensmith"]), ("D’Orsi Ana", ["d", "orsi", "ana", "dorsi"]),
        ("J.R. - Hla", ["j", "r", "hla", "jr"]), ("Hla Hla", ["hla"]), (" - ' ", []),
        ("-" * 3 + "x" * 500, ["x" * 60]),
    ],
)  # fmt: skip
def test_a_name_written_in_parts_is_found_as_one_word_too(text: str, found_by: list[str]) -> None:
    assert words_to_find(text) == found_by


def test_every_word_given_must_begin_a_word_of_the_name(god: Actor) -> None:
    first = registered(god, "Müller", "Anna", "Maria").locator
    second = registered(god, "Muller-Lüdenscheidt", "Annegret").locator
    third = registered(god, "Aung", "Daw", "Khin", "Hla").locator
    assert set(found(god, name="mul")) == {first, second}
    brien = registered(god, "O'Brien", "Seán").locator
    assert found(god, name="obr") == found(god, name="o'brien sean") == found(god, name="brien") == [brien]
    assert found(god, name="MÜLLER mar") == [first]
    assert found(god, name="mar anna") == [first], "in any order"
    assert found(god, name="lüdens") == [second]
    assert found(god, name="hl kh") == [third]
    assert found(god, name="uller") == [], "a prefix, not a part"
    assert found(god, name="mul aung") == []
    assert found(god, name="%") == []
    assert found(god, name="m_ller") == []


def test_a_burmese_name_is_found_by_its_beginning(god: Actor) -> None:
    patient = registered(god, None, "မောင်မောင်", "လှ").locator
    assert found(god, name="မောင်") == [patient]
    assert found(god, name="လှ") == [patient]
    assert found(god, name="မိ") == [], "another vowel is another name"


def test_a_name_of_absurd_length_is_stored_and_found(god: Actor) -> None:
    long = "ﷺ" * 200  # one character that folding makes eighteen of
    patient = registered(god, long).locator
    assert patient in found(god, name=long)


def test_birth_date_and_locator_and_all_at_once(god: Actor) -> None:
    first = registered(god, "Aung", birth_date=date(1980, 5, 17)).locator
    second = registered(god, "Aung", birth_date=date(1990, 1, 2)).locator
    assert found(god, birth_date=date(1980, 5, 17)) == [first]
    assert found(god, name="aung", birth_date=date(1990, 1, 2)) == [second]
    assert found(god, locator=f"  {first.lower()} ") == [first]
    assert found(god, locator=first, name="aung") == [first]
    assert found(god, locator=first, birth_date=date(1990, 1, 2)) == []


def test_a_search_needs_something_to_search_by(god: Actor) -> None:
    for searched in ({}, {"name": ""}, {"name": " -- "}):
        with pytest.raises(Invalid):
            queries.search_patients(god, **searched)


def test_a_search_is_audited_with_what_was_asked_and_whom_it_showed(god: Actor) -> None:
    shown = {registered(god, "Zhang", name).locator for name in ("Wei", "Fang")}
    queries.search_patients(god, name="Zhang", birth_date=None)
    audit = audits(god)[-1]
    assert (audit.action, audit.outcome, set(audit.patients)) == ("patient.search", "seen", shown)
    assert audit.detail == {"name": "zhang"}
    queries.search_patients(god, name="Nobody")
    audit = audits(god)[-1]
    assert (audit.action, audit.patients, audit.detail) == ("patient.search", [], {"name": "nobody"})


def test_a_patient_is_kept_as_given_and_told_of_without_a_name(front_desk: Actor) -> None:
    made = service.register(
        front_desk, name=HumanName(family="Núñez", given=["María", "José"]), birth_date=date(1975, 2, 28),
        gender="female", identifiers=[Identifier(system="urn:mrn", value="A-1")],
        telecom=[ContactPoint(system="phone", value="+95 9 555 0101", use="mobile")],
    )  # fmt: skip
    assert made.name.text == "María José Núñez"
    assert made == queries.get_patient(front_desk, made.locator)
    [event] = events(front_desk)
    assert (event.topic, event.key) == ("care.patient.registered", made.locator)
    assert set(event.envelope["data"]) == {"partyLocator", "createdAt"}


def test_a_name_must_hold_a_word(god: Actor) -> None:
    for name in (HumanName(), HumanName(family=" "), HumanName(family="-", given=["'"])):
        with pytest.raises(Invalid) as refusal:
            make.a_patient(god, name=name)
        assert set(refusal.value.errors) == {"name"}


def test_a_child_is_born_today_in_the_east_before_the_day_begins_in_utc(
    god: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    evening = datetime(2026, 5, 1, 19, 30, tzinfo=UTC)  # 02:00 on 2 May in Yangon
    monkeypatch.setattr(clock, "now", lambda: evening)
    assert make.a_patient(god, birth_date=date(2026, 5, 2)).birth_date == date(2026, 5, 2)
    with pytest.raises(Invalid) as refusal:
        make.a_patient(god, birth_date=date(2026, 5, 3))
    assert set(refusal.value.errors) == {"birthDate"}


def test_nobody_is_older_than_anybody_has_become(god: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2028, 2, 29, 9, tzinfo=UTC))
    assert make.a_patient(god, birth_date=date(1898, 1, 1)).birth_date == date(1898, 1, 1)
    with pytest.raises(Invalid) as refusal:
        make.a_patient(god, birth_date=date(1897, 12, 31))
    assert refusal.value.errors == {"birthDate": "The birth date lies more than 130 years ago."}


def test_an_older_birth_date_that_was_imported_may_stay_and_no_other_come(god: Actor) -> None:
    name = HumanName(family="Old", given=["Daw"])
    with commands.system_transaction(god.tenant_id):
        locator = service.enter(god, name=name, birth_date=date(1880, 5, 1), gender="female").locator
    known = {"name": name, "gender": "female", "language": None, "identifiers": [], "telecom": []}
    changed = service.update(god, locator, version=1, birth_date=date(1880, 5, 1), **known | {"language": "my"})
    assert (changed.birth_date, changed.language) == (date(1880, 5, 1), "my")
    with pytest.raises(Invalid) as refusal:
        service.update(god, locator, version=2, birth_date=date(1881, 5, 1), **known)
    assert set(refusal.value.errors) == {"birthDate"}


def test_facts_that_still_hold_come_first(god: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    patient = make.a_patient(god)
    values = {"tenant": god.tenant_id, "patient": id_of(god, "patients", patient.locator)}
    execute(
        god,
        "INSERT INTO patient_facts (tenant_id, patient_id, kind, text, onset_at, abated_at) VALUES"
        " (:tenant, :patient, 'CONDITION', 'Sinusitis', '2024-01-01', '2024-02-01'),"
        " (:tenant, :patient, 'CONDITION', 'Asthma', '2020-01-01', NULL),"
        " (:tenant, :patient, 'ALLERGY', 'Penicillin', '2010-01-01', NULL)",
        **values,
    )
    assert [fact.text for fact in queries.list_facts(god, patient.locator)] == ["Asthma", "Penicillin", "Sinusitis"]
    assert [fact.text for fact in queries.list_facts(god, patient.locator, kind="ALLERGY")] == ["Penicillin"]
    assert audits(god)[-1].patients == [patient.locator]
    foreign = make.a_patient(everything(new_tenant()))
    with pytest.raises(NotFound):
        queries.list_facts(god, foreign.locator)


def test_another_tenants_patient_is_not_found(god: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    foreign = registered(everything(new_tenant()), "Einzigartig")
    with pytest.raises(NotFound):
        queries.get_patient(god, foreign.locator)
    assert found(god, name="Einzigartig") == []
    assert found(god, locator=foreign.locator) == []
    assert queries.list_patients(god).items == ()


def test_an_auditor_sees_no_patient(god: Actor, actor_of: Callable[..., Actor]) -> None:
    patient, auditor = make.a_patient(god), actor_of("auditor")
    for act in (
        lambda: queries.get_patient(auditor, patient.locator),
        lambda: queries.list_patients(auditor),
        lambda: queries.search_patients(auditor, locator=patient.locator),
        lambda: make.a_patient(auditor),
    ):
        with pytest.raises(Forbidden):
            act()
