"""Erasing a patient: after it nothing in the whole database says who it was or what he had, but what the docs name."""

import json
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from careapp import clock, commands
from careapp.access import Actor, Role
from careapp.db import Base, table_of
from careapp.episodes import service as episodes
from careapp.episodes.models import Episode
from careapp.erasure.drafts import forget_drafts
from careapp.erasure.erase import BLANKED, DELETED, ERASED_NAME, erase_patient
from careapp.erasure.holds import keep_records, lift_hold, set_hold
from careapp.erasure.standing import CLINICAL, get_standing, patient_row
from careapp.errors import Conflict, Forbidden, Invalid, NotFound
from careapp.identity import drafts
from careapp.localdb import libpq_url
from careapp.operations.models import ImportedRecord
from careapp.partitions import PARTITION
from careapp.patients import confidentiality, facts
from careapp.patients import queries as patients
from careapp.patients import service as registering
from careapp.patients.models import PatientKey, PatientNameWord
from careapp.patients.views import ContactPoint, HumanName, Identifier
from careapp.prescriptions import service as prescriptions
from careapp.prescriptions.views import Medication
from careapp.referrals import service as referrals
from careapp.scheduling import appointments, changes
from careapp.scheduling.models import Appointment
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.database import TestDatabase
from tests.identity.people import a_user
from tests.looking import events, execute, id_of, one, rows

MARK = "Xqzvwjkx"  # no word has it, and no random BASE64 in a lifetime: where it stands, it came from here
BORN = date(1904, 2, 29)  # like the phone number: of no other test, as the whole database is searched
PHONE = "5550104321"
AGES = timedelta(days=365 * 11)

# What may still hold a mark afterwards; docs/security/data.md names each.
EXCEPTIONS = {("audit_event", "detail", "patient.search"), ("outbox", "envelope", "")}
# Tables that name a patient or his episode, and why nothing in them has to go.
NOTHING_TO_ERASE = {
    "legal_holds": "why he was not erased before", "patient_erasures": "that he was erased",
    "care_team_members": "who of the staff treated a locator", "consent_directives": "what a locator agreed to: codes",
}  # fmt: skip


def mark(text: str) -> str:
    """A text nobody else has."""
    return f"{MARK}{text}"


@pytest.fixture
def forgotten(god: Actor) -> str:
    """The locator of a patient treated eleven years ago, with a marked value in every text that commands take."""
    with clock.at(clock.now() - AGES):
        patient = registering.register(
            god, name=HumanName(family=mark("family"), given=[mark("given")]), birth_date=BORN, gender="other",
            language="my", identifiers=[Identifier(system=mark("system"), value=mark("number"))],
            telecom=[ContactPoint(system="phone", value=PHONE), ContactPoint(system="email", value=mark("@x.example"))],
        )  # fmt: skip
        facts.add_fact(god, patient.locator, kind="CONDITION", text=mark("condition"), code=mark("c"), system=mark("s"))
        facts.add_fact(god, patient.locator, kind="ALLERGY", text=mark("allergy"))
        _treat(god, patient.locator)
    confidentiality.restrict(god, patient.locator, reason=mark("known to staff"))
    confidentiality.lift(god, patient.locator, reason=mark("not any more"))
    patients.search_patients(god, name=mark("family"), birth_date=BORN, phone=PHONE)
    return patient.locator


def _treat(god: Actor, party: str) -> None:
    """An episode with everything in it, closed, and one that was cancelled."""
    provider = make.a_provider(god)
    episode = episodes.open_episode(
        god, party_locator=party, care_type="GP", reason=mark("reason"), triage_session_locator=mark("triage")
    )
    slot, later, third = (make.a_slot(god, provider, hours=hours) for hours in (1, 3, 5))
    said: dict[str, Any] = {"reason": mark("why he comes"), "notes": mark("notes")}
    visit = appointments.book(god, episode.locator, slot_locator=slot.locator, **said)
    changes.reschedule(god, visit.locator, slot_locator=later.locator, reason=mark("moved"))
    appointments.act(god, visit.locator, action="accept")
    appointments.act(god, visit.locator, action="attend", reason=mark("attended"))
    missed = appointments.book(god, episode.locator, slot_locator=third.locator, **said)
    appointments.act(god, missed.locator, action="cancel", reason=mark("cancelled"), category="PATIENT")
    changes.undo(god, missed.locator, reason=mark("undone"))
    appointments.act(god, missed.locator, action="no-show", reason=mark("no show"))
    order = {"dosage": mark("dosage"), "provider_locator": provider.locator}
    medicine = Medication(text=mark("medicine"), code=mark("code"), system=mark("codes"))
    for action in ("void", "fill"):
        made = prescriptions.issue(god, episode.locator, medication=medicine, quantity=3, **order)
        prescriptions.act(god, made.locator, action=action, reason=mark(action))
    sent = referrals.refer(god, episode.locator, type="LAB", reason=mark("for"), facility=mark("facility"))
    referrals.act(god, sent.locator, action="book", facility=mark("facility2"), reason=mark("booked"))
    referrals.act(god, sent.locator, action="complete", outcome=mark("outcome"), reason=mark("completed"))
    gone = referrals.refer(god, episode.locator, type="IMAGING", reason=mark("for"))
    referrals.act(god, gone.locator, action="cancel", reason=mark("not needed"))
    episodes.close(god, episode.locator, summary=mark("summary"))
    other = episodes.open_episode(god, party_locator=party, care_type="MENTAL_HEALTH", reason=mark("reason"))
    episodes.cancel(god, other.locator, reason=mark("called off"))


def marked(database: TestDatabase) -> set[tuple[str, str, str]]:
    """Every table, column and action in which a mark stands, in any tenant, as a superuser reads the whole database."""
    found = set()
    with psycopg.connect(libpq_url(database.superuser), dbname=database.name) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'care'").fetchall()
        for (table,) in tables:
            for row in connection.execute(sql.SQL("SELECT to_jsonb(t) FROM care.{} t").format(sql.Identifier(table))):
                for column, value in row[0].items():
                    text = json.dumps(value, ensure_ascii=False).casefold()
                    if any(one.casefold() in text for one in (MARK, PHONE[1:], BORN.isoformat())):
                        found.add((PARTITION.sub(r"\1", table), column, row[0].get("action", "")))
    return found


def opened(actor: Actor) -> list[str]:
    """Marks that encrypted columns of the tenant still give."""
    kept = []
    for place in ("episodes.summary", "appointments.notes", "diagnostics_referrals.outcome",
                  "prescriptions.void_reason", "status_changes.reason"):  # fmt: skip
        table, column = place.split(".")
        kept += [place for _ in rows(actor, f"SELECT 1 FROM {table} WHERE {column} IS NOT NULL")]
    return kept


def erase(actor: Actor, locator: str, **given: Any) -> Any:
    """Erase, as of the present version, with a reason of no matter."""
    version = patients.get_patient(actor, locator).version
    values = {"category": "RETENTION_OVER", "reason": "Ten years are over", "version": version}
    return erase_patient(actor, locator, **{**values, **given})


def test_nothing_is_left_of_an_erased_patient_in_the_whole_database(
    god: Actor, admin: Actor, forgotten: str, database: TestDatabase
) -> None:
    user = a_user(god, Role.FRONT_DESK).id
    drafts.keep(god.tenant_id, user, "/patients/new", [("family", mark("FAMILY")), ("given", mark("given"))])
    drafts.keep(god.tenant_id, user, f"/patients/{forgotten}/edit", [("family", mark("other"))])
    keep_foreign_traces(god, forgotten)
    before = marked(database)
    assert {table for table, _, _ in before} >= {
        "patients", "patient_keys", "patient_name_words", "patient_facts", "episodes", "appointments", "prescriptions",
        "diagnostics_referrals", "form_drafts", "idempotency_key", "imported_records", "audit_event",
    }  # fmt: skip
    assert len(opened(god)) > 10
    erased = erase(admin, forgotten)
    assert erased.name == ERASED_NAME
    assert erased.erased_at is not None
    assert marked(database) == EXCEPTIONS
    assert opened(god) == []
    shown = patients.get_patient(god, forgotten)
    assert (shown.name.family, shown.birth_date, shown.telecom, shown.identifiers) == (ERASED_NAME, None, [], [])
    assert patients.search_patients(god, name=mark("family")).items == ()
    [told] = [event for event in events(god) if event.topic == "care.patient.erased"]
    assert set(told.envelope["data"]) == {"partyLocator", "erasedAt"}


def keep_foreign_traces(actor: Actor, locator: str) -> None:
    """An answer kept for a repeated request, and the record of another system that became the patient."""
    execute(
        actor,
        "INSERT INTO idempotency_key (tenant_id, principal, route, key, request_hash, status, headers, body, subject,"
        " patients) VALUES (:tenant, 'p', 'r', 'k', 'h', 200, '{}', convert_to(:body, 'UTF8'), :locator, :patients)",
        tenant=actor.tenant_id, body="...", locator=locator, patients=[locator],
    )  # fmt: skip
    told = "UPDATE idempotency_key SET headers = jsonb_build_object('x', CAST(:mark AS text))"
    execute(actor, told, mark=mark("body"))
    execute(
        actor,
        "INSERT INTO emergency_accesses (tenant_id, patient_id, user_id, reason, remark, ends_at)"
        " SELECT :tenant, p.id, u.id, :reason, :remark, now() + interval '1 hour' FROM patients p, users u"
        " WHERE p.locator = :locator",
        tenant=actor.tenant_id, locator=locator, reason=mark("unconscious"), remark=mark("justified"),
    )  # fmt: skip
    execute(
        actor,
        "INSERT INTO imported_records (tenant_id, resource_type, source_id, entity_id, locator)"
        " VALUES (:tenant, 'Patient', :mark, NULL, :locator)",
        tenant=actor.tenant_id, mark=mark("source"), locator=locator,
    )  # fmt: skip


def test_what_is_kept_is_kept(god: Actor, admin: Actor, forgotten: str) -> None:
    counted = {
        table: one(god, f"SELECT count(*) FROM {table}")
        for table in ("episodes", "appointments", "prescriptions", "diagnostics_referrals", "status_changes", "outbox")
    }
    states = "SELECT locator, status, seen, open_appointments, opened_at, closed_at FROM episodes ORDER BY id"
    moves = "SELECT locator, action, from_status, to_status, actor, at FROM status_changes ORDER BY id"
    before, audited = (rows(god, states), rows(god, moves)), one(god, "SELECT count(*) FROM audit_event")
    erase(admin, forgotten)
    assert (rows(god, states), rows(god, moves)) == before
    counted["outbox"] += 1
    assert counted == {table: one(god, f"SELECT count(*) FROM {table}") for table in counted}
    assert one(god, "SELECT count(*) FROM audit_event") > audited
    assert one(god, "SELECT category FROM patient_erasures") == "RETENTION_OVER"


def test_nobody_else_loses_anything(god: Actor, admin: Actor, forgotten: str, new_tenant: Any) -> None:
    spared = [god, everything(new_tenant())]
    kept = []
    for actor in spared:
        episode = make.an_episode(actor)
        episodes.cancel(actor, episode.locator, reason="Moved away")
        make.a_prescription(actor)
        kept.append((actor, episode.party_locator, patients.get_patient(actor, episode.party_locator)))
    erase(admin, forgotten)
    for actor, locator, seen in kept:
        assert patients.get_patient(actor, locator) == seen
        assert one(actor, "SELECT count(*) FROM status_changes WHERE reason IS NOT NULL") == 1


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.CLINICIAN, Role.AUDITOR])
def test_only_administrators_erase_and_hold(actor_of: Any, forgotten: str, role: Role) -> None:
    actor = actor_of(role)
    for attempt in (
        lambda: erase_patient(actor, forgotten, category="RETENTION_OVER", reason="x", version=1),
        lambda: set_hold(actor, forgotten, reason="x"), lambda: lift_hold(actor, forgotten, hold_id=1),
        lambda: get_standing(actor, forgotten),
    ):  # fmt: skip
        with pytest.raises(Forbidden):
            attempt()


def test_a_hold_refuses_until_it_is_lifted(god: Actor, admin: Actor, forgotten: str) -> None:
    [hold] = set_hold(admin, forgotten, reason="Suit 7").holds
    set_hold(admin, forgotten, reason="Suit 8")
    with pytest.raises(Conflict) as refused:
        erase(admin, forgotten)
    assert refused.value.code == "LEGAL_HOLD"
    standing = lift_hold(admin, forgotten, hold_id=hold.id)
    with pytest.raises(Conflict):
        lift_hold(admin, forgotten, hold_id=hold.id)
    with pytest.raises(Conflict):
        erase(admin, forgotten)
    lift_hold(admin, forgotten, hold_id=standing.holds[1].id)
    erase(admin, forgotten)
    assert [row.set_by for row in rows(god, "SELECT set_by FROM legal_holds")] == [admin.name] * 2


def test_a_hold_of_another_patient_or_tenant_is_not_found(god: Actor, admin: Actor, forgotten: str) -> None:
    other = make.a_patient(god).locator
    [hold] = set_hold(admin, other, reason="Suit").holds
    with pytest.raises(NotFound):
        lift_hold(admin, forgotten, hold_id=hold.id)


def test_retention_refuses_and_says_until_when(god: Actor, admin: Actor, forgotten: str) -> None:
    keep_records(admin, years=12)
    with pytest.raises(Conflict) as refused:
        erase(admin, forgotten, category="PATIENT_REQUEST")
    until = refused.value.extra["keptUntil"]
    assert refused.value.code == "RECORDS_KEPT"
    assert until in refused.value.detail
    assert until == get_standing(admin, forgotten).kept_until.date().isoformat()
    keep_records(admin, years=10)
    erase(admin, forgotten, category="PATIENT_REQUEST")
    with pytest.raises(Invalid):
        keep_records(admin, years=0)


def test_an_open_episode_refuses(god: Actor, admin: Actor, forgotten: str) -> None:
    episode = episodes.open_episode(god, party_locator=forgotten, care_type="GP")
    with pytest.raises(Conflict, match=episode.locator):
        erase(admin, forgotten)


def test_an_entry_made_in_error_goes_at_once_and_a_clinical_record_does_not(god: Actor, admin: Actor) -> None:
    mistaken, real = make.a_patient(god).locator, make.an_episode(god).party_locator
    erase(admin, mistaken, category="ENTERED_IN_ERROR")
    facts.add_fact(god, (told := make.a_patient(god).locator), kind="ALLERGY", text="Latex")
    for locator in (real, told):
        with pytest.raises(Conflict) as refused:
            erase(admin, locator, category="ENTERED_IN_ERROR")
        assert refused.value.code in ("HAS_RECORD", "EPISODE_OPEN")


def test_what_is_stale_without_reason_or_erased_already_is_refused(god: Actor, admin: Actor, forgotten: str) -> None:
    with pytest.raises(Conflict, match="has changed"):
        erase(admin, forgotten, version=99)
    for wrong in ({"reason": " "}, {"category": "BOREDOM"}):
        with pytest.raises(Invalid):
            erase(admin, forgotten, **wrong)
    erase(admin, forgotten)
    with pytest.raises(Conflict, match="already"):
        erase(admin, forgotten)
    with pytest.raises(Conflict, match="already"):
        set_hold(admin, forgotten, reason="Too late")


def test_nothing_new_is_entered_about_an_erased_patient(god: Actor, admin: Actor, forgotten: str) -> None:
    erase(admin, forgotten)
    shown = patients.get_patient_details(god, forgotten)
    with pytest.raises(Invalid):
        episodes.open_episode(god, party_locator=forgotten, care_type="GP")
    with pytest.raises(Conflict, match="erased"):
        facts.add_fact(god, forgotten, kind="ALLERGY", text="Latex")
    with pytest.raises(Conflict, match="erased"):
        registering.update(
            god, forgotten, version=shown.version, name=HumanName(family="New"), birth_date=None, gender="other",
            language=None, identifiers=[], telecom=[],
        )  # fmt: skip


def test_history_stays_append_only_for_the_application(god: Actor, forgotten: str, database: TestDatabase) -> None:
    """The app role may change nothing in it; the function it may call blanks nothing of who was not erased."""
    before = one(god, "SELECT count(*) FROM status_changes WHERE reason IS NOT NULL")
    patient = id_of(god, "patients", forgotten)
    assert one(god, "SELECT erase_history(:patient)", patient=patient) == 0
    assert one(god, "SELECT count(*) FROM status_changes WHERE reason IS NOT NULL") == before
    with pytest.raises(Exception, match="permission denied"):
        execute(god, "UPDATE status_changes SET reason = NULL")
    refused = ("reason = 'other'", "reason = NULL, actor = 'x'", "to_status = 'OPEN'", "at = now()")
    for change in refused:
        with psycopg.connect(libpq_url(database.owner)) as owner:
            owner.execute("SELECT set_config('app.tenant_id', %s, true)", [str(god.tenant_id)])
            with pytest.raises(psycopg.Error, match="append-only"):
                owner.execute(f"UPDATE status_changes SET {change}")  # type: ignore[arg-type]


def test_every_table_about_a_patient_says_what_erasure_does_with_it() -> None:
    """A new table with a patient or an episode in it fails here until erase.py, or NOTHING_TO_ERASE, speaks of it."""
    known = {model.__tablename__ for model in (*BLANKED, *DELETED, ImportedRecord)}
    known |= {"status_changes", "idempotency_key", "patients", "emergency_accesses", *NOTHING_TO_ERASE}
    about = {
        table.name for table in Base.metadata.tables.values()
        if {"patient_id", "episode_id", "patient", "patients", "party_locator"} & set(table.c.keys())
    }  # fmt: skip
    audit = {"audit_event", "audit_patients"}  # locators, kept as the account of who saw what
    assert about - known - audit == set()


def test_a_row_of_any_clinical_table_is_a_record() -> None:
    """What is erased as entered in error has none: a new clinical table fails here until standing.CLINICAL has it."""
    who_it_was, counted_otherwise = {PatientNameWord, PatientKey}, {Episode, Appointment}
    clinical = {*BLANKED, *DELETED} - who_it_was - counted_otherwise
    assert {columns.patient_id.table for columns in CLINICAL} == {table_of(model) for model in clinical}


def test_drafts_of_others_stay(god: Actor, forgotten: str, tenant: TestTenant) -> None:
    user = a_user(god, Role.FRONT_DESK).id
    kept = drafts.keep(god.tenant_id, user, "/patients/new", [("family", "Somebody"), ("given", mark("given"))])
    with commands.unit_of(god, name="test"):
        commands.record("draft.read")
        forget_drafts(god, id_of_in(god, forgotten), [forgotten])
    assert one(god, "SELECT id FROM form_drafts") == kept


def id_of_in(actor: Actor, locator: str) -> int:
    """The patient's id, read inside a transaction that is open already."""
    return int(patient_row(actor, locator).id)
