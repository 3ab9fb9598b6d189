"""A migration that meets a lock gives up soon, lets others through, and is tried again."""

import threading

import psycopg
import pytest

from careapp import localdb
from tests.database import TestDatabase
from tests.migrations.versions import database_before, upgrade

TABLE = "care.patients"  # which a migration of this version adds columns to


def test_others_get_through_while_a_migration_waits(database: TestDatabase) -> None:
    with database_before(database.superuser) as moving:
        done: list[bool] = []

        def migrate() -> None:
            upgrade(moving)
            done.append(True)

        reader = psycopg.connect(localdb.libpq_url(moving.whole))
        reader.execute(f"SELECT count(*) FROM {TABLE}")  # and leaves its transaction open
        migration = threading.Thread(target=migrate)
        migration.start()
        try:
            with psycopg.connect(localdb.libpq_url(moving.whole), autocommit=True) as watching:
                for _ in range(2):  # it comes back for another try
                    _wait_for(watching, True)
                    with psycopg.connect(localdb.libpq_url(moving.app), options="-c statement_timeout=30s") as other:
                        other.execute(f"SELECT count(*) FROM {TABLE}")  # stands behind the migration and gets through
                    _wait_for(watching, False)
            assert done == [], "as long as somebody reads, it does not get its lock"
        finally:
            reader.rollback()
            reader.close()
            migration.join(120)
        assert done == [True]


def test_a_migration_that_waits_for_who_waits_for_it_gives_way(database: TestDatabase) -> None:
    with database_before(database.superuser) as moving:
        with psycopg.connect(localdb.libpq_url(moving.whole), autocommit=True) as superuser:
            # Who looks for a deadlock first is the one that ends: the migration, before it gives up its lock by itself.
            superuser.execute(f"ALTER ROLE care_owner IN DATABASE {moving.name} SET deadlock_timeout = '3s'")
        writer = psycopg.connect(localdb.libpq_url(moving.whole), options="-c deadlock_timeout=60s")
        writer.execute("LOCK TABLE care.audit_patients IN ROW EXCLUSIVE MODE")
        migration = threading.Thread(target=upgrade, args=(moving, "0007"))
        migration.start()
        try:
            with psycopg.connect(localdb.libpq_url(moving.whole), autocommit=True) as watching:
                _wait_for(watching, True)  # it has the audit log, and wants who is named there
                writer.execute("LOCK TABLE care.audit_event IN ROW EXCLUSIVE MODE")
        finally:
            writer.rollback()
            writer.close()
            migration.join(120)
        with psycopg.connect(localdb.libpq_url(moving.whole)) as watching:
            assert watching.execute("SELECT version_num FROM care.alembic_version").fetchone() == ("0007",)


@pytest.mark.parametrize(
    ("before", "to", "table"), [("0014", "0016", "care.appointments"), ("0016", "0018", "care.outbox")]
)
def test_nobody_who_writes_waits_for_an_index(database: TestDatabase, before: str, to: str, table: str) -> None:
    with database_before(database.superuser) as moving:
        upgrade(moving, before)
        writes = f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE NOWAIT"  # as each INSERT does, but without patience
        writer = psycopg.connect(localdb.libpq_url(moving.whole))
        writer.execute(writes)
        migration = threading.Thread(target=upgrade, args=(moving, to))
        migration.start()
        try:
            with psycopg.connect(localdb.libpq_url(moving.whole), autocommit=True) as watching:
                _wait_for(watching, True)
                with psycopg.connect(localdb.libpq_url(moving.whole)) as other:
                    other.execute(writes)
        finally:
            writer.rollback()
            writer.close()
            migration.join(120)
        with psycopg.connect(localdb.libpq_url(moving.whole)) as watching:
            assert watching.execute("SELECT version_num FROM care.alembic_version").fetchone() == (to,)
            assert watching.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)


def test_an_index_half_made_is_made_again(database: TestDatabase) -> None:
    """A try that was ended leaves an index that is written and never read, and a name that is taken."""
    with database_before(database.superuser) as moving:
        upgrade(moving, "0016")
        with (
            psycopg.connect(localdb.libpq_url(moving.whole)) as writer,
            psycopg.connect(localdb.libpq_url(moving.whole), autocommit=True) as ended,
        ):
            writer.execute("LOCK TABLE care.outbox IN ROW EXCLUSIVE MODE")
            ended.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                ended.execute("CREATE INDEX CONCURRENTLY outbox_published ON care.outbox (published_at)")
        with psycopg.connect(localdb.libpq_url(moving.whole)) as watching:
            state = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'care.outbox_published'::regclass"
            assert watching.execute(state).fetchone() == (False,)
            watching.rollback()
            upgrade(moving, "0018")
            assert watching.execute(state).fetchone() == (True,)


def test_an_index_that_is_there_is_left(database: TestDatabase) -> None:
    """A migration that was ended after it made one begins again, when the index before it may be gone already."""
    index = "SELECT 'care.appointments_ahead_of_provider'::regclass::oid"
    with database_before(database.superuser) as moving:
        upgrade(moving, "0021")
        with psycopg.connect(localdb.libpq_url(moving.whole), autocommit=True) as watching:
            made = watching.execute(index).fetchone()
            watching.execute("UPDATE care.alembic_version SET version_num = '0020'")
            upgrade(moving, "0021")
            assert watching.execute(index).fetchone() == made
            assert watching.execute("SELECT version_num FROM care.alembic_version").fetchone() == ("0021",)


def _wait_for(watching: "psycopg.Connection[tuple[object, ...]]", waits: bool) -> None:
    """Return when a migration stands in the queue for a lock, or no longer does."""
    statement = (
        "SELECT count(*) > 0 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted"
        " AND usename = 'care_owner' AND datname = current_database()"
    )
    while True:
        row = watching.execute(statement).fetchone()
        assert row is not None
        if row[0] is waits:
            return
