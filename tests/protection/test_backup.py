"""The drill: back up while people work, restore into a new database, and find everything there, walls included."""

import hashlib
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from psycopg import sql

from careapp.access import Actor
from careapp.audit import sealer
from careapp.audit.verify import Report, reading, verify
from careapp.cli.doctor.walls import faults
from careapp.db import db
from careapp.episodes import service as episodes
from careapp.episodes.queries import get_episode
from careapp.localdb import libpq_url
from careapp.operations.backups import BackupFailed, back_up, program_for, restore_into
from tests import factories as make
from tests.audit.sealing import seal
from tests.conftest import make_app
from tests.database import TestDatabase

GRANTS = """SELECT c.relname, relkind::text, relrowsecurity, relforcerowsecurity, relowner::regrole::text, relacl::text
FROM pg_class c WHERE relnamespace = 'care'::regnamespace ORDER BY 1"""
COLUMNS = """SELECT attrelid::regclass::text, attname, attacl::text
FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
WHERE relnamespace = 'care'::regnamespace AND attacl IS NOT NULL ORDER BY 1, 2"""
POLICIES = "SELECT tablename, policyname, roles::text, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2"
TRIGGERS = """SELECT tgrelid::regclass::text, pg_get_triggerdef(oid), tgenabled::text FROM pg_trigger
WHERE NOT tgisinternal ORDER BY 1, 2"""
FUNCTIONS = """SELECT proname, proowner::regrole::text, proacl::text, proconfig::text, pg_get_functiondef(oid)
FROM pg_proc WHERE pronamespace = 'care'::regnamespace ORDER BY 1"""
CONSTRAINTS = """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
WHERE connamespace = 'care'::regnamespace ORDER BY 1, 2"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'care' ORDER BY 1, 2"
SETTINGS = """SELECT rolname, setconfig::text FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = setrole
WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1"""


@pytest.fixture
def restored(database: TestDatabase) -> Iterator[TestDatabase]:
    """Where the backup goes: a database that is not there yet."""
    target = TestDatabase.at(database.superuser, f"care_restored_{uuid.uuid4().hex[:8]}")
    yield target
    target.drop()


def as_backup(database: TestDatabase) -> str:
    """The address of the role that makes backups."""
    return database.app.replace("care_app", "care_backup")


def connected(database: TestDatabase) -> psycopg.Connection[Any]:
    """As a superuser, who sees all rows."""
    return psycopg.connect(libpq_url(database.superuser), dbname=database.name, options="-c search_path=care,public")


def contents(connection: psycopg.Connection[Any]) -> dict[str, tuple[int, str]]:
    """Every table with its number of rows and one checksum over all of them, in the order of their text."""
    found = {}
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'care' ORDER BY 1"
    for (table,) in connection.execute(tables).fetchall():
        rows = connection.execute(sql.SQL("SELECT t::text FROM care.{} t ORDER BY 1").format(sql.Identifier(table)))
        digest, count = hashlib.sha256(), 0
        for (row,) in rows:
            digest.update(row.encode())
            count += 1
        found[table] = (count, digest.hexdigest())
    return found


def test_everything_comes_back_while_people_go_on_working(
    app: APIFlask, god: Actor, database: TestDatabase, restored: TestDatabase, tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    closed = make.an_episode(god)
    episodes.close(god, closed.locator, summary="Well again")
    make.an_appointment(god, notes="Her notes")
    make.a_prescription(god)
    make.a_referral(god)
    assert seal(database.relay, god.tenant_id) > 0
    file = tmp_path / "care.dump"
    stop, written = threading.Event(), []

    def work() -> None:
        with app.app_context():
            while not stop.is_set():
                written.append(make.an_episode(god).locator)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        while not written:
            stop.wait(0.01)
        back_up(as_backup(database), file)
    finally:
        stop.set()
        worker.join()
    db.session.remove()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["care.dump"], "nothing unfinished is left"
    restore_into(database.superuser, restored.name, file)
    with connected(restored) as there:
        [(in_it,)] = there.execute(
            "SELECT count(*) FROM care.episodes WHERE tenant_id = %s", [god.tenant_id]
        ).fetchall()
        pairs = there.execute(
            "SELECT count(*) FROM care.episodes e WHERE tenant_id = %s AND 1 = (SELECT count(*) FROM care.outbox o"
            " WHERE o.tenant_id = e.tenant_id AND o.key = e.locator AND o.sequence = 1)"
            " AND EXISTS (SELECT FROM care.audit_event a WHERE a.tenant_id = e.tenant_id AND a.subject = e.locator)",
            [god.tenant_id],
        ).fetchall()
    assert 4 < in_it <= 4 + len(written) + 1
    assert pairs == [(in_it,)], "one snapshot: each episode is there with its event and its audit row, or not at all"
    its_log_is_what_was_sealed(restored, god)
    with sealer.connected(restored.relay) as connection:
        assert sealer.new_chain(connection, god.tenant_id), (
            "as `flask audit new-chain` does, before anything is written"
        )
    the_application_serves_it(restored, god, closed.locator, tmp_path_factory)
    assert seal(restored.relay, god.tenant_id) > 0
    its_log_is_what_was_sealed(restored, god)


def its_log_is_what_was_sealed(restored: TestDatabase, god: Actor) -> None:
    """As `flask audit verify` finds it."""
    report = Report(god.tenant_key)
    with reading(restored.relay) as connection:
        assert list(verify(connection, god.tenant_id, report)) == []
    assert report.seals > 0


def the_application_serves_it(
    restored: TestDatabase, god: Actor, locator: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As the app role: it reads, decrypts and writes, and numbers go on where they were."""
    with make_app(restored, tmp_path_factory.mktemp("var")).app_context():
        assert get_episode(god, locator).summary == "Well again"
        assert make.an_episode(god).locator > locator
        db.session.remove()
        db.engine.dispose()


def test_a_quiet_database_comes_back_row_for_row_with_all_its_walls(
    god: Actor, database: TestDatabase, tmp_path: Path
) -> None:
    """Counts, checksums, grants, policies, triggers, functions, constraints, indexes, sequences: as they were."""
    make.an_appointment(god, notes="Her notes")
    db.session.remove()
    file, target = tmp_path / "care.dump", TestDatabase.at(database.superuser, f"care_restored_{uuid.uuid4().hex[:8]}")
    try:
        with connected(database) as here:
            before = contents(here)
            walls = {asked: here.execute(asked).fetchall() for asked in (GRANTS, COLUMNS, POLICIES, TRIGGERS, FUNCTIONS,
                                                                        CONSTRAINTS, INDEXES, SETTINGS)}  # fmt: skip
            numbers = sequences(here)
        back_up(as_backup(database), file)
        assert restore_into(database.superuser, target.name, file) > 0
        with connected(target) as there:
            assert contents(there) == before
            assert {asked: there.execute(asked).fetchall() for asked in walls} == walls
            assert sequences(there) == numbers
            assert faults(there) == []
        assert sum(count for count, _ in before.values()) > 100
        with pytest.raises(BackupFailed, match="is there already"):
            back_up(as_backup(database), file)
        with pytest.raises(BackupFailed, match="already; choose another name"):
            restore_into(database.superuser, target.name, file)
    finally:
        target.drop()


def sequences(connection: psycopg.Connection[Any]) -> list[Any]:
    """Where each sequence stands."""
    found = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'care' ORDER BY 1"
    return connection.execute(found).fetchall()


def test_a_damaged_backup_leaves_no_half_of_a_database(
    database: TestDatabase, restored: TestDatabase, tmp_path: Path
) -> None:
    file = tmp_path / "care.dump"
    back_up(as_backup(database), file)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BackupFailed, match="pg_restore says"):
        restore_into(database.superuser, restored.name, file)
    with psycopg.connect(libpq_url(database.superuser)) as connection:
        there = connection.execute("SELECT FROM pg_database WHERE datname = %s", [restored.name]).fetchall()
    assert there == []


def test_only_the_role_of_backups_can_make_one(database: TestDatabase, tmp_path: Path) -> None:
    """Row-level security would leave rows out: pg_dump refuses instead, and nothing is left behind."""
    for address in (database.app, database.owner):
        with pytest.raises(BackupFailed, match="pg_dump says"):
            back_up(address, tmp_path / "care.dump")
    assert list(tmp_path.iterdir()) == []


def test_the_role_of_backups_reads_and_does_nothing_else(god: Actor, database: TestDatabase) -> None:
    make.a_patient(god)
    with psycopg.connect(libpq_url(as_backup(database))) as connection:
        assert connection.execute("SELECT count(*) FROM care.patients").fetchall() != [(0,)], "of whatever tenant"
        rights = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'care'::regnamespace AND relkind IN ('r', 'p') AND"
            " has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
        ).fetchall()
        assert rights == []
        unread = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'care'::regnamespace AND relkind IN ('r', 'p') AND NOT"
            " has_table_privilege(oid, 'SELECT')"
        ).fetchall()
        assert unread == []
        powers = (
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles"
            " WHERE rolname = current_user"
        )
        assert connection.execute(powers).fetchall() == [(False, False, False, False, True)]
        groups = "SELECT roleid FROM pg_auth_members WHERE member = current_user::regrole"
        assert connection.execute(groups).fetchall() == []


def test_the_program_is_never_older_than_the_server() -> None:
    with pytest.raises(BackupFailed, match="PostgreSQL 99 or newer"):
        program_for("pg_dump", 99)


def test_the_command_writes_to_standard_output_for_a_program_that_encrypts(
    app: APIFlask, database: TestDatabase, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setitem(app.config, "DATABASE_BACKUP_URL", as_backup(database))
    back_up(as_backup(database), None)
    assert capfdbinary.readouterr().out.startswith(b"PGDMP")
    runner = app.test_cli_runner()
    monkeypatch.setitem(app.config, "DATABASE_BACKUP_URL", None)
    told = runner.invoke(args=["backup", "somewhere"])
    assert (told.exit_code, "DATABASE_BACKUP_URL" in told.output) == (1, True)
