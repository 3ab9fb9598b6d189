"""Searching the audit log: each filter, its order, its pages, what stays hidden, and that it is itself audited."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from careapp import clock
from careapp.access import Actor, Role
from careapp.episodes import queries as episodes
from careapp.errors import Forbidden, Invalid, NotFound
from careapp.identity.staff import find_staff, names_of_staff
from careapp.operations.audit_search import AuditFilter, audit_zone, export_audit, search_audit
from careapp.patients import queries as patients
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.identity.people import a_user
from tests.looking import audits, rows


@pytest.fixture
def auditor(actor_of: Callable[..., Actor]) -> Actor:
    """Somebody who reads the log."""
    return actor_of(Role.AUDITOR)


def test_each_part_of_a_filter_narrows(auditor: Actor, god: Actor, clinician: Actor) -> None:
    first, second = make.an_episode(god), make.an_episode(god)
    episodes.get_episode(clinician, first.locator)
    with pytest.raises(NotFound):
        episodes.get_episode(clinician, "EPI-2026-999999")

    def found(**parts: object) -> list[tuple[str, str | None]]:
        return [(one.action, one.subject) for one in search_audit(auditor, AuditFilter(**parts)).items]  # type: ignore[arg-type]

    party = first.party_locator
    assert found(patient=party) == [
        ("episode.read", first.locator), ("episode.open", first.locator), ("patient.register", party),
    ]  # fmt: skip
    assert found(actor=clinician.name) == [("get_episode", "EPI-2026-999999"), ("episode.read", first.locator)]
    assert found(action="episode.open") == [("episode.open", second.locator), ("episode.open", first.locator)]
    assert found(outcome="refused") == [("get_episode", "EPI-2026-999999")]
    assert found(subject=second.locator) == [("episode.open", second.locator)]
    assert found(patient=party, actor=god.name, action="episode.open", outcome="done") == [
        ("episode.open", first.locator)
    ]
    now = clock.now()
    assert found(since=now + timedelta(hours=1)) == []
    assert found(until=now - timedelta(hours=1)) == []
    hours = {"since": now - timedelta(hours=1), "until": now + timedelta(hours=1)}
    assert [action for action, _ in found(patient=party, outcome="done", **hours)] == [
        "episode.open",
        "patient.register",
    ]


def test_what_was_refused_of_a_patient_stands_in_his_log(auditor: Actor, god: Actor) -> None:
    party = make.a_patient(god).locator
    with pytest.raises(Forbidden):
        patients.get_patient(auditor, party)
    [refused, _registered] = search_audit(auditor, AuditFilter(patient=party)).items
    assert (refused.action, refused.outcome, refused.actor) == ("get_patient", "refused", auditor.name)


@pytest.mark.parametrize("by_patient", [True, False])
def test_pages_follow_each_other_newest_first(auditor: Actor, god: Actor, clinician: Actor, by_patient: bool) -> None:
    episode = make.an_episode(god)
    for _ in range(7):
        episodes.get_episode(clinician, episode.locator)
    sought = AuditFilter(patient=episode.party_locator) if by_patient else AuditFilter(actor=clinician.name)
    ids: list[int] = []
    cursor: str | None = None
    while cursor or not ids:
        page = search_audit(auditor, sought, limit=3, cursor=cursor)
        cursor, last = page.next_cursor, cursor
        ids += [one.id for one in page.items if one.actor == clinician.name]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 7
    for filtered, foreign in ((sought, "x"), (AuditFilter(), last)):
        with pytest.raises(Invalid):
            search_audit(auditor, filtered, cursor=foreign)


def test_what_was_typed_stays_hidden(auditor: Actor, god: Actor, clinician: Actor) -> None:
    make.a_patient(god)
    patients.search_patients(clinician, name="Testowa")
    [entry] = search_audit(auditor, AuditFilter(action="patient.search")).items
    assert (entry.detail, entry.hidden) == ({}, True)
    assert audits(god)[-2].detail == {"name": "testowa"}, "the log itself has it"


def test_a_search_leaves_a_row_of_its_own(auditor: Actor) -> None:
    search_audit(auditor, AuditFilter(patient="PTY-2026-000001", since=clock.now()))
    row = audits(auditor)[-1]
    assert (row.action, row.subject, row.patients) == ("audit.search", "PTY-2026-000001", ["PTY-2026-000001"])
    assert set(row.detail["filter"]) == {"patient", "since"}


def test_an_export_stops_at_its_limit_and_says_so(auditor: Actor, god: Actor) -> None:
    for _ in range(4):
        make.a_patient(god)
    entries, more = export_audit(auditor, AuditFilter(action="patient.register"), most=3)
    assert (len(entries), more) == (3, True)
    entries, more = export_audit(auditor, AuditFilter(action="patient.register"), most=4)
    assert (len(entries), more) == (4, False)


def test_only_auditors_search_and_only_their_own_tenant(
    auditor: Actor, god: Actor, actor_of: Callable[..., Actor], new_tenant: Callable[..., TestTenant]
) -> None:
    there = everything(new_tenant())
    made = make.an_episode(there)
    assert search_audit(auditor, AuditFilter(patient=made.party_locator)).items == ()
    assert audit_zone(auditor) == "Asia/Yangon"
    stranger = a_user(there)
    assert names_of_staff(auditor, {stranger.id}) == {}
    assert find_staff(auditor, "Test") == []
    for role in (Role.ADMIN, Role.CLINICIAN, Role.FRONT_DESK):
        with pytest.raises(Forbidden):
            search_audit(actor_of(role), AuditFilter())


def test_the_log_by_patient_has_each_patient_once_and_is_never_changed(god: Actor, auditor: Actor) -> None:
    patient = make.a_patient(god)
    kept = rows(god, "SELECT patient, at, event_id FROM audit_patients ORDER BY at")
    event = audits(god)[-1]
    assert [tuple(row) for row in kept] == [(patient.locator, event.at, event.id)]
    for statement in ("UPDATE audit_patients SET patient = 'x'", "DELETE FROM audit_patients"):
        with pytest.raises(Exception, match="permission denied"):
            rows(god, statement)
