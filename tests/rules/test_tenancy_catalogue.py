"""The catalogue: every table, key, policy, view and role keeps tenants apart, and a forgotten table fails by itself."""

from collections.abc import Iterator

import psycopg
import pytest

from careapp import localdb
from careapp.cli.doctor.walls import APPEND_ONLY, Connection, faults, tenant_tables
from careapp.tenancy import TABLES_WITHOUT_TENANT
from tests.database import TestDatabase

RULE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::int"
PLAIN = "CREATE TABLE bad (tenant_id int NOT NULL)"
PROTECTED = (
    "ALTER TABLE bad ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE bad FORCE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON bad USING ({RULE}) WITH CHECK ({RULE})",
)


@pytest.fixture
def owner(database: TestDatabase) -> Iterator[Connection]:
    """The owner's connection; what a test makes in it is rolled back."""
    with psycopg.connect(localdb.libpq_url(database.owner)) as connection:
        yield connection
        connection.rollback()


def test_nothing_in_the_catalogue_lets_one_tenant_reach_another(owner: Connection) -> None:
    assert faults(owner) == []
    assert len(tenant_tables(owner)) > 15


def test_every_excused_table_exists(owner: Connection) -> None:
    for table in TABLES_WITHOUT_TENANT:
        assert owner.execute("SELECT to_regclass(%s)", [f"care.{table}"]).fetchone() != (None,), table


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        (("CREATE TABLE bad (id int PRIMARY KEY)",), "bad has no tenant_id integer NOT NULL"),
        (("CREATE TABLE bad (tenant_id int, id int)",), "bad has no tenant_id integer NOT NULL"),
        (("CREATE TABLE bad (tenant_id text NOT NULL)",), "bad has no tenant_id integer NOT NULL"),
        ((PLAIN,), "bad has no forced row-level security"),
        ((PLAIN, PROTECTED[0]), "bad has no forced row-level security"),
        ((PLAIN, *PROTECTED[:2]), "bad has no policy for the tenant"),
        (
            ("CREATE TABLE bad (tenant_id int, id int, PRIMARY KEY (id, tenant_id))", *PROTECTED),
            "bad_pkey of bad does not begin with tenant_id",
        ),
        (
            ("CREATE TABLE bad (tenant_id int NOT NULL, mail text UNIQUE)", *PROTECTED),
            "bad_mail_key of bad does not begin with tenant_id",
        ),
        (
            ("CREATE TABLE bad (tenant_id int NOT NULL, room int, EXCLUDE (room WITH =))", *PROTECTED),
            "bad_room_excl of bad does not begin with tenant_id",
        ),
        (
            ("CREATE TABLE bad (tenant_id int NOT NULL, shard smallint REFERENCES outbox_shard)", *PROTECTED),
            "bad_shard_fkey of bad does not begin with tenant_id",
        ),
        (
            (PLAIN, *PROTECTED[:2], f"CREATE POLICY tenant ON bad FOR SELECT USING ({RULE})"),
            "bad has no policy for the tenant",
        ),
        (
            (PLAIN, *PROTECTED, "CREATE POLICY open ON bad USING (true)"),
            "policy open of bad is not the tenant's",
        ),
        (
            ("CREATE POLICY open ON patients TO care_relay USING (true)",),
            "policy open of patients is not the tenant's",
        ),
        (("CREATE VIEW bad AS SELECT * FROM patients",), "view bad is no security_invoker"),
        (("CREATE MATERIALIZED VIEW bad AS SELECT 1 AS one",), "bad is a materialized view"),
        (
            ("CREATE FUNCTION bad() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",),
            "function bad sets no search_path",
        ),
        (("GRANT TRUNCATE ON patients TO care_app",), "care_app may empty patients"),
        (("ALTER TABLE patients NO FORCE ROW LEVEL SECURITY",), "patients has no forced row-level security"),
        (
            ("ALTER TABLE audit_event_other NO FORCE ROW LEVEL SECURITY",),
            "audit_event_other has no forced row-level security",
        ),
        (("DROP POLICY tenant ON audit_event_other",), "audit_event_other has no policy for the tenant"),
        (
            ("GRANT SELECT (at) ON audit_event_other TO care_app",),
            "care_app may address audit_event_other past its parent",
        ),
        (
            ("GRANT INSERT ON audit_patients_other TO care_relay",),
            "care_relay may address audit_patients_other past its parent",
        ),
        (("DROP TRIGGER never_emptied ON audit_event_other",), "audit_event_other has no trigger never_emptied"),
        (("ALTER TABLE audit_seal DISABLE TRIGGER append_only",), "audit_seal has no trigger append_only"),
        (
            ("GRANT EXECUTE ON FUNCTION audit_make_partitions(int) TO care_app",),
            "function audit_make_partitions lends the app role its owner's rights",
        ),
    ],
)
def test_the_check_names_what_is_wrong(owner: Connection, statements: tuple[str, ...], named: str) -> None:
    for statement in statements:
        owner.execute(statement)
    assert named in faults(owner)


CHANGES = ("UPDATE {} SET tenant_id = tenant_id", "DELETE FROM {}", "TRUNCATE {}")
# A value for each column of an append-only table that must have one.
REQUIRED = {
    "audit_event": {"actor": "'a'", "action": "'a'", "outcome": "'done'", "patients": "'{}'", "detail": "'{}'"},
    "audit_patients": {"patient": "'p'", "at": "now()", "event_id": "1"},
    "audit_seal": {
        "n": "1", "version": "1", "chain": "1", "after_id": "0", "xid_from": "'0'", "xid_to": "'9'",
        "sealed_at": "now()", "ids": "'{}'", "digests": "'{}'", "prev": "''", "hash": "''",
    },
    "audit_retired": {"part": "'p'", "until": "now()", "ids": "'{}'", "rows": "0", "hash": "''", "retired_by": "'x'"},
    "status_changes": {"entity": "'e'", "entity_id": "1", "locator": "'l'", "to_status": "'s'", "action": "'a'",
                       "actor": "'a'"},
}  # fmt: skip


@pytest.mark.parametrize("role", ["app", "relay"])
@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", CHANGES)
def test_neither_app_nor_relay_may_change_history(
    database: TestDatabase, table: str, statement: str, role: str
) -> None:
    with psycopg.connect(localdb.libpq_url(getattr(database, role))) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
            connection.execute(statement.format(table))
        connection.rollback()


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", CHANGES)
def test_triggers_refuse_a_change_of_history_even_to_the_owner(owner: Connection, table: str, statement: str) -> None:
    owner.execute("SELECT set_config('app.tenant_id', '2000000000', true)")
    required = REQUIRED[table]
    owner.execute(
        f"INSERT INTO {table} (tenant_id, {', '.join(required)}) VALUES (2000000000, {', '.join(required.values())})"
    )
    [place] = owner.execute(f"SELECT DISTINCT tableoid::regclass::text FROM {table}").fetchall()[0]
    for name in {table, str(place)}:  # a partition can be addressed as well
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is append-only"), owner.transaction():
            owner.execute(statement.format(name))


@pytest.mark.parametrize("role", ["app", "relay"])
def test_no_partition_is_reached_past_its_parent(database: TestDatabase, owner: Connection, role: str) -> None:
    parts = set(tenant_tables(owner, partitions=True)) - set(tenant_tables(owner))
    assert {"audit_event_other", "audit_patients_other", "outbox_sent_other"} < parts
    with psycopg.connect(localdb.libpq_url(getattr(database, role)), autocommit=True) as connection:
        for part in parts:
            for statement in ("SELECT FROM {}", "INSERT INTO {} DEFAULT VALUES", *CHANGES):
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
                    connection.execute(statement.format(part))


@pytest.mark.parametrize("table", ["audit_seal", "audit_retired"])
def test_the_app_role_makes_no_seal_and_no_partition(database: TestDatabase, table: str) -> None:
    names, values = ", ".join(REQUIRED[table]), ", ".join(REQUIRED[table].values())
    with psycopg.connect(localdb.libpq_url(database.app), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
            connection.execute(f"INSERT INTO {table} (tenant_id, {names}) VALUES (1, {values})")
        partition = ("make_partitions('outbox_sent', 'day', 1)", "drop_sent_days(7)", "audit_make_partitions(1)")
        protect = ("protect_partition('outbox_sent', 'x')", "audit_protect_partition('x')")
        for call in ("audit_seal_next(1, 1)", "audit_new_chain(1)", *partition, *protect):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for function"):
                connection.execute(f"SELECT {call}")


def test_the_relay_writes_no_audit_row(database: TestDatabase) -> None:
    with psycopg.connect(localdb.libpq_url(database.relay), autocommit=True) as connection:
        for table in ("audit_event", "audit_patients", "audit_retired"):
            names, values = ", ".join(REQUIRED[table]), ", ".join(REQUIRED[table].values())
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
                connection.execute(f"INSERT INTO {table} (tenant_id, {names}) VALUES (1, {values})")


def test_the_app_role_may_not_forge_time_transaction_or_number_of_an_audit_row(database: TestDatabase) -> None:
    for column, value in (("at", "now()"), ("xid", "'7'"), ("id", "7")):
        with psycopg.connect(localdb.libpq_url(database.app)) as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(
                    f"INSERT INTO audit_event (tenant_id, {column}) OVERRIDING SYSTEM VALUE VALUES (1, {value})"
                )
            connection.rollback()


def test_the_app_role_may_only_hold_back_or_release_an_event(database: TestDatabase) -> None:
    with psycopg.connect(localdb.libpq_url(database.app), autocommit=True) as connection:
        for column in ("parked_at", "next_at", "withheld_at"):
            connection.execute(f"UPDATE outbox SET {column} = now() WHERE false")
        for column in ("envelope", "published_at", "topic", "tenant_id", "attempts"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"UPDATE outbox SET {column} = NULL WHERE false")
        for statement in (
            "DELETE FROM outbox", "DELETE FROM outbox_sent", "UPDATE outbox_sent SET topic = 'x'",
            "INSERT INTO outbox_sent DEFAULT VALUES", "SELECT * FROM outbox_shard", "UPDATE tenants SET name = 'x'",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
