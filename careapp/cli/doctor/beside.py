"""Checks of what stands before or beside the database, where it is set: a pooler, and a replica for late reads."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg

from careapp.cli.doctor.report import CONNECT_SECONDS, UNWISE, WELL, WRONG, CannotCheck, Installation, check
from careapp.localdb import libpq_url
from careapp.operations.connections import OF_A_SESSION

Found = Iterator[tuple[str, str, str]]
Connection = psycopg.Connection[Any]

ROUNDS = 20  # in which two clients of a pooler meet on one session, if ever
MARK = "4321ms"  # a value nobody else sets
LOOK_SECONDS = 0.1
REFUSES_OPTIONS = "unsupported startup parameter"  # PgBouncer, where a client brings settings of its own
REFUSES_TRANSACTIONS = "transaction blocks not allowed"  # PgBouncer in statement mode


@check("pooler", "the pooler before the database gives each transaction a session, and settings end with it")
def pooler(at: Installation) -> Found:
    """DATABASE_POOLER says how DATABASE_URL is spoken to; here two clients try whether that is so."""
    if at.settings.database_pooler == "none":
        if _refuses_settings(at.address("app")):
            yield (WRONG, "DATABASE_URL leads to a pooler, and DATABASE_POOLER is none: nothing can connect.",
                   "Set DATABASE_POOLER=transaction for web; jobs go straight to PostgreSQL.")  # fmt: skip
            return
        raise CannotCheck("DATABASE_POOLER is none.")
    if not at.addresses.get("health"):
        yield (UNWISE, "DATABASE_HEALTH_URL is not set: a full queue at the pooler is taken for a database that hangs.",
               "Give it a database of its own at the pooler (docs/operations/scaling.md).")  # fmt: skip
    with ExitStack() as ending:
        first, second = (ending.enter_context(_as_web(at.address("app"))) for _ in range(2))
        try:
            yield from _settings_that_stay(first)
            yield from _sessions_kept(first, second)
        except psycopg.Error as error:
            if REFUSES_TRANSACTIONS not in str(error):
                raise
            yield WRONG, "The pooler is in statement mode: no transaction is possible.", "Set pool_mode = transaction."


def _refuses_settings(address: str) -> bool:
    """Whether who answers takes no settings with the first word, as a pooler does not, and PostgreSQL does."""
    try:
        with psycopg.connect(libpq_url(address), connect_timeout=CONNECT_SECONDS, options=OF_A_SESSION["options"]):
            return False
    except psycopg.OperationalError as error:
        if REFUSES_OPTIONS in str(error):
            return True
        raise


def _as_web(address: str) -> Connection:
    """A connection as web opens one to a pooler: without settings, and no statement is prepared by name."""
    return psycopg.connect(
        libpq_url(address), connect_timeout=CONNECT_SECONDS, application_name="careapp doctor", prepare_threshold=None,
        autocommit=True,
    )  # fmt: skip


def _settings_that_stay(connection: Connection) -> Found:
    """Settings hold for a transaction, over more statements than a driver needs to begin preparing them."""
    for number in range(ROUNDS):
        with connection.transaction():
            connection.execute("SET TRANSACTION READ ONLY")
            connection.execute(f"SET LOCAL lock_timeout = '{MARK}'")
            inside = connection.execute("SELECT current_setting('lock_timeout'), %s::int", [number]).fetchone()
        [(after,)] = connection.execute("SELECT current_setting('lock_timeout')").fetchall()
        if inside != (MARK, number) or after == MARK:
            yield (WRONG, "A setting holds for less or more than its transaction: a tenant could see another's rows.",
                   "See what the pooler does to SET LOCAL; with PgBouncer nothing has to be set for it.")  # fmt: skip
            return


def _sessions_kept(first: Connection, second: Connection) -> Found:
    """Each client keeps its own session, unless it comes upon another, or upon the other's: a pooler that hands out its
    sessions in turn gives neither client the other's.
    """
    for _ in range(ROUNDS):
        [(one,)], [(again,)], [(other,)] = (
            connection.execute("SELECT pg_backend_pid()").fetchall() for connection in (first, first, second)
        )
        if one != again or one == other:
            return
    yield (UNWISE, "Each client keeps a session of the database to itself: no pooler is there, or in session mode.",
           "Set pool_mode = transaction, or DATABASE_POOLER=none.")  # fmt: skip


@check("replica", "the replica follows this database, and is as near as late reads need it")
def replica(at: Installation) -> Found:
    """Whether it answers, and as whom, the check `database` says; whether it is encrypted, `transport`."""
    if not at.addresses.get("replica"):
        raise CannotCheck("DATABASE_REPLICA_URL is not set: every read goes to the primary.")
    with at.connect("replica") as copy, at.connect("app") as primary:
        [(follows, feedback, receives)] = copy.execute(
            "SELECT pg_is_in_recovery(), current_setting('hot_standby_feedback') = 'on',"
            " EXISTS (SELECT FROM pg_stat_wal_receiver)"
        ).fetchall()
        if not follows:
            yield (WRONG, "DATABASE_REPLICA_URL leads to no replica: it was promoted, or is a primary.",
                   "Point it at a standby; after a failover DATABASE_URL has to lead to the new primary.")  # fmt: skip
            return
        if _system(copy) != _system(primary):
            yield WRONG, "The replica is a copy of another server than DATABASE_URL's.", "Correct one of the addresses."
            return
        if not receives:
            yield (UNWISE, "The replica receives nothing from its primary at present.",
                   "Look at primary_conninfo and its log; from an archive alone it is always late.")  # fmt: skip
        if not feedback:
            yield (UNWISE, "hot_standby_feedback is off: long reads are cancelled and asked again of the primary.",
                   "Set hot_standby_feedback = on at the replica.")  # fmt: skip
        yield _lag(copy, primary, at.settings.replica_longest_lag_seconds)


def _system(connection: Connection) -> int:
    """By what a server and its copies are known."""
    [(number,)] = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchall()
    return int(number)


def _lag(copy: Connection, primary: Connection, longest: float) -> tuple[str, str, str]:
    """How long the copy takes to get where the primary is now."""
    [(there,)] = primary.execute("SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint").fetchall()
    began = time.monotonic()
    while True:
        [(behind,)] = copy.execute(
            "SELECT greatest(0, %s - coalesce(pg_last_wal_replay_lsn() - '0/0', 0))::bigint", [there]
        ).fetchall()
        taken = time.monotonic() - began
        if not behind:
            return WELL, f"The replica had what the primary had after {taken:.1f} seconds.", ""
        if taken > longest:
            return (
                WRONG, f"The replica is {behind / 2**20:.1f} MB behind, and was not there in {longest:g} seconds.",
                "Is it paused, slow, or cut off? Meanwhile all reads go to the primary.",
            )  # fmt: skip
        time.sleep(LOOK_SECONDS)
