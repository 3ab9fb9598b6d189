"""Checks of the PostgreSQL server: who is let in as whom, its version, schema, settings, and how many may connect."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
from alembic.script import ScriptDirectory

from careapp.cli.doctor import walls
from careapp.cli.doctor.report import UNWISE, WRONG, CannotCheck, Installation, check, variable_of
from careapp.localdb.bootstrap import OLDEST_VERSION
from careapp.operations.database_health import MIGRATIONS
from careapp.operations.serving_role import UnsafeDatabase, refuse_unsafe

Found = Iterator[tuple[str, str, str]]

NEEDED = ("app", "relay")  # by the serving processes
SERVED_BY_APP = ("replica", "health")  # addresses of other servers, or ways, for the app role
EXTENSIONS = {"btree_gist": WRONG, "pg_stat_statements": UNWISE}
JOBS_CONNECTIONS = 5  # of the relay role: two relays, sealer, figures, one to spare
BESIDE = 5  # for commands, backups, people with psql

_PLACE = "SELECT current_database()::text, system_identifier FROM pg_control_system()"

# Setting, the values that are right, how bad another one is, and what comes of it.
WANTED: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("fsync", ("on",), WRONG, "a power cut destroys the database"),
    ("full_page_writes", ("on",), WRONG, "a power cut destroys pages of the database"),
    ("synchronous_commit", ("on", "remote_apply", "remote_write"), WRONG, "a crash loses what was acknowledged"),
    ("autovacuum", ("on",), WRONG, "tables grow without end"),
    ("server_encoding", ("UTF8",), WRONG, "names in other scripts cannot be kept"),
    ("password_encryption", ("scram-sha-256",), WRONG, "passwords of roles are kept as MD5"),
    ("wal_level", ("replica", "logical"), UNWISE, "no restore to a moment, no replica"),
    ("archive_mode", ("on", "always"), UNWISE, "a restore goes back to the last dump, not to a moment"),
    ("log_statement", ("none",), UNWISE, "texts about patients stand in the server's log"),
    ("log_error_verbosity", ("terse",), UNWISE, "rows about patients stand in the server's log"),
    ("log_parameter_max_length", ("0",), UNWISE, "values about patients may stand in the server's log"),
    ("log_parameter_max_length_on_error", ("0",), UNWISE, "values about patients may stand in the server's log"),
)


@check("database", "the same database answers every role whose address is set, in a version that will do")
def database(at: Installation) -> Found:
    """Each of the addresses, as web, jobs and commands use them."""
    for role, address in at.addresses.items():
        if address is None:
            if role in NEEDED:
                said = f"{variable_of(role)} is not set: {'web' if role == 'app' else 'jobs'} cannot work."
                yield WRONG, said, "Set it, see docs/operations/configuration.md."
            continue
        yield from _answers(at, role)
    yield from _elsewhere(at)


def _elsewhere(at: Installation) -> Found:
    """Addresses of another database than web's: after a restore one is easily forgotten, and what it is for goes on in
    the old one, unnoticed.
    """
    places = {}
    for role, address in at.addresses.items():
        with suppress(psycopg.OperationalError):
            if address is not None:
                with at.connect(role) as connection:
                    [places[role]] = connection.execute(_PLACE).fetchall()
    served = places.pop("app", None)
    for role, place in places.items():
        if served and place != served:
            yield (WRONG, f"{variable_of(role)} leads to another database, {place[0]}, than DATABASE_URL, {served[0]}.",
                   "Correct one of them; after a restore all addresses name the new database.")  # fmt: skip


def _answers(at: Installation, role: str) -> Found:
    try:
        with at.connect(role) as connection:
            [(user,)] = connection.execute("SELECT current_user").fetchall()
            version = connection.info.server_version
    except psycopg.OperationalError as error:
        why = "refuses" if "FATAL" in str(error) else "does not answer"
        yield (
            WRONG,
            f"The database {why} at {variable_of(role)}.",
            "Is it up, and are address, role and password right?",
        )
        return
    right = "care_app" if role in SERVED_BY_APP else f"care_{role}"
    if user != right:
        yield WRONG, f"{variable_of(role)} signs in as {user}, not as {right}.", "Put the right role in."
    if version < OLDEST_VERSION:
        yield WRONG, f"PostgreSQL {version // 10000} is too old.", "Move to 15 or newer."


@check("roles", "roles have no powers beyond their grants, and find the tables")
def roles(at: Installation) -> Found:
    """No superuser, no BYPASSRLS, no owner serves; what check_at_start asks, for both processes."""
    for role in NEEDED:
        if at.addresses.get(role):
            with at.connect_as_served(role) as connection:
                try:
                    refuse_unsafe(connection, f"care_{role}")
                except UnsafeDatabase as error:
                    yield WRONG, f"{variable_of(role)}: {error}.", "The process refuses to start like this."
                if connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",):
                    yield (WRONG, f"{variable_of(role)}: nothing can be written, default_transaction_read_only is on.",
                           "Reset it, for the role or the database that has it.")  # fmt: skip


@check("walls", "row-level security is on and forced on every table of tenants, and history cannot be changed")
def tenant_walls(at: Installation) -> Found:
    """The same list of faults that the tests hold the migrations to."""
    with at.any_role() as connection:
        for fault in walls.faults(connection):
            yield WRONG, f"{fault}.", "Somebody changed it by hand: compare with a database made by the migrations."


@check("grants", "each role may do with the tables what the migrations gave it, and nobody else anything")
def grants(at: Installation) -> Found:
    """What the roles need, what they must not have, and whether others have anything."""
    with at.any_role() as connection:
        for text in walls.wrong_grants(connection):
            yield WRONG, f"{text}.", "Somebody granted or revoked by hand: undo it as care_owner."


@check("extensions", "extensions are there")
def extensions(at: Installation) -> Found:
    """btree_gist keeps times from overlapping; the statistics are for people who tune."""
    with at.connect("app") as connection:
        there = {name for (name,) in connection.execute("SELECT extname FROM pg_extension")}
    for name, state in EXTENSIONS.items():
        if name not in there:
            yield state, f"The extension {name} is missing.", "Run `flask database bootstrap` as a superuser."


@check("schema", "the schema is as new as the code")
def schema(at: Installation) -> Found:
    """An older schema is not served; a newer one is, as migrations only add."""
    script = ScriptDirectory(str(MIGRATIONS))
    known = {one.revision for one in script.walk_revisions()}
    with at.connect("app") as connection:
        try:
            found = {name for (name,) in connection.execute("SELECT version_num FROM alembic_version")}
        except psycopg.errors.UndefinedTable:
            found = set()
    if not found:
        yield WRONG, "The database has no tables.", "Run `flask --app wsgi db upgrade`."
    elif found - known:
        yield (UNWISE, f"The database is at {_named(found)}, which this version does not know.",
               "Fine during an upgrade or after a rollback; otherwise install the newer version.")  # fmt: skip
    elif found != set(script.get_heads()):
        yield (WRONG, f"The database is at migration {_named(found)}, the code at {_named(script.get_heads())}.",
               "Run `flask --app wsgi db upgrade` (docs/operations/upgrade.md).")  # fmt: skip


def _named(revisions: Any) -> str:
    return ", ".join(sorted(revisions))


@check("server", "PostgreSQL's own settings keep what was written, and patients out of its log")
def server(at: Installation) -> Found:
    """The settings a session of the app role has, and the limits on its statements."""
    with at.connect("app") as connection:
        now = dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())
        limits = dict(
            part.split("=", 1) for (parts,) in connection.execute(
                "SELECT setconfig FROM pg_db_role_setting WHERE setrole = current_user::regrole AND setdatabase IN"
                " (0, (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY setdatabase"
            ) for part in parts
        )  # fmt: skip
    for name, right, state, consequence in WANTED:
        if now[name] not in right:
            yield state, f"{name} is {now[name]}: {consequence}.", f"Set {name} = {right[0]}."
    for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
        if limits.get(name, "0") in ("0", "0s", "0ms"):
            yield (WRONG, f"care_app has no {name}: one request can hold others up for ever.",
                   "Run `flask database bootstrap`, which sets it.")  # fmt: skip


@check("connections", "the server lets in as many connections as the processes open")
def connections(at: Installation) -> Found:
    """One machine's worth: with more machines, give the sum to `max_connections` or put a pooler between."""
    given = at.settings
    if given.database_pooler != "none":
        raise CannotCheck("A pooler stands between: its pool_size counts at the server.")
    wanted = given.database_pool_size * (given.web_workers + 1) + JOBS_CONNECTIONS + BESIDE
    with at.connect("app") as connection:
        [(allowed, of_role)] = connection.execute(
            "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,"
            " rolconnlimit FROM pg_roles WHERE rolname = current_user"
        ).fetchall()
    least = min(allowed, of_role) if of_role >= 0 else allowed
    if least < wanted:
        yield (WRONG, f"The processes of one machine may open {wanted} connections; the server allows {least}.",
               "Raise max_connections, or lower WEB_WORKERS or DATABASE_POOL_SIZE.")  # fmt: skip


@check("archive", "the write-ahead log is being archived, where it is to be")
def archive(at: Installation) -> Found:
    """An archive that fails keeps the server's disk filling, and a restore to a moment from reaching it."""
    with at.connect("app") as connection:
        [(mode, failing, last)] = connection.execute(
            "SELECT current_setting('archive_mode'), last_failed_time > coalesce(last_archived_time, '-infinity'),"
            " last_archived_time::text FROM pg_stat_archiver"
        ).fetchall()
    if mode == "off":
        raise CannotCheck("archive_mode is off.")
    if failing:
        yield (WRONG, f"The server cannot archive its log since {last or 'its start'}.",
               "Look at archive_command and the room where it writes.")  # fmt: skip
