"""The rules of disclosure: the pure decision, and that the SQL of the same meaning decides alike."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from apiflask import APIFlask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from careapp import tenancy
from careapp.access import Actor, Purpose, Role
from careapp.db import db
from careapp.disclosure import condition
from careapp.disclosure.rules import (
    DECISIONS,
    Care,
    Emergency,
    Ground,
    Membership,
    Reader,
    Record,
    Visit,
    Who,
    ground_for,
)
from careapp.scheduling.states import ACTIVE
from tests import factories as make

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HIM, HIS, OTHER, OTHERS = 101, 201, 102, 202  # users and their providers; the tests give them the ids of real ones
DOCTOR = Reader(Who.PERSON, "user:101", HIM, HIS, treats=True)
CLOSED = NOW - 10 * DAY


@pytest.mark.parametrize(
    ("record", "ground"),
    [
        (Record(), Ground.NORMAL),
        (Record(CLOSED), None),
        (Record(CLOSED, team=[Membership(HIM, None, CLOSED)]), Ground.MEMBER),
        (Record(CLOSED, team=[Membership(None, HIS, CLOSED)]), Ground.MEMBER),
        (Record(CLOSED, team=[Membership(HIM, None, NOW + HOUR)]), None),
        (Record(CLOSED, team=[Membership(HIM, None, CLOSED, NOW)]), None),
        (Record(CLOSED, visits=[Visit(HIS, True, False, NOW + DAY)]), Ground.VISIT),
        (Record(CLOSED, visits=[Visit(HIS, False, False, NOW - 89 * DAY)]), Ground.VISIT),
        (Record(CLOSED, visits=[Visit(HIS, False, False, NOW - 91 * DAY)]), None),
        (Record(CLOSED, visits=[Visit(HIS, False, True, NOW - DAY)]), None),
        (Record(CLOSED, visits=[Visit(OTHERS, True, False, NOW + DAY)]), None),
        (Record(CLOSED, visits=[Visit(HIS, True, False, NOW, [("user:101", CLOSED - DAY)])]), Ground.VISIT),
        (Record(CLOSED, visits=[Visit(HIS, True, False, NOW, [("user:101", CLOSED + DAY)])]), None),
        (Record(CLOSED, prescriptions=[Care(HIS, NOW - 200 * DAY, True)]), Ground.PRESCRIBED),
        (Record(CLOSED, prescriptions=[Care(HIS, NOW - 200 * DAY, False)]), None),
        (Record(CLOSED, openings=[Care("user:101", CLOSED - DAY, True)]), Ground.OPENED),
        (Record(CLOSED, openings=[Care("user:101", CLOSED + DAY, True)]), None),
        (Record(CLOSED, emergencies=[Emergency(HIM, NOW - HOUR / 2, NOW + HOUR / 2)]), Ground.EMERGENCY),
        (Record(CLOSED, emergencies=[Emergency(HIM, NOW - HOUR, NOW)]), None),
        (Record(CLOSED, emergencies=[Emergency(HIM, NOW - HOUR / 2, NOW + HOUR / 2, NOW)]), None),
        (Record(CLOSED, emergencies=[Emergency(OTHER, NOW - HOUR / 2, NOW + HOUR / 2)]), None),
        (Record(CLOSED, consent="PERMIT"), None),
    ],
)
def test_who_may_see_a_record(record: Record, ground: Ground | None) -> None:
    assert ground_for(DOCTOR, record, NOW) == ground


@pytest.mark.parametrize(
    ("who", "consent", "closed", "ground"),
    [
        (Who.PORTAL, None, False, Ground.NORMAL),
        (Who.PORTAL, None, True, None),
        (Who.PORTAL, "PERMIT", True, Ground.CONSENT),
        (Who.PORTAL, "DENY", False, None),
        (Who.SERVICE, None, True, None),
        (Who.SERVICE, "PERMIT", True, Ground.CONSENT),
        (Who.SERVICE, "DENY", False, Ground.NORMAL),
        (Who.SYSTEM, "DENY", True, Ground.SYSTEM),
        (Who.ADMINISTRATION, "PERMIT", True, None),
    ],
)
def test_what_consent_and_purpose_decide(who: Who, consent: str | None, closed: bool, ground: Ground | None) -> None:
    record = Record(CLOSED if closed else None, consent, team=[Membership(HIM, None, CLOSED)])
    assert ground_for(Reader(who, "user:101", HIM), record, NOW) == ground


def test_the_purpose_of_an_actor_says_what_kind_of_reader_he_is(actor_of: Callable[..., Actor]) -> None:
    asked = {
        Who.PORTAL: {"purpose": Purpose.PATRQT}, Who.SYSTEM: {"purpose": Purpose.HSYSADMIN}, Who.SERVICE: {},
        Who.ADMINISTRATION: {"user_id": 1, "purpose": Purpose.HOPERAT}, Who.PERSON: {"user_id": 1},
    }  # fmt: skip
    for who, fields in asked.items():
        assert Reader.of(actor_of(Role.CLINICIAN, **fields)).who is who
    assert Reader.of(actor_of(Role.FRONT_DESK, user_id=1, provider_id=2)).provider_id is None, "he treats nobody"


def test_what_an_open_visit_is_stands_twice_and_says_the_same() -> None:
    assert set(condition.OPEN_VISIT) == set(ACTIVE)


moments = st.sampled_from([-400, -95, -85, -30, -10, -5, -1, 1, 20]).map(lambda days: NOW + days * DAY)
past = moments.filter(lambda moment: moment < NOW)
users, providers = st.sampled_from([HIM, OTHER]), st.sampled_from([HIS, OTHERS])
members = st.builds(
    lambda user, provider, since, lasts: Membership(user, None if user else provider, since, lasts and since + lasts),
    st.none() | users, providers, past, st.none() | st.sampled_from([HOUR, 40 * DAY]),
)  # fmt: skip
visits = st.builds(
    lambda provider, state, at, placed: Visit(provider, state == "BOOKED", state == "CANCELLED", at, placed),
    providers, st.sampled_from(["BOOKED", "ATTENDED", "CANCELLED"]), moments,
    st.lists(st.tuples(st.sampled_from(["user:101", "user:102"]), past), max_size=2),
)  # fmt: skip
emergencies = st.builds(
    lambda user, started, ended: Emergency(user, started, started + HOUR, started + HOUR / 4 if ended else None),
    users, st.sampled_from([NOW - 2 * HOUR, NOW - HOUR, NOW - HOUR / 2, NOW]), st.booleans(),
)  # fmt: skip
TREATS, BOOKED_BEFORE = Reader(Who.PERSON, "user:101", HIM, HIS, True), ("user:101", NOW - 30 * DAY)
records = st.builds(
    Record, st.none() | past, st.none() | st.sampled_from(DECISIONS), st.lists(members, max_size=2),
    st.lists(visits, max_size=2), st.lists(st.builds(Care, providers, past, st.booleans()), max_size=1),
    st.lists(st.builds(Care, st.sampled_from(["user:101", "user:102"]), past, st.booleans()), max_size=1),
    st.lists(emergencies, max_size=1),
)  # fmt: skip
readers = st.builds(
    lambda who, treats: Reader(who, "user:101", HIM, HIS if treats else None, treats),
    st.sampled_from([Who.PERSON] * 6 + list(Who)), st.booleans(),
)  # fmt: skip


class Stored:
    """Records as rows, in transactions that are rolled back: the same rules ask the database about them."""

    def __init__(self, god: Actor) -> None:
        self.god, self.minutes = god, count()
        slugs = [(HIM, HIS), (OTHER, OTHERS)]
        self.ids: dict[Any, Any] = {}
        for user, provider in slugs:
            made = make.a_provider(god)
            person = make.a_person(god, Role.CLINICIAN, provider=made)
            self.ids |= {user: person.user_id, provider: person.provider_id, f"user:{user}": person.name}

    def ground(self, reader: Reader, record: Record) -> str | None:
        """What the SQL says."""
        db.session.rollback()
        with tenancy.bound(self.god.tenant_id):
            try:
                patient = self._patient(record)
                known = self._known(reader)
                values = condition.given(known, NOW)
                given = {**values, "tenant": self.god.tenant_id, "patients": [patient]}
                ground: str | None = db.session.execute(condition.grounds_of(known.kind), given).one().ground
                given = {**values, "tenant": self.god.tenant_id, "patient": patient}
                assert db.session.execute(condition.grounds_of(known.kind, one=True), given).one().ground == ground
                return ground
            finally:
                db.session.rollback()

    def _known(self, reader: Reader) -> Reader:
        provider = self.ids[reader.provider_id] if reader.provider_id else None
        return Reader(reader.who, self.ids[reader.name], self.ids[HIM], provider, reader.treats)

    def _insert(self, table: str, **values: Any) -> int:
        values = {"tenant_id": self.god.tenant_id, **values}
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        made = text(f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id")
        return int(db.session.execute(made, values).scalar_one())

    def _patient(self, record: Record) -> int:
        """The patient the record is of, beside one who has been restricted for long."""
        beside = {"family": "A", "given": ["B"], "gender": "other", "confidentiality": "RESTRICTED"}
        self._insert("patients", **beside, restricted_at=NOW - 900 * DAY)
        patient = self._insert(
            "patients", family="A", given=["B"], gender="other", restricted_at=record.restricted_at,
            confidentiality="RESTRICTED" if record.restricted_at else "NORMAL",
        )  # fmt: skip
        if record.consent:
            for decision in ("PERMIT", "DENY", record.consent):
                self._insert(
                    "consent_directives", patient_id=patient, scope="PORTAL_SHARING", decision=decision,
                    recorded_by="user:1",
                )  # fmt: skip
        for one in record.team:
            self._insert(
                "care_team_members", patient_id=patient, user_id=self.ids.get(one.user_id), role="Nurse",
                provider_id=self.ids.get(one.provider_id), since=one.since, until=one.until, added_by="user:1",
            )  # fmt: skip
        for visit in record.visits:
            self._visit(patient, visit)
        for care in record.prescriptions:
            self._insert(
                "prescriptions", patient_id=patient, episode_id=self._episode(patient, care.episode_open),
                provider_id=self.ids[care.by], medication_text="x", dosage="y", issued_at=care.at,
            )  # fmt: skip
        for care in record.openings:
            self._history("episode", self._episode(patient, care.episode_open), "open", self.ids[care.by], care.at)
        for emergency in record.emergencies:
            self._insert(
                "emergency_accesses", patient_id=patient, user_id=self.ids[emergency.user_id], reason="Unconscious",
                started_at=emergency.started_at, ends_at=emergency.ends_at, ended_at=emergency.ended_at,
            )  # fmt: skip
        return patient

    def _visit(self, patient: int, visit: Visit) -> None:
        start = visit.starts_at + next(self.minutes) * timedelta(minutes=1)  # nobody is in two places at once
        span = {"starts_at": start, "ends_at": start + timedelta(minutes=1)}
        provider = self.ids[visit.provider_id]
        slot = self._insert("provider_slots", provider_id=provider, capacity=1, **span)
        status = "BOOKED" if visit.is_open else "CANCELLED" if visit.cancelled else "ATTENDED"
        made = self._insert(
            "appointments", patient_id=patient, episode_id=self._episode(patient, True), provider_id=provider,
            slot_id=slot, busy_until=span["ends_at"], status=status, **span,
        )  # fmt: skip
        for who, at in visit.placed:
            self._history("appointment", made, "book", self.ids[who], at)

    def _episode(self, patient: int, is_open: bool) -> int:
        return self._insert("episodes", patient_id=patient, care_type="GP", status="OPEN" if is_open else "CLOSED")

    def _history(self, entity: str, number: int, action: str, actor: str, at: datetime) -> None:
        self._insert(
            "status_changes", entity=entity, entity_id=number, locator="X-1", action=action, to_status="OPEN",
            actor=actor, at=at,
        )  # fmt: skip


@pytest.fixture
def stored(app: APIFlask, god: Actor) -> Stored:
    """Somewhere to keep records."""
    return Stored(god)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reader=readers, record=records)
@example(reader=TREATS, record=Record(NOW - 5 * DAY, visits=[Visit(HIS, True, False, NOW + DAY, [BOOKED_BEFORE])]))
def test_the_database_decides_as_the_rules_do(stored: Stored, reader: Reader, record: Record) -> None:
    assert stored.ground(reader, record) == ground_for(reader, record, NOW)
