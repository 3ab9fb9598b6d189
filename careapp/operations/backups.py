"""Backups: the whole database into one file by pg_dump, and back into a new database by pg_restore.

Everything of the tenants' walls travels with it: owners, grants, row-level security, triggers, sequences. The roles do
not, as they belong to the server; `restore` makes them first.
"""

import contextlib
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from careapp.localdb import libpq_url
from careapp.localdb.bootstrap import OWNER, SCHEMA, configure_database, ensure_roles
from careapp.localdb.errors import LocalDatabaseError
from careapp.localdb.server import programs

# What libpq reads from the environment, so that no password stands on a command line, which everybody can list.
VARIABLES = {
    "host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
}  # fmt: skip
DEBIAN = Path("/usr/lib/postgresql")


class BackupFailed(Exception):
    """A backup or a restore did not come to its end; the text says why and holds no row."""


def back_up(url: str, target: Path | None) -> None:
    """Write the database of `url` (as care_backup) to a file only its owner reads, or to standard output for None.

    It is one snapshot: people go on working. The file appears under its name only when it is complete. Raises
    BackupFailed, also where the file is there already.
    """
    command = ["--format=custom", "--compress=6", "--no-password", f"--schema={SCHEMA}", "--schema=public"]
    command += ["--extension=btree_gist", "--extension=pg_stat_statements"]
    if target is None:
        _run(url, "pg_dump", command)
        return
    if target.exists():
        raise BackupFailed(f"{target} is there already")
    unfinished = target.with_name(f"{target.name}.unfinished")
    unfinished.touch(mode=0o600)
    try:
        _run(url, "pg_dump", [*command, f"--file={unfinished}"])
        os.link(unfinished, target)
    except FileExistsError:
        raise BackupFailed(f"{target} is there already") from None
    finally:
        unfinished.unlink(missing_ok=True)


def restore_into(superuser_url: str, name: str, source: Path) -> float:
    """Make the database `name`, which must not be there, from a backup; returns the seconds it took.

    Raises BackupFailed; a database that was begun is dropped again, so nobody takes half of one for a whole.
    """
    began = time.monotonic()
    ensure_roles(superuser_url)
    make = sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0")
    with psycopg.connect(libpq_url(superuser_url), autocommit=True) as connection:
        try:
            connection.execute(make.format(sql.Identifier(name), sql.Identifier(OWNER)))
        except psycopg.errors.DuplicateDatabase:
            raise BackupFailed(f"there is a database {name} already; choose another name") from None
        try:
            options = ["--exit-on-error", "--no-password", f"--dbname={name}", "--clean", "--if-exists", str(source)]
            _run(superuser_url, "pg_restore", options)
            configure_database(superuser_url, name)
        except BaseException:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            raise
    return time.monotonic() - began


def _run(url: str, program: str, arguments: list[str]) -> None:
    given = conninfo_to_dict(libpq_url(url))
    environment = {VARIABLES[key]: str(value) for key, value in given.items() if key in VARIABLES and value}
    passed_on = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR") if name in os.environ}
    found = program_for(program, _server_version(url))
    done = subprocess.run(
        [str(found), *arguments], env={**passed_on, **environment}, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise BackupFailed(f"{program} says: {done.stderr.strip().splitlines()[0] if done.stderr else done.returncode}")


def program_for(program: str, version: int) -> Path:
    """PostgreSQL's program for a server: of the same major version, else the next newer one. Raises BackupFailed."""
    folders = [*DEBIAN.glob("*/bin")]
    if there := shutil.which(program):
        folders.append(Path(there).parent)
    with contextlib.suppress(LocalDatabaseError):  # a production image has the client of its server instead
        folders.append(programs())
    found = {_major(folder / program): folder / program for folder in folders if (folder / program).is_file()}
    fitting = [major for major in found if major >= version]
    if not fitting:
        raise BackupFailed(f"there is no {program} of PostgreSQL {version} or newer on this machine")
    return found[min(fitting)]


def _major(program: Path) -> int:
    told = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"\) ([0-9]+)", told)
    return int(number[1]) if number else 0


def _server_version(url: str) -> int:
    try:
        with psycopg.connect(libpq_url(url)) as connection:
            return connection.info.server_version // 10000
    except psycopg.OperationalError as error:
        raise BackupFailed(f"the database does not answer: {type(error).__name__}") from None
