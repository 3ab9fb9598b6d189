"""The database of a test worker: a clone of a migrated template, reached as owner, app and relay role."""

import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import make_url

from careapp import clock, localdb
from careapp.localdb.bootstrap import BACKUP, ROLES, bootstrap, clone_database

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class TestDatabase:
    """Addresses of one database for its roles, and how to make and drop it."""

    __test__ = False

    name: str
    superuser: str
    app: str
    owner: str
    relay: str

    @classmethod
    def make(cls, directory: Path) -> "TestDatabase":
        """A fresh clone of the template; the template is made once a day for each state of the migrations."""
        superuser = os.environ.get("CAREAPP_TEST_SUPERUSER_URL") or _embedded(directory)
        template = f"care_template_{_migrations_digest()}"
        name = f"care_test_{uuid.uuid4().hex[:10]}"
        directory.mkdir(parents=True, exist_ok=True)
        with open(directory / "template.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _exists(superuser, f"{template}_ready"):
                _make_template(superuser, template)
            clone_database(superuser, template, name)
        return cls.at(superuser, name)

    @classmethod
    @contextmanager
    def apart(cls, folder: str = "tests") -> Iterator["TestDatabase"]:
        """A database that nobody else uses until the end of the block, of the server in var/`folder`."""
        made = cls.make(ROOT / "var" / folder)
        try:
            yield made
        finally:
            made.drop()

    @classmethod
    def at(cls, superuser: str, name: str) -> "TestDatabase":
        """The addresses of database `name` on the server of `superuser`."""
        roles = {role: _as_role(superuser, role, name) for role in ("care_app", "care_owner", "care_relay")}
        return cls(name, superuser, roles["care_app"], roles["care_owner"], roles["care_relay"])

    @property
    def whole(self) -> str:
        """This database as its superuser, whom no row-level security holds; `superuser` itself leads to another one."""
        return _as_role(self.superuser, None, self.name)

    def drop(self) -> None:
        """Drop the database, whoever is still connected."""
        with psycopg.connect(localdb.libpq_url(self.superuser), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')


def _embedded(directory: Path) -> str:
    os.environ.setdefault("CAREAPP_LOCALDB_OPTIONS", "-c fsync=off -c max_connections=400")
    return localdb.lease(directory / "postgres").superuser


def _migrations_digest() -> str:
    files = [
        *sorted((ROOT / "migrations").rglob("*.py")), ROOT / "careapp" / "localdb" / "bootstrap.py",
        *sorted((ROOT / "careapp" / "terminology").glob("*.tsv")),  # which a migration puts in
    ]  # fmt: skip
    today = f"{clock.now():%Y_%m_%d}".encode()  # migrations lay partitions by time from the present day on
    return hashlib.sha256(b"".join([today, *(path.read_bytes() for path in files)])).hexdigest()[:12]


def _exists(superuser: str, name: str) -> bool:
    with psycopg.connect(localdb.libpq_url(superuser), autocommit=True) as connection:
        return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _make_template(superuser: str, template: str) -> None:
    """Roles, schema and tables; a second, empty database marks that the template is complete."""
    with psycopg.connect(localdb.libpq_url(superuser), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{template}" WITH (FORCE)')
    asks_password = make_url(superuser).password is not None
    bootstrap(
        superuser, database=template, passwords={role: role for role in (*ROLES, BACKUP)} if asks_password else None
    )
    migrate(_as_role(superuser, "care_owner", template))
    with psycopg.connect(localdb.libpq_url(superuser), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{template}_ready"')


def migrate(owner_url: str) -> None:
    """Run all migrations as the owner, the way `flask db upgrade` does, without an application."""
    config = AlembicConfig(ROOT / "migrations" / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["owner_url"] = owner_url
    command.upgrade(config, "head")


def _as_role(superuser: str, role: str | None, database: str) -> str:
    """The same server as another role; its password, where the server asks for one, is the role's own name."""
    url = make_url(superuser).set(database=database)
    if role is None:
        return url.render_as_string(hide_password=False)
    url = url.set(username=role)
    if url.password is not None:
        url = url.set(password=role)
    return url.render_as_string(hide_password=False)
