"""Plans of the lists people wait for and of the commands they press: as the app role, with a full tenant, none reads a
large table from end to end.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from sqlalchemy import event

from careapp import clock, localdb, tenancy
from careapp.access import Actor
from careapp.db import db
from careapp.episodes import queries as episode_queries
from careapp.episodes import service as episodes
from careapp.errors import Conflict
from careapp.operations import audit_chain, audit_search
from careapp.operations.audit_search import AuditFilter
from careapp.operations.tenants import create_tenant
from careapp.overviews import board, next_free, timeline, walk_in
from careapp.overviews import patients as patient_overview
from careapp.overviews import referrals as referral_overview
from careapp.overviews import today as day_list
from careapp.overviews.board_choices import Filter
from careapp.overviews.calendar import Asked, calendar_version, get_calendar
from careapp.overviews.referrals import Wanted
from careapp.partitions import PARTITION
from careapp.patients import queries as patient_queries
from careapp.patients import registering
from careapp.patients.views import ContactPoint, HumanName
from careapp.scheduling import appointments, changes
from careapp.scheduling import queries as scheduling_queries
from tests import factories as make
from tests.bench.plans import PLANNED
from tests.conftest import TestTenant, application, everything
from tests.database import TestDatabase
from tests.looking import id_of, rows

MANY = 20_000
LARGE = {
    "audit_event",
    "audit_patients",
    "patients",
    "patient_name_words",
    "patient_keys",
    "diagnostics_referrals",
    "episodes",
    "provider_slots",
    "appointments",
    "status_changes",
}

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

SEED_AUDIT = (
    "WITH written AS (INSERT INTO audit_event (tenant_id, actor, action, outcome, subject, patients, detail)"
    " SELECT tenant_id, 'user:' || id %% 200, CASE id %% 500 WHEN 0 THEN 'user.disable' ELSE 'episode.read' END,"
    " CASE id %% 100 WHEN 0 THEN 'refused' ELSE 'seen' END, 'EPI-2026-' || lpad(id::text, 6, '0'), ARRAY[locator], '{}'"
    " FROM patients RETURNING tenant_id, id, at, patients)"
    " INSERT INTO audit_patients SELECT tenant_id, unnest(patients), at, id FROM written",
)


# Half of the open episodes have begun: with an appointment ahead or with one behind them. A few are of a rare kind.
SEED_BOARD = (
    "INSERT INTO clinics (tenant_id, name, time_zone) SELECT %(tenant)s, 'Clinic ' || n, 'Asia/Yangon'"
    " FROM generate_series(1, 5) n",
    "UPDATE appointments a SET clinic_id = c.id FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM clinics) c"
    " WHERE c.n = 1 + a.id %% 5",
    "UPDATE episodes e SET care_type = CASE WHEN e.patient_id %% 500 = 0 THEN 'POST_ACUTE' ELSE 'GP' END,"
    " seen = (a.status = 'ATTENDED')::int, open_appointments = (a.status = 'BOOKED')::int,"
    " last_provider_id = CASE WHEN a.status = 'ATTENDED' THEN a.provider_id END,"
    " last_clinic_id = CASE WHEN a.status = 'ATTENDED' THEN a.clinic_id END"
    " FROM appointments a WHERE a.episode_id = e.id AND e.status = 'OPEN' AND e.patient_id %% 20 = 0",
    "INSERT INTO status_changes (tenant_id, episode_id, entity, entity_id, locator, action, to_status, actor)"
    " SELECT tenant_id, id, 'episode', id, locator, 'open', 'OPEN', 'user:1' FROM episodes UNION ALL"
    " SELECT tenant_id, episode_id, 'appointment', id, locator, 'book', 'BOOKED', 'user:1' FROM appointments",
)

# One referral in ten is open, and these lie together in the table, as new rows do; the others were completed over a
# year, one after the other. One patient in two has a phone.
SEED_REFERRALS = (
    "INSERT INTO diagnostics_referrals (tenant_id, episode_id, patient_id, type, priority, reason, status, referred_at,"
    " status_at, due_at) SELECT tenant_id, id, patient_id, 'LAB', CASE id %% 500 WHEN 0 THEN 'STAT' ELSE 'ROUTINE' END,"
    " 'Count', state, opened_at, now() - (id %% %(many)s) * interval '400 days' / %(many)s,"
    " CASE WHEN state <> 'COMPLETED' THEN now() + (id %% 20 - 1) * interval '1 day' END"
    " FROM episodes, LATERAL (SELECT CASE id %% %(many)s * 20 / %(many)s WHEN 0 THEN 'REFERRED' WHEN 10 THEN 'BOOKED'"
    " ELSE 'COMPLETED' END) AS one (state)",
    "INSERT INTO patient_keys SELECT tenant_id, 'PHONE', lpad(id::text, 8, '5'), id FROM patients WHERE id %% 2 = 0",
)


# Ten thousand visits of each of two years past, of episodes long over, in those years' partitions.
PAST_YEARS = (clock.now().year - 3, clock.now().year - 2)
SEED_FILED = (
    "INSERT INTO provider_slots (tenant_id, provider_id, starts_at, ends_at, booked, status) SELECT %(tenant)s, p.id,"
    " at + n * interval '1 hour', at + (n + 1) * interval '1 hour', 1, 'BOOKED'"
    " FROM providers p, generate_series(1, %(many)s / 100) n, make_timestamptz(%(year)s, 1, 1, 0, 0, 0) at",
    "INSERT INTO appointments (tenant_id, episode_id, patient_id, provider_id, slot_id, starts_at, ends_at, busy_until,"
    " status, filed_year, clinic_id) SELECT %(tenant)s, e.id, e.patient_id, s.provider_id, s.id, s.starts_at,"
    " s.ends_at, s.ends_at, 'ATTENDED', %(year)s, (SELECT min(id) FROM clinics)"
    " FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM provider_slots"
    "  WHERE starts_at BETWEEN make_date(%(year)s, 1, 1) AND make_date(%(year)s, 2, 1)) s"
    " JOIN (SELECT *, row_number() OVER (ORDER BY id) AS n FROM episodes WHERE status = 'CLOSED') e USING (n)",
)


def search(auditor: Actor, **parts: Any) -> None:
    """The newest of the audit log that meet a filter, and what comes after them."""
    page = audit_search.search_audit(auditor, AuditFilter(**parts), limit=20)
    if page.next_cursor:
        audit_search.search_audit(auditor, AuditFilter(**parts), limit=20, cursor=page.next_cursor)


@pytest.fixture(scope="module")
def database() -> Iterator[TestDatabase]:
    """A database of this file alone: rows of others would change the plans, and these rows slow down who counts all."""
    with TestDatabase.apart() as made:
        yield made


@pytest.fixture(scope="module")
def app(database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[APIFlask]:
    """The application on it, as the app role."""
    with application(database, tmp_path_factory.mktemp("full")) as made:
        yield made


@pytest.fixture(scope="module")
def full(app: APIFlask, database: TestDatabase) -> Actor:
    """Somebody in a tenant with 20,000 patients, episodes, slots and nearly as many appointments.

    Statistics are exact and stay as they are, so that the same plans come out every time.
    """
    key = "full"
    god = everything(TestTenant(create_tenant(database.owner, key=key, name=key, time_zone="Asia/Yangon"), key))
    with psycopg.connect(localdb.libpq_url(database.owner), autocommit=True) as owner:
        owner.execute("SET default_statistics_target = 1000")
        with psycopg.connect(localdb.libpq_url(database.relay)) as relay:
            relay.execute("SELECT make_appointment_year(one) FROM unnest(%s) AS one", [list(PAST_YEARS)])
        for table in (part for name in LARGE for part in parts_of(owner, name)):
            owner.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        with psycopg.connect(localdb.libpq_url(database.app)) as connection:
            connection.execute("SET statement_timeout = 0")
            connection.execute("SET enable_nestloop = off")  # no statistics yet: the seed itself must not crawl
            connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(god.tenant_id)])
            for statement in (*SEED, *SEED_AUDIT, *SEED_BOARD, *SEED_REFERRALS):
                connection.execute(statement, {"tenant": god.tenant_id, "many": MANY})
            for year in PAST_YEARS:
                for statement in SEED_FILED:
                    connection.execute(statement, {"tenant": god.tenant_id, "many": MANY, "year": year})
        for table in (*LARGE, "providers", "clinics"):
            owner.execute(f"ANALYZE {table}")
    return god


def parts_of(owner: psycopg.Connection[Any], table: str) -> list[str]:
    """What holds a table's rows: its partitions, or the table itself."""
    found = owner.execute(
        "SELECT relid::regclass::text FROM pg_partition_tree(%s) WHERE isleaf UNION SELECT %s WHERE NOT EXISTS"
        " (SELECT FROM pg_partition_tree(%s))",
        [table, table, table],
    )
    return [part for (part,) in found]


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """The statements with a plan that are sent meanwhile, with their values."""
    sent: list[tuple[str, Any]] = []

    def keep(connection: Any, cursor: Any, statement: str, values: Any, context: Any, executemany: bool) -> None:
        if PLANNED.match(statement) and "set_config" not in statement:
            sent.append((statement, values))

    event.listen(db.engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        event.remove(db.engine, "before_cursor_execute", keep)


def whole_reads(actor: Actor, statement: str, values: Any) -> list[str]:
    """Large tables that the statement's plan reads from end to end."""
    names = ((node["Node Type"], node.get("Relation Name", "")) for node in plan_of(actor, statement, values))
    return [name for kind, name in names if kind == "Seq Scan" and table_behind(name) in LARGE]


def plan_of(actor: Actor, statement: str, values: Any) -> list[dict[str, Any]]:
    """All nodes of a statement's plan."""
    db.session.rollback()
    with tenancy.bound(actor.tenant_id):
        explained = db.session.connection().exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()
        db.session.rollback()
    found: list[dict[str, Any]] = []

    def walk(node: dict[str, Any]) -> None:
        found.append(node)
        for inner in node.get("Plans", ()):
            walk(inner)

    walk((json.loads(explained) if isinstance(explained, str) else explained)[0]["Plan"])
    return found


def table_behind(name: str) -> str | None:
    """The table that a partition with rows is of: other months have none here, and reading nothing is quick."""
    partition = PARTITION.fullmatch(name)
    filled = (f"{clock.now():%Y_%m}", "present", *map(str, PAST_YEARS))
    return partition[1] if partition and partition[2] in filled else name


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


def book_and_go_on(actor: Actor) -> None:
    """A booking from its beginning: registered, opened, booked, checked in, prescribed, referred, and all ended."""
    episode = make.an_episode(actor)
    free = "status = 'AVAILABLE' AND starts_at > now() + interval '1 day'"
    booked = appointments.book(actor, episode.locator, slot_locator=a_locator(actor, "provider_slots", free))
    for action in ("confirm", "arrive", "start", "attend"):
        booked = appointments.act(actor, booked.locator, action=action)
    make.a_prescription(actor, episode, status="FILLED")
    make.a_referral(actor, episode, status="CANCELLED")
    episodes.close(actor, episode.locator, summary="Recovered")


def cancel_with_all_in_it(actor: Actor) -> None:
    """An episode cancelled with what is open in it."""
    begun = make.an_episode(actor)
    free = "status = 'AVAILABLE' AND starts_at > now() + interval '2 days'"
    appointments.book(actor, begun.locator, slot_locator=a_locator(actor, "provider_slots", free))
    make.a_referral(actor, begun)
    episodes.cancel(actor, begun.locator, reason="Entered twice")


def week_of_a_provider(actor: Actor) -> None:
    """Seven days of slots."""
    provider, start = a_locator(actor, "providers"), make.soon(0)
    scheduling_queries.list_slots(actor, provider, start=start, end=start + timedelta(days=7), limit=200)


def a_board(actor: Actor, *, clinician: bool = False, clinic: bool = False, care_type: str | None = None) -> None:
    """The board narrowed by these filters, with what is new, and the second page of one of its stages."""
    one = "FROM episodes WHERE last_clinic_id IS NOT NULL AND care_type = 'GP' ORDER BY id LIMIT 1"
    whose = f"id = (SELECT last_{{}}_id {one})"
    wanted = Filter(
        care_type,
        a_locator(actor, "providers", whose.format("provider")) if clinician else None,
        a_locator(actor, "clinics", whose.format("clinic")) if clinic else None,
    )
    shown = board.get_board(actor, wanted, since=1)
    assert sum(column.count for column in shown.columns) > 0
    for column in shown.columns:
        page = board.get_stage(actor, column.stage, wanted, limit=1)
        board.get_stage(actor, column.stage, wanted, limit=1, cursor=page.columns[0].next_cursor)


def an_episode_page(actor: Actor) -> None:
    """An episode with its mark and two pages of its timeline."""
    locator = a_locator(actor, "episodes", "open_appointments > 0")
    timeline.get_episode_mark(actor, locator)
    timeline.get_episode_page(
        actor, locator, limit=1, cursor=timeline.get_episode_page(actor, locator, limit=1).next_cursor
    )


def a_clinics_week(actor: Actor) -> None:
    """What all providers of a clinic offer in the week."""
    get_calendar(actor, Asked(clinic=a_locator(actor, "clinics"), whole_week=True))


def a_day(actor: Actor, *, clinic_ids: frozenset[int] | None = None) -> None:
    """A clinic's day, whether it has changed, and the places somebody who walks in could get there.

    A day after the seeded ones: each of those has every twentieth patient, which is better read by a scan.
    """
    clinic, somebody = a_locator(actor, "clinics"), replace(actor, clinic_ids=clinic_ids)
    day = clock.now().date() + timedelta(days=12)
    day_list.get_day(somebody, day_list.Wanted(clinic=clinic, day=day))
    day_list.get_day_version(somebody, clinic, day=day)
    walk_in.get_walk_in(somebody, clinic, party=a_locator(actor, "patients"))


def second_page(listed: Callable[..., Any]) -> None:
    """The page behind the first of a long list."""
    cursor = listed(limit=50).next_cursor
    assert cursor is not None
    listed(limit=50, cursor=cursor)


def likely_patients(actor: Actor) -> None:
    """A look at who may be the same as somebody new: by name, birth date and phone."""
    registering.find_likely(
        actor, name=HumanName(family="Name1234", given=["Given"]), birth_date=date(1953, 5, 18), gender="other",
        telecom=[ContactPoint(system="phone", value="09 5500 0042")],
    )  # fmt: skip


def column_of_referrals(actor: Actor, wanted: Wanted) -> None:
    """The first pages of each column at length."""
    for status in referral_overview.STATUSES:
        [column] = referral_overview.get_referral_board(actor, wanted, status=status).columns
        if column.next_cursor:
            referral_overview.get_referral_board(actor, wanted, status=status, cursor=column.next_cursor)


READS: dict[str, Callable[[Actor], Any]] = {
    "episodes, newest first": lambda a: second_page(lambda **page: episode_queries.list_episodes(a, **page)),
    "episodes of a stage": lambda a: second_page(lambda **page: episode_queries.list_episodes(a, stage="NEW", **page)),
    "open episodes": lambda a: second_page(lambda **page: episode_queries.list_episodes(a, status="OPEN", **page)),
    "episodes of a patient": lambda a: episode_queries.list_episodes(a, party=a_locator(a, "patients")),
    "an episode": lambda a: episode_queries.get_episode(a, a_locator(a, "episodes")),
    "a week of a provider": week_of_a_provider,
    "a provider's calendar": lambda a: get_calendar(a, Asked(provider=a_locator(a, "providers"))),
    "whether a provider's calendar has changed": lambda a: calendar_version(
        a, provider=a_locator(a, "providers"), clinic=None, specialty=None, first=make.soon().date(), days=7
    ),
    "a clinic's week": a_clinics_week,
    "whether a clinic's week has changed": lambda a: calendar_version(
        a, provider=None, clinic=a_locator(a, "clinics"), specialty=None, first=make.soon().date(), days=7
    ),
    "the next free times of all": lambda a: next_free.find_next_free(a, next_free.Wanted()),
    "the next free times in the mornings for a patient": lambda a: next_free.find_next_free(
        a, next_free.Wanted(specialty="GP", part="MORNING", minutes=30), party=a_locator(a, "patients")
    ),
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
    "patients by phone number": lambda a: patient_queries.search_patients(a, phone="09 5500 0042"),
    "who may be registered already": likely_patients,
    "the page of a patient": lambda a: patient_overview.get_patient_chart(a, a_locator(a, "patients")),
    "the referrals of a patient": lambda a: patient_overview.list_all_referrals(a, a_locator(a, "patients")),
    "the referral board": lambda a: referral_overview.get_referral_board(a, Wanted()),
    "whether the referral board has changed": referral_overview.get_version,
    "a column of the referral board": lambda a: column_of_referrals(a, Wanted()),
    "rare referrals": lambda a: referral_overview.get_referral_board(a, Wanted(priority="STAT", overdue=True)),
    "referrals of a clinic": lambda a: referral_overview.get_referral_board(a, Wanted(clinic=a_locator(a, "clinics"))),
    "my patients' referrals": lambda a: referral_overview.get_referral_board(
        replace(a, provider_id=id_of(a, "providers", a_locator(a, "providers"))), Wanted(mine=True)
    ),
    "why a booking is refused, and what else is free": book_a_full_slot,
    "whether a move clashes": reschedule_beside_another,
    "a booking and all that follows": book_and_go_on,
    "an episode cancelled with what is open in it": cancel_with_all_in_it,
    "the audit log": lambda a: search(a),
    "the audit log of a patient": lambda a: search(a, patient=a_locator(a, "patients")),
    "the audit log of a patient at a time": lambda a: search(
        a, patient=a_locator(a, "patients"), since=clock.now() - timedelta(days=1), until=clock.now()
    ),
    "the audit log of somebody": lambda a: search(a, actor="user:7"),
    "the audit log of something": lambda a: search(a, subject="EPI-2026-000042"),
    "the audit log of a rare act": lambda a: search(a, action="user.disable"),
    "the audit log of a frequent act of somebody": lambda a: search(a, action="episode.read", actor="user:7"),
    "how the chain of the log stands": audit_chain.chain_state,
    "what was refused": lambda a: search(a, outcome="refused"),
    "the audit log of a time": lambda a: search(a, since=clock.now() - timedelta(minutes=5), until=clock.now()),
    "the mark of the board": board.get_board_mark,
    "the board": a_board,
    "the board of a care type": lambda a: a_board(a, care_type="GP"),
    "the board of a rare care type": lambda a: a_board(a, care_type="POST_ACUTE"),
    "the board of a clinician": lambda a: a_board(a, clinician=True),
    "the board of a clinic": lambda a: a_board(a, clinic=True),
    "the board of a clinician at a clinic": lambda a: a_board(a, clinician=True, clinic=True),
    "the board of a care type at a clinic": lambda a: a_board(a, clinic=True, care_type="GP"),
    "an episode page": an_episode_page,
    "today's list of a clinic": a_day,
    "today's list within a scope": lambda a: a_day(
        a, clinic_ids=frozenset({id_of(a, "clinics", a_locator(a, "clinics"))})
    ),
}


@pytest.mark.parametrize("name", READS)
def test_no_large_table_is_read_from_end_to_end(full: Actor, name: str) -> None:
    with statements() as sent:
        READS[name](full)
    assert sent
    for statement, values in sent:
        assert whole_reads(full, statement, values) == [], statement


def test_a_clinics_week_looks_at_what_else_a_provider_has_once_a_slot_and_once_for_its_version(full: Actor) -> None:
    with statements() as sent:
        a_clinics_week(full)
    (week,) = (one for one in sent if "AS offered" in one[0])
    looks = [node for node in plan_of(full, *week) if node.get("Relation Name") == "appointments_present"]
    assert len(looks) == 2
    assert {(node["Node Type"], node["Index Name"]) for node in looks} == {
        ("Index Only Scan", "appointments_ahead_of_provider")
    }
    assert all("provider_id" in node["Index Cond"] for node in looks)
    assert "status IN ('PENDING'" in week[0]  # as values, the plan that is kept reads all of the tenant's for each slot


@pytest.mark.parametrize("whose", ["clinician", "clinic"])
def test_whose_episodes_are_on_a_board_is_read_from_an_index_alone(full: Actor, whose: str) -> None:
    with statements() as sent:
        READS[f"the board of a {whose}"](full)
    index = f"appointments_open_of_{'provider' if whose == 'clinician' else whose}"
    own = (one for one in sent if "the test's own" not in one[0])
    looks = [node for one in own for node in plan_of(full, *one) if node.get("Index Name") == index]
    assert {node["Node Type"] for node in looks} == {"Index Only Scan"}


@pytest.mark.parametrize(
    "name",
    [
        "a clinic's week", "the next free times of all", "whether a move clashes",
        "why a booking is refused, and what else is free", "a booking and all that follows",
        "an episode cancelled with what is open in it", "the board", "the board of a clinician at a clinic",
        "the referral board", "a column of the referral board", "referrals of a clinic", "my patients' referrals",
    ],
)  # fmt: skip
def test_past_years_are_not_looked_at_by_who_works_in_the_present(full: Actor, name: str) -> None:
    with statements() as sent:
        READS[name](full)
    own = [one for one in sent if "the test's own" not in one[0]]
    nodes = (node for one in own for node in plan_of(full, *one) if node["Node Type"] != "ModifyTable")
    seen = {str(node.get("Relation Name")) for node in nodes}
    assert {table for table in seen if table.startswith("appointments")} == {"appointments_present"}


def test_the_check_notices_a_whole_read(full: Actor) -> None:
    past = f"SELECT * FROM appointments WHERE filed_year = {PAST_YEARS[0]}"
    assert whole_reads(full, past, None) == [f"appointments_{PAST_YEARS[0]}"]
    assert whole_reads(full, "SELECT * FROM patients WHERE lower(family) = 'name7'", None) == ["patients"]
    assert table_behind(f"audit_event_{clock.now():%Y_%m}") == "audit_event"
    like = "SELECT * FROM patient_name_words WHERE word LIKE 'name7%%'"
    assert whole_reads(full, like, None) == ["patient_name_words"]
    write = "UPDATE episodes SET seen = seen WHERE care_type || '' = 'GP'"
    assert whole_reads(full, write, None) == ["episodes"]
    with statements() as sent:
        book_and_go_on(full)
    assert {statement.split(maxsplit=1)[0] for statement, _ in sent} == {"SELECT", "WITH", "INSERT", "UPDATE"}
