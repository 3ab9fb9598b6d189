"""Keys of encrypted columns: which key how many values have, and moving all of them to the key that writes now.

Both go over every `EncryptedText` column of the tables there are, as the owner of the database: history is append-only
for the application. Nothing waits: a value is replaced only where it is still the one that was read.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Table

from careapp import commands, crypto, tenancy
from careapp.access import Actor
from careapp.crypto import MARK, EncryptedText
from careapp.db import Base
from careapp.localdb import libpq_url

BATCH = 500  # values in one transaction
PLAIN = "plain text"

Found = tuple[int, str, str]  # id, the row the value is bound to, the value


@dataclass(frozen=True)
class Place:
    """One encrypted column, and the columns that say which row a value is bound to."""

    table: str
    column: str
    row: tuple[str, ...]
    key: str  # of the table, beside the tenant

    @property
    def name(self) -> str:
        """As values are bound to it."""
        return f"{self.table}.{self.column}"


@dataclass(frozen=True)
class Rotated:
    """How many values were encrypted anew, and which ones do not open at all."""

    moved: int
    unreadable: tuple[str, ...]


def places() -> list[Place]:
    """Every encrypted column there is, in order of name."""
    found = [
        Place(table.name, column.name, column.type.row, _key(table))
        for table in Base.metadata.tables.values() for column in table.c if isinstance(column.type, EncryptedText)
    ]  # fmt: skip
    return sorted(found, key=lambda place: place.name)


def _key(table: Table) -> str:
    """The one column that, with the tenant and what a partition goes by, is the primary key."""
    [name] = {column.name for column in table.primary_key} - {"tenant_id", "filed_year"}
    return name


def count_by_key(owner_url: str, tenant_id: int) -> dict[str, Counter[str]]:
    """For each place of a tenant, how many values each key has encrypted; PLAIN for those from before encryption."""
    counted = {}
    with _connected(owner_url, tenant_id) as connection:
        for place in places():
            statement = sql.SQL(
                "SELECT CASE WHEN {column} ^@ {mark} THEN split_part({column}, ':', 2) ELSE {plain} END, count(*)"
                " FROM {table} WHERE {column} IS NOT NULL GROUP BY 1"
            ).format(mark=sql.Literal(MARK), plain=sql.Literal(PLAIN), **_names(place))
            counted[place.name] = Counter(dict(connection.execute(statement).fetchall()))
    return counted


def rotate(owner_url: str, actor: Actor) -> Rotated:
    """Encrypt all values of the actor's tenant with the key that writes now; what has it already is left alone.

    Run again after a crash it goes on where it stopped. It is audited before the first value is touched.
    """
    with commands.unit_of(actor, name="keys.rotate"):
        commands.record("keys.rotate", crypto.writing_key())
    moved, unreadable = 0, []
    with tenancy.bound(actor.tenant_id):
        for place in places():
            for batch in _batches(owner_url, actor.tenant_id, place):
                anew, lost = _encrypted_anew(place, batch)
                unreadable += lost
                moved += _replace(owner_url, actor.tenant_id, place, anew)
    return Rotated(moved, tuple(unreadable))


def _encrypted_anew(place: Place, batch: list[Found]) -> tuple[list[tuple[str, int, str]], list[str]]:
    """New value, row and old value of each; and what is said of those that do not open."""
    anew, lost = [], []
    for id, row, kept in batch:
        about = f"{place.name}/{row}"
        try:
            text = crypto.decrypt(kept, about=about) if kept.startswith(MARK) else kept
            anew.append((crypto.encrypt(text, about=about), id, kept))
        except crypto.Unreadable as fault:
            lost.append(str(fault))
    return anew, lost


def _batches(owner_url: str, tenant_id: int, place: Place) -> Iterator[list[Found]]:
    """Values that the writing key has not encrypted: key, the row they are bound to, and the value."""
    told = sql.SQL(" || ' ' || ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in place.row)
    statement = sql.SQL(
        "SELECT {key}, {told}, {column} FROM {table} WHERE {key} > %s AND {column} IS NOT NULL"
        " AND NOT {column} ^@ {present} ORDER BY {table}.{key} LIMIT {batch}"
    ).format(
        told=told, present=sql.Literal(f"{MARK}{crypto.writing_key()}:"), batch=sql.Literal(BATCH), **_names(place)
    )
    last = 0
    while True:
        with _connected(owner_url, tenant_id) as connection:
            found = connection.execute(statement, [last]).fetchall()
        if not found:
            return
        last = found[-1][0]
        yield found


def _replace(owner_url: str, tenant_id: int, place: Place, anew: list[tuple[str, int, str]]) -> int:
    """Put the new values where the old ones still stand; a row that somebody has changed meanwhile is left to him."""
    statement = sql.SQL("UPDATE {table} SET {column} = %s WHERE {key} = %s AND {column} = %s").format(**_names(place))
    while True:
        try:
            with _connected(owner_url, tenant_id) as connection, connection.cursor() as cursor:
                cursor.executemany(statement, anew)
                return max(cursor.rowcount, 0)
        except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
            continue  # one was filed just now, and lies in another partition; or somebody waits for one of these


def _connected(owner_url: str, tenant_id: int) -> psycopg.Connection[Any]:
    """One transaction as the owner, bound to the tenant by row-level security, which is forced on him, too."""
    connection = psycopg.connect(libpq_url(owner_url), application_name="careapp keys")
    connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id)])
    return connection


def _names(place: Place) -> dict[str, sql.Identifier]:
    return {name: sql.Identifier(getattr(place, name)) for name in ("table", "column", "key")}
