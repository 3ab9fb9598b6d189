"""Audit: every write, every look at a patient and every refusal leaves a row, with everybody the answer showed."""

import contextlib
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from careapp import commands
from careapp.access import Actor, Permission, Role
from careapp.audit.writer import request_id
from careapp.commands import command, publish, query
from careapp.db import db
from careapp.episodes import queries as episode_queries
from careapp.episodes import service as episodes
from careapp.episodes.events import EpisodeOpened
from careapp.errors import Conflict, Forbidden, NotFound, Refusal
from careapp.patients import queries as patient_queries
from careapp.prescriptions import queries as prescription_queries
from careapp.referrals import queries as referral_queries
from careapp.scheduling import queries as scheduling_queries
from tests import factories as make
from tests.looking import audits, events, newest


def test_a_read_names_all_whom_it_showed(clinician: Actor, god: Actor) -> None:
    patients = [make.a_patient(god, birth_date=date(1999, 9, 9)) for _ in range(3)]
    made = [make.an_episode(god, patient) for patient in patients]
    episode, party = made[0], patients[0].locator
    appointment = make.an_appointment(god, episode)
    prescription, referral = make.a_prescription(god, episode), make.a_referral(god, episode)
    everybody = {patient.locator for patient in patients}
    reads: list[tuple[Callable[[], object], str, str | None, set[str]]] = [
        (lambda: patient_queries.get_patient(clinician, party), "patient.read", party, {party}),
        (lambda: patient_queries.list_patients(clinician), "patient.list", None, everybody),
        (
            lambda: patient_queries.search_patients(clinician, birth_date=date(1999, 9, 9)),
            "patient.search", None, everybody,
        ),
        (lambda: patient_queries.list_facts(clinician, party), "patient.facts", party, {party}),
        (lambda: episode_queries.get_episode(clinician, episode.locator), "episode.read", episode.locator, {party}),
        (lambda: episode_queries.list_episodes(clinician), "episode.list", None, everybody),
        (
            lambda: scheduling_queries.get_appointment(clinician, appointment.locator),
            "appointment.read", appointment.locator, {party},
        ),
        (
            lambda: scheduling_queries.list_appointments(clinician, episode.locator),
            "appointment.list", episode.locator, {party},
        ),
        (
            lambda: prescription_queries.get_prescription(clinician, prescription.locator),
            "prescription.read", prescription.locator, {party},
        ),
        (
            lambda: prescription_queries.list_prescriptions(clinician, episode.locator),
            "prescription.list", episode.locator, {party},
        ),
        (
            lambda: referral_queries.get_referral(clinician, referral.locator),
            "referral.read", referral.locator, {party},
        ),
        (
            lambda: referral_queries.list_referrals(clinician, episode.locator),
            "referral.list", episode.locator, {party},
        ),
    ]  # fmt: skip
    for read, action, subject, shown in reads:
        before = newest(god)["audits"]
        read()
        [audit] = audits(god, after=before)
        assert (audit.action, audit.outcome, audit.subject) == (action, "seen", subject)
        assert set(audit.patients) == shown
        assert audit.actor == clinician.name


def test_only_who_is_on_the_page_counts_as_seen(clinician: Actor, god: Actor) -> None:
    for _ in range(3):
        make.an_episode(god)
    for read in (patient_queries.list_patients, episode_queries.list_episodes):
        page = read(clinician, limit=2)
        shown = {getattr(item, "party_locator", item.locator) for item in page.items}
        assert set(audits(god)[-1].patients) == shown
        assert len(shown) == 2


def test_a_refused_command_or_query_leaves_a_row_and_nothing_else(god: Actor, actor_of: Callable[..., Actor]) -> None:
    auditor = actor_of(Role.AUDITOR)
    episode, slot = make.an_episode(god), make.a_slot(god)
    make.an_appointment(god, slot=slot)
    attempts: list[tuple[Callable[[], object], type[Refusal], str]] = [
        (lambda: episode_queries.get_episode(auditor, episode.locator), Forbidden, "FORBIDDEN"),
        (lambda: episodes.cancel(auditor, episode.locator), Forbidden, "FORBIDDEN"),
        (lambda: patient_queries.get_patient(god, "PTY-2026-000000"), NotFound, "NOT_FOUND"),
        (lambda: episodes.cancel(god, "EPI-2026-000000"), NotFound, "NOT_FOUND"),
        (lambda: episodes.cancel(god, episode.locator, version=9), Conflict, "STALE_VERSION"),
        (lambda: make.an_appointment(god, episode, slot), Conflict, "SLOT_UNAVAILABLE"),
    ]
    for attempt, kind, code in attempts:
        before = newest(god)
        with pytest.raises(kind):
            attempt()
        [audit] = audits(god, after=before["audits"])
        assert (audit.outcome, audit.detail) == ("refused", {"code": code, "status": kind.status})
        assert audit.subject in (episode.locator, "PTY-2026-000000", "EPI-2026-000000")
        after = newest(god)
        assert (after["events"], after["history"]) == (before["events"], before["history"])


@pytest.mark.parametrize("kind", [command, query])
def test_a_refusal_whose_row_cannot_be_written_leaves_no_transaction_open(kind: Callable[..., Any], god: Actor) -> None:
    @kind(Permission.EPISODE_VIEW)
    def look(actor: Actor, locator: str) -> None:
        raise NotFound

    before = newest(god)
    with pytest.raises(DBAPIError, match="Unicode"):
        look(god, "EPI-\x00")  # which PostgreSQL keeps in no text
    assert not db.session.in_transaction()
    assert newest(god) == before


def test_no_audit_row_no_change(god: Actor) -> None:
    @command(Permission.EPISODE_OPEN)
    def forgetful(actor: Actor) -> None:
        return None

    with pytest.raises(RuntimeError, match="without an audit row"):
        forgetful(god)


def test_a_fault_rolls_everything_back(god: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    patient, before = make.a_patient(god), newest(god)
    monkeypatch.setattr("careapp.outbox.writer.given", broken)
    with pytest.raises(OSError, match="full"):
        make.an_episode(god, patient)
    monkeypatch.undo()
    assert newest(god) == before
    assert episode_queries.list_episodes(god).items == ()


def test_a_read_that_cannot_be_audited_shows_nothing(god: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = make.a_patient(god)

    def broken(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("careapp.audit.writer.given", broken)
    with pytest.raises(OSError, match="full"):
        patient_queries.get_patient(god, patient.locator)


def test_whom_and_which_request_it_was_for_is_kept(god: Actor) -> None:
    portal = Actor(god.tenant_id, god.tenant_key, "portal", god.permissions, on_behalf_of="PTY-2026-000007")
    patient = make.a_patient(god)
    token = request_id.set("request-7")
    try:
        patient_queries.get_patient(portal, patient.locator)
    finally:
        request_id.reset(token)
    audit = audits(god)[-1]
    assert (audit.actor, audit.on_behalf_of, audit.request_id) == ("portal", "PTY-2026-000007", "request-7")


def test_commands_inside_a_command_stand_or_fall_with_it(god: Actor) -> None:
    patient, before = make.a_patient(god), newest(god)

    @command(Permission.EPISODE_OPEN)
    def two_at_once(actor: Actor) -> None:
        for _ in range(2):
            make.an_episode(actor, patient)
        raise Conflict("on second thoughts")

    with pytest.raises(Conflict):
        two_at_once(god)
    assert episode_queries.list_episodes(god).items == ()
    assert events(god, after=before["events"]) == []


def test_what_a_command_does_is_permitted_by_the_command(god: Actor) -> None:
    opener = Actor(god.tenant_id, god.tenant_key, "test:opener", frozenset({Permission.EPISODE_OPEN}))

    @command(Permission.EPISODE_OPEN)
    def admit(actor: Actor) -> str:
        return make.an_episode(actor, make.a_patient(actor)).locator

    assert admit(opener).startswith("EPI-")
    with pytest.raises(Forbidden):
        make.a_patient(opener)


def test_many_keys_in_one_transaction_have_each_their_own_sequence(god: Actor) -> None:
    with commands.unit_of(god, name="import"):
        for _ in range(3):
            for episode in (make.an_episode(god), make.an_episode(god)):
                episodes.cancel(god, episode.locator)
    found: dict[str, list[int]] = {}
    for event in events(god):
        found.setdefault(event.key, []).append(event.sequence)
    assert sorted(found.values()) == [[1]] * 6 + [[1, 2]] * 6


def test_a_savepoint_drops_what_was_collected_in_it(god: Actor) -> None:
    patient, before = make.a_patient(god), newest(god)

    @command(Permission.EPISODE_OPEN)
    def one_of_two(actor: Actor) -> None:
        make.an_episode(actor, patient)
        with contextlib.suppress(Conflict), commands.savepoint():
            make.an_episode(actor, patient)
            raise Conflict("not this one")

    one_of_two(god)
    [episode] = episode_queries.list_episodes(god).items
    [event] = events(god, after=before["events"])
    assert (event.key, event.topic) == (episode.locator, EpisodeOpened.topic)


def test_publishing_outside_a_command_is_a_fault() -> None:
    with pytest.raises(RuntimeError, match="only inside a command"):
        publish(EpisodeOpened.model_construct())
