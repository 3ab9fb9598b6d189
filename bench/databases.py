"""The benchmark's databases: filled ones, kept in `var/bench` for the next run, and copies of them to work on.

The server is an embedded PostgreSQL of its own, with fsync on; its pg_stat_statements tells the database's time.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import psycopg
from psycopg import sql

from bench.generator import SIZES, WORKERS, fill, progress
from bench.servers import DATABASE, ROOT, VAR, Database, migrate
from careapp import localdb
from careapp.localdb import Addresses, libpq_url
from careapp.localdb.bootstrap import OWNER, bootstrap, configure_database

GENERATOR = ("generator.py", "rows.py", "people.py", "visits.py", "courses.py")


def filled_database(size: str) -> Database:
    """The generated database of that size, made if there is none; its server ends with who uses it last."""
    return _kept(_server(), size)


@contextmanager
def working_copy(size: str) -> Iterator[Database]:
    """A copy of the generated database, to be changed and thrown away."""
    server = _server()
    kept = _kept(server, size)
    with _connected(server) as connection:
        _run(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", DATABASE)
        _run(connection, "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY OWNER {}", DATABASE, kept.name, OWNER)
    configure_database(server.superuser, DATABASE)
    yield _database(server, DATABASE)
    with _connected(server) as connection:
        _run(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", DATABASE)


def _server() -> Addresses:
    """The server in `var/bench/postgres`."""
    os.environ.pop("CAREAPP_LOCALDB_OPTIONS", None)  # tests turn fsync off with it
    VAR.mkdir(parents=True, exist_ok=True)
    return localdb.lease(VAR / "postgres")


def _kept(server: Addresses, size: str) -> Database:
    """The database of that size on the newest schema; one that another generator made is dropped and made anew."""
    digest = hashlib.sha256(b"".join((ROOT / "bench" / name).read_bytes() for name in GENERATOR)).hexdigest()[:8]
    name, begun = f"{DATABASE}_{size}_{digest}", f"{DATABASE}_{size}_begun"
    with _connected(server) as connection:
        found = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{DATABASE}_{size}_%"])
        there = {row[0] for row in found}
        for old in there - {name}:
            _run(connection, "DROP DATABASE {} WITH (FORCE)", old)
    if name in there:
        migrate(server.for_database(name).owner)
        return _database(server, name)
    bootstrap(server.superuser, database=begun)
    migrate(server.for_database(begun).owner)
    made = _database(server, begun)
    fill_and_tell(made, size)
    with _connected(server) as connection:
        _run(connection, "ALTER DATABASE {} RENAME TO {}", begun, name)
    return _database(server, name)


def fill_and_tell(made: Database, size: str) -> None:
    """Fill it, and say at the end in one line how many rows that were and how long it took, VACUUM ANALYZE included.

    It stands here because a change of the generator's own files has every database made anew.
    """
    began, shown, rows = monotonic(), progress(SIZES[size]), 0

    def tell(done: int, so_far: int) -> None:
        nonlocal rows
        rows = so_far
        shown(done, so_far)

    fill(made.superuser, made.addresses.owner, SIZES[size], tell=tell, workers=WORKERS)
    print(f"{size}: {rows:,} rows in {monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _database(server: Addresses, name: str) -> Database:
    with _connected(server) as connection:
        version = connection.info.parameter_status("server_version") or "unknown"
    leader = int((VAR / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    return Database(server.for_database(name), leader, version, name)


def _connected(server: Addresses) -> psycopg.Connection[Any]:
    return psycopg.connect(libpq_url(server.superuser), autocommit=True)


def _run(connection: psycopg.Connection[Any], statement: str, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
