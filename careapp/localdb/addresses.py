"""Addresses (URLs) of the embedded database, one for each role."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

PORT = 5432  # only names the socket file: every server has a socket directory of its own and no network address
DATABASE = "care"


@dataclass(frozen=True)
class Addresses:
    """SQLAlchemy URLs of one database for its roles, and of the maintenance database for the superuser."""

    app: str
    owner: str
    relay: str
    backup: str
    superuser: str

    @classmethod
    def on_socket(cls, directory: Path, database: str = DATABASE) -> Addresses:
        """The addresses of `database` on the server whose Unix socket is in `directory`."""

        def url(role: str, name: str) -> str:
            return f"postgresql+psycopg://{role}@/{quote(name, safe='')}?host={quote(str(directory))}&port={PORT}"

        return cls(
            app=url("care_app", database),
            owner=url("care_owner", database),
            relay=url("care_relay", database),
            backup=url("care_backup", database),
            superuser=url("postgres", "postgres"),
        )

    def for_database(self, name: str) -> Addresses:
        """The same roles in another database of the same server; the superuser's address stays as it is."""
        return replace(
            self, app=_renamed(self.app, name), owner=_renamed(self.owner, name), relay=_renamed(self.relay, name),
            backup=_renamed(self.backup, name),
        )  # fmt: skip


def libpq_url(url: str) -> str:
    """The same address without SQLAlchemy's driver name, as psql, pg_dump and psycopg read it."""
    scheme, rest = url.split("://", 1)
    return f"{scheme.split('+', 1)[0]}://{rest}"


def _renamed(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path="/" + quote(database, safe="")))
