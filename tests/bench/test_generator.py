"""What the generator makes could have been made by the application: every rule that it keeps holds for each row.

That constraints hold needs no test: the rows are stored under them.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from psycopg.rows import namedtuple_row

from bench.rows import COLUMNS
from careapp import localdb, tenancy
from careapp.episodes.states import EPISODE
from careapp.lifecycle import Lifecycle
from careapp.patients.contacts import keys_of
from careapp.patients.names import words
from careapp.patients.views import ContactPoint
from careapp.prescriptions.states import PRESCRIPTION
from careapp.referrals.states import REFERRAL
from careapp.scheduling.counts import wrong_counts
from careapp.scheduling.states import APPOINTMENT
from tests.bench.conftest import MIDDLE, Generated

WHERE = {"episode": "episodes", "appointment": "appointments", "prescription": "prescriptions",
         "referral": "diagnostics_referrals"}  # fmt: skip
FIRST = {("episode", "open"), ("appointment", "book"), ("prescription", "issue"), ("referral", "refer")}


@pytest.fixture(scope="module")
def whole(generated: Generated) -> Iterator[psycopg.Connection[Any]]:
    """All tenants' rows at once, as the superuser reads them."""
    address = localdb.libpq_url(generated.database.whole)
    with psycopg.connect(address, options="-c search_path=care,public", row_factory=namedtuple_row) as connection:
        yield connection


def count(connection: psycopg.Connection[Any], statement: str) -> int:
    """The only number of a statement."""
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])


def test_there_is_as_much_as_was_asked_for(whole: psycopg.Connection[Any]) -> None:
    counts = {table: count(whole, f"SELECT count(*) FROM {table}") for table in COLUMNS}
    assert counts["provider_slots"] == MIDDLE.tenants * MIDDLE.slots
    assert counts["patients"] == MIDDLE.tenants * MIDDLE.patients
    for table in ("appointments", "episodes"):
        assert counts[table] >= 0.95 * counts["provider_slots"], table
    assert min(counts.values()) > 0, counts


def test_a_slot_counts_who_comes_to_it(whole: psycopg.Connection[Any], large: APIFlask, generated: Generated) -> None:
    wrong = """SELECT count(*) FROM provider_slots s WHERE booked <> (SELECT count(*) FROM appointments a
      WHERE a.tenant_id = s.tenant_id AND a.slot_id = s.id AND a.status <> 'CANCELLED'
        AND (a.provider_id, a.clinic_id, a.starts_at, a.ends_at) = (s.provider_id, s.clinic_id, s.starts_at, s.ends_at))
      OR (status = 'BOOKED') <> (booked = capacity) OR (status = 'BLOCKED' AND booked > 0)"""
    assert count(whole, wrong) == 0
    with large.app_context(), tenancy.bound(generated.tenants[0][0]):
        assert wrong_counts(generated.tenants[0][0]) == []


def test_an_episode_counts_what_stands_in_it(whole: psycopg.Connection[Any]) -> None:
    wrong = """SELECT count(*) FROM episodes e,
      LATERAL (SELECT count(*) FILTER (WHERE status IN ('ARRIVED', 'IN_PROGRESS', 'ATTENDED')) AS seen,
                      count(*) FILTER (WHERE status NOT IN ('ATTENDED', 'NO_SHOW', 'CANCELLED')) AS open,
                      bool_and(a.patient_id = e.patient_id) IS NOT false AS same
               FROM appointments a WHERE a.tenant_id = e.tenant_id AND a.episode_id = e.id) a,
      LATERAL (SELECT count(*) FILTER (WHERE status IN ('REFERRED', 'BOOKED')) AS open
               FROM diagnostics_referrals r WHERE r.tenant_id = e.tenant_id AND r.episode_id = e.id) r
      WHERE (e.seen, e.open_appointments, e.open_referrals) <> (a.seen, a.open, r.open) OR NOT a.same
         OR (e.status <> 'OPEN' AND a.open + r.open > 0) OR (e.status = 'OPEN') <> (closed_at IS NULL)
         OR (e.status = 'CLOSED') <> (summary IS NOT NULL)"""
    assert count(whole, wrong) == 0
    assert count(whole, "SELECT count(DISTINCT coalesce(stage, status)) FROM episodes") == 6, "every stage and end"


def test_where_an_episode_was_last_is_its_latest_appointment(whole: psycopg.Connection[Any]) -> None:
    wrong = """SELECT count(*) FROM episodes e LEFT JOIN LATERAL (
        SELECT provider_id, clinic_id FROM appointments a WHERE a.tenant_id = e.tenant_id AND a.episode_id = e.id
          AND EXISTS (SELECT FROM appointments b WHERE b.tenant_id = e.tenant_id AND b.episode_id = e.id
                      AND b.status IN ('ATTENDED', 'NO_SHOW', 'CANCELLED'))
        ORDER BY a.status = 'CANCELLED', a.starts_at DESC, a.id DESC LIMIT 1) AS last ON true
      WHERE (e.last_provider_id, e.last_clinic_id) IS DISTINCT FROM (last.provider_id, last.clinic_id)"""
    assert count(whole, wrong) == 0


@pytest.mark.parametrize("lifecycle", [EPISODE, APPOINTMENT, PRESCRIPTION, REFERRAL], ids=lambda one: one.entity)
def test_the_history_leads_to_the_state_by_allowed_moves(whole: psycopg.Connection[Any], lifecycle: Lifecycle) -> None:
    table = WHERE[lifecycle.entity]
    moves = whole.execute(
        "SELECT action, from_status, to_status, lag(to_status) OVER mine AS before, lag(at) OVER mine <= at AS in_time"
        " FROM status_changes WHERE entity = %s"
        " WINDOW mine AS (PARTITION BY tenant_id, entity_id ORDER BY id)", [lifecycle.entity],
    ).fetchall()  # fmt: skip
    assert moves
    for move in moves:
        assert move.from_status == move.before
        assert move.in_time is not False
        if move.from_status is None:
            assert (lifecycle.entity, move.action) in FIRST
        else:
            transition = lifecycle.transition(move.action)
            assert move.from_status in transition.sources
            assert move.to_status == transition.target
    wrong = f"""SELECT count(*) FROM {table} t LEFT JOIN LATERAL (
        SELECT to_status, locator, at FROM status_changes h WHERE h.tenant_id = t.tenant_id
          AND h.entity = '{lifecycle.entity}' AND h.entity_id = t.id ORDER BY id DESC LIMIT 1) AS last ON true
      WHERE (t.status, t.locator) IS DISTINCT FROM (last.to_status, last.locator) OR last.at > now()"""
    assert count(whole, wrong) == 0


def test_history_is_in_the_order_of_time(whole: psycopg.Connection[Any]) -> None:
    wrong = """SELECT count(*) FROM (SELECT at < lag(at) OVER (PARTITION BY tenant_id ORDER BY id) AS back
      FROM status_changes) AS changes WHERE back"""
    assert count(whole, wrong) == 0


def test_patients_are_found_by_what_is_known_of_them(whole: psycopg.Connection[Any]) -> None:
    found = whole.execute(
        """SELECT family, given, telecom,
          (SELECT array_agg(word) FROM patient_name_words w WHERE w.tenant_id = p.tenant_id AND w.patient_id = p.id)
            AS words,
          (SELECT array_agg(kind || value) FROM patient_keys k WHERE k.tenant_id = p.tenant_id AND k.patient_id = p.id)
            AS keys FROM patients p"""
    ).fetchall()
    assert found
    for one in found:
        assert sorted(one.words) == sorted(words(" ".join([*one.given, one.family])))
        expected = keys_of([ContactPoint.model_validate(point) for point in one.telecom], [])
        assert set(one.keys) == {kind + value for kind, value in expected}


def test_audit_and_outbox_agree_with_themselves(whole: psycopg.Connection[Any]) -> None:
    named = """SELECT count(*) FROM audit_event a WHERE patients <> (SELECT array_agg(patient) FROM audit_patients p
      WHERE p.tenant_id = a.tenant_id AND p.event_id = a.id AND p.at = a.at)"""
    assert count(whole, named) == 0
    beyond = """SELECT count(*) FROM outbox_sent o LEFT JOIN outbox_head h USING (tenant_id, key)
      WHERE h.sequence IS NULL OR o.sequence > h.sequence OR published_at IS NULL
        OR envelope ->> 'sequence' <> lpad(o.sequence::text, 10, '0') OR envelope ->> 'id' <> event_id::text"""
    assert count(whole, beyond) == 0
    assert count(whole, "SELECT count(*) FROM outbox_sent") > 0


def test_each_row_is_seen_by_its_own_tenant(whole: psycopg.Connection[Any], generated: Generated) -> None:
    seen = dict.fromkeys(COLUMNS, 0)
    with psycopg.connect(localdb.libpq_url(generated.database.app)) as connection:
        for tenant_id, _ in generated.tenants:
            connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id)])
            for table in COLUMNS:
                seen[table] += count(connection, f"SELECT count(*) FROM {table}")
            connection.rollback()
    for table in set(COLUMNS) - tenancy.TABLES_WITHOUT_TENANT:
        assert seen[table] == count(whole, f"SELECT count(*) FROM {table}"), table


def test_what_is_made_next_gets_an_id_of_its_own(whole: psycopg.Connection[Any]) -> None:
    tables = {one: one for one in ("patients", "episodes", "appointments", "status_changes", "audit_event")}
    for numbered, table in {**tables, "outbox": "outbox_sent"}.items():
        free = "SELECT nextval(pg_get_serial_sequence('care." + numbered + "', 'id'))"
        assert count(whole, free) > count(whole, f"SELECT max(id) FROM {table}")
