"""Plans of the lists people wait for: as the app role, with a full tenant, none reads a large table from end to end."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from sqlalchemy import event

from careapp import localdb, tenancy
from careapp.access import Actor
from careapp.db import db
from careapp.episodes import queries as episode_queries
from careapp.errors import Conflict
from careapp.operations.tenants import create_tenant
from careapp.patients import queries as patient_queries
from careapp.scheduling import appointments, changes
from careapp.scheduling import queries as scheduling_queries
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.database import TestDatabase
from tests.looking import rows

MANY = 20_000
LARGE = {"patients", "patient_name_words", "episodes", "provider_slots", "appointments"}

SEED = (
    "INSERT INTO patients (tenant_id, family, given, gender, birth_date, created_at) SELECT %(tenant)s, 'Name' || n,"
    " ARRAY['Given'], 'other', date '1950-01-01' + n %% 20000, now() - n * interval '1 minute'"
    " FROM generate_series(1, %(many)s) n",
    "INSERT INTO patient_name_words SELECT %(tenant)s, unnest(ARRAY[lower(family), 'given']), id FROM patients",
    "INSERT INTO providers (tenant_id, name, specialty, status) SELECT %(tenant)s, 'Dr ' || n, 'GP', 'ACTIVE'"
    " FROM generate_series(1, 50) n",
    "INSERT INTO episodes (tenant_id, patient_id, care_type, status, opened_at) SELECT %(tenant)s, id, 'GP',"
    " CASE WHEN id %% 10 = 0 THEN 'OPEN' ELSE 'CLOSED' END, created_at FROM patients",
    "INSERT INTO provider_slots (tenant_id, provider_id, starts_at, ends_at, booked, status) SELECT %(tenant)s, p.id,"
    " at + n * interval '1 hour', at + (n + 1) * interval '1 hour',"
    " (n <= 380)::int, CASE WHEN n <= 380 THEN 'BOOKED' ELSE 'AVAILABLE' END"
    " FROM providers p, generate_series(1, %(many)s / 50) n, date_trunc('hour', now() - interval '200 hours') at",
    "INSERT INTO appointments (tenant_id, episode_id, patient_id, provider_id, slot_id, starts_at, ends_at, busy_until,"
    " status) SELECT %(tenant)s, e.id, e.patient_id, s.provider_id, s.id, s.starts_at, s.ends_at, s.ends_at,"
    " CASE WHEN s.starts_at < now() THEN 'ATTENDED' ELSE 'BOOKED' END"
    " FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM provider_slots WHERE booked = 1) s"
    " JOIN (SELECT *, row_number() OVER (ORDER BY id) AS n FROM episodes) e USING (n)",
)


@pytest.fixture(scope="module")
def full(app: APIFlask, database: TestDatabase) -> Iterator[Actor]:
    """Somebody in a tenant with 20,000 patients, episodes, slots and nearly as many appointments.

    Statistics are exact and stay as they are, so that the same plans come out every time.
    """
    key = "full"
    god = everything(TestTenant(create_tenant(database.owner, key=key, name=key, time_zone="Asia/Yangon"), key))
    with psycopg.connect(localdb.libpq_url(database.owner), autocommit=True) as owner:
        owner.execute("SET default_statistics_target = 1000")
        for table in LARGE:
            owner.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        with psycopg.connect(localdb.libpq_url(database.app)) as connection:
            connection.execute("SET statement_timeout = 0")
            connection.execute("SET enable_nestloop = off")  # no statistics yet: the seed itself must not crawl
            connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(god.tenant_id)])
            for statement in SEED:
                connection.execute(statement, {"tenant": god.tenant_id, "many": MANY})
        for table in (*LARGE, "providers"):
            owner.execute(f"ANALYZE {table}")
        yield god
        for table in LARGE:
            owner.execute(f"ALTER TABLE {table} RESET (autovacuum_enabled)")


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """The SELECT statements sent meanwhile, with their values."""
    sent: list[tuple[str, Any]] = []

    def keep(connection: Any, cursor: Any, statement: str, values: Any, context: Any, executemany: bool) -> None:
        if statement.lstrip().upper().startswith("SELECT") and "set_config" not in statement:
            sent.append((statement, values))

    event.listen(db.engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        event.remove(db.engine, "before_cursor_execute", keep)


def whole_reads(actor: Actor, statement: str, values: Any) -> list[str]:
    """Large tables that the statement's plan reads from end to end."""
    db.session.rollback()
    with tenancy.bound(actor.tenant_id):
        explained = db.session.connection().exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()
        db.session.rollback()
    found: list[str] = []

    def walk(node: dict[str, Any]) -> None:
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE:
            found.append(node["Relation Name"])
        for inner in node.get("Plans", ()):
            walk(inner)

    walk((json.loads(explained) if isinstance(explained, str) else explained)[0]["Plan"])
    return found


def a_locator(actor: Actor, table: str, where: str = "true") -> str:
    """The locator of the first row of a table; the comment marks a statement as the test's own."""
    statement = f"/* the test's own */ SELECT locator FROM {table} WHERE {where} ORDER BY id LIMIT 1"
    return str(rows(actor, statement)[0].locator)


def book_a_full_slot(actor: Actor) -> None:
    """A booking that is refused, so that other slots are looked for."""
    episode, slot = a_locator(actor, "episodes", "status = 'OPEN'"), "status = 'BOOKED' AND starts_at > now()"
    with pytest.raises(Conflict):
        appointments.book(actor, episode, slot_locator=a_locator(actor, "provider_slots", slot))


def reschedule_beside_another(actor: Actor) -> None:
    """A move that looks for clashes of patient and provider."""
    where = "status = 'BOOKED' AND episode_id IN (SELECT id FROM episodes WHERE status = 'OPEN')"
    free = a_locator(actor, "provider_slots", "status = 'AVAILABLE'")
    changes.reschedule(actor, a_locator(actor, "appointments", where), slot_locator=free)


def week_of_a_provider(actor: Actor) -> None:
    """Seven days of slots."""
    provider, start = a_locator(actor, "providers"), make.soon(0)
    scheduling_queries.list_slots(actor, provider, start=start, end=start + timedelta(days=7), limit=200)


def second_page(listed: Callable[..., Any]) -> None:
    """The page behind the first of a long list."""
    cursor = listed(limit=50).next_cursor
    assert cursor is not None
    listed(limit=50, cursor=cursor)


READS: dict[str, Callable[[Actor], Any]] = {
    "episodes, newest first": lambda a: second_page(lambda **page: episode_queries.list_episodes(a, **page)),
    "episodes of a stage": lambda a: second_page(lambda **page: episode_queries.list_episodes(a, stage="NEW", **page)),
    "open episodes": lambda a: second_page(lambda **page: episode_queries.list_episodes(a, status="OPEN", **page)),
    "episodes of a patient": lambda a: episode_queries.list_episodes(a, party=a_locator(a, "patients")),
    "an episode": lambda a: episode_queries.get_episode(a, a_locator(a, "episodes")),
    "a week of a provider": week_of_a_provider,
    "all slots of a provider": lambda a: second_page(
        lambda **page: scheduling_queries.list_slots(a, a_locator(a, "providers"), **page)
    ),
    "appointments of an episode": lambda a: scheduling_queries.list_appointments(a, a_locator(a, "episodes")),
    "an appointment": lambda a: scheduling_queries.get_appointment(a, a_locator(a, "appointments")),
    "patients, newest first": lambda a: second_page(lambda **page: patient_queries.list_patients(a, **page)),
    "patients by a rare name": lambda a: patient_queries.search_patients(a, name="name1234"),
    "patients by a name nobody has": lambda a: patient_queries.search_patients(a, name="xyz"),
    "patients by two words": lambda a: patient_queries.search_patients(a, name="name1234 giv"),
    "patients by a name all have": lambda a: second_page(
        lambda **page: patient_queries.search_patients(a, name="given", **page)
    ),
    "patients by birth date": lambda a: patient_queries.search_patients(a, birth_date=date(1960, 1, 1)),
    "patients by locator": lambda a: patient_queries.search_patients(a, locator=a_locator(a, "patients")),
    "why a booking is refused, and what else is free": book_a_full_slot,
    "whether a move clashes": reschedule_beside_another,
}


@pytest.mark.parametrize("name", READS)
def test_no_large_table_is_read_from_end_to_end(full: Actor, name: str) -> None:
    with statements() as sent:
        READS[name](full)
    assert sent
    for statement, values in sent:
        assert whole_reads(full, statement, values) == [], statement


def test_the_check_notices_a_whole_read(full: Actor) -> None:
    assert whole_reads(full, "SELECT * FROM patients WHERE lower(family) = 'name7'", None) == ["patients"]
    like = "SELECT * FROM patient_name_words WHERE word LIKE 'name7%%'"
    assert whole_reads(full, like, None) == ["patient_name_words"]
