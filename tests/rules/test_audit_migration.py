"""An installation from before the log had partitions: its rows stay, and the version before still writes."""

from collections.abc import Iterator

import psycopg
import pytest
from alembic import command
from alembic.config import Config as AlembicConfig

from careapp import localdb
from careapp.localdb.bootstrap import bootstrap
from tests.conftest import ROOT
from tests.database import TestDatabase

OLD, NEW = "0006", "0007"
# As the version before wrote it.
WRITE = """
WITH written AS (
  INSERT INTO audit_event (tenant_id, actor, on_behalf_of, action, outcome, subject, patients, request_id, detail)
  VALUES (1, 'user:1', NULL, 'patient.read', 'seen', 'PTY-2026-000001', ARRAY['PTY-2026-000001'], NULL, '{}')
  RETURNING tenant_id, id, at, patients)
INSERT INTO audit_patients (tenant_id, patient, at, event_id)
SELECT tenant_id, unnest(patients), at, id FROM written ON CONFLICT DO NOTHING RETURNING event_id"""


@pytest.fixture
def bare(database: TestDatabase) -> Iterator[TestDatabase]:
    """A database with the roles and nothing else."""
    name = f"{database.name}_old"
    bootstrap(database.superuser, database=name)
    made = TestDatabase.at(database.superuser, name)
    yield made
    made.drop()


def migrate(database: TestDatabase, revision: str) -> None:
    """Bring the database to a revision, up or down."""
    config = AlembicConfig(ROOT / "migrations" / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["owner_url"] = database.owner
    (command.downgrade if revision == OLD and current(database) > OLD else command.upgrade)(config, revision)


def current(database: TestDatabase) -> str:
    """The revision a database is at; empty where there is none."""
    with psycopg.connect(localdb.libpq_url(database.owner)) as owner:
        if owner.execute("SELECT to_regclass('care.alembic_version')").fetchone() == (None,):
            return ""
        [(revision,)] = owner.execute("SELECT version_num FROM alembic_version").fetchall()
    return str(revision)


def app_of(database: TestDatabase) -> psycopg.Connection[tuple[int]]:
    """A connection of the app role, bound to the one tenant."""
    connection = psycopg.connect(localdb.libpq_url(database.app), autocommit=True)
    connection.execute("SELECT set_config('app.tenant_id', '1', false)")
    return connection


def rows(connection: psycopg.Connection[tuple[int]], columns: str) -> list[tuple[object, ...]]:
    """The log, oldest first."""
    return connection.execute(f"SELECT {columns} FROM audit_event ORDER BY id").fetchall()


def test_old_rows_stay_and_the_version_before_still_writes(bare: TestDatabase) -> None:
    migrate(bare, OLD)
    with psycopg.connect(localdb.libpq_url(bare.owner)) as owner:
        owner.execute("INSERT INTO tenants (key, name, time_zone) VALUES ('old', 'Old', 'UTC')")
    columns = "id, at, xid::text, actor, action, outcome, subject, patients, detail"
    with app_of(bare) as connection:
        written = [connection.execute(WRITE).fetchall()[0][0] for _ in range(3)]
        before = rows(connection, columns)
        migrate(bare, NEW)
        assert rows(connection, columns) == before
        [added] = connection.execute(WRITE).fetchall()[0]
        assert added > max(written)
        assert rows(connection, "purpose") == [("TREAT",)] * 4
        kept = connection.execute("SELECT event_id FROM audit_patients ORDER BY 1").fetchall()
        assert kept == [(number,) for number in (*written, added)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
            connection.execute("SELECT FROM audit_event_before")
        after = rows(connection, columns)
        migrate(bare, OLD)
        assert rows(connection, columns) == after
        assert connection.execute(WRITE).fetchall()[0][0] > added
        migrate(bare, NEW)
        assert rows(connection, columns)[:4] == after
