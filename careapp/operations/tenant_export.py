"""All rows of one tenant in one readable file: a zip with a file of JSON lines for each table, and a manifest.

One state of the database, streamed: nothing is held but a batch of rows. docs/operations/tenants.md describes the form.
"""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql
from sqlalchemy import Table

from careapp import clock, commands, crypto, tenancy
from careapp.access import Actor
from careapp.crypto import MARK
from careapp.operations.key_rotation import Place, places
from careapp.operations.tenant_rows import connected, key_of, tables

FORMAT = "careapp-tenant-1"
MANIFEST = "manifest.json"
BATCH = 500  # rows
CHUNK = 1024 * 1024  # bytes
# What reading another file raises, or a damaged one; RuntimeError: encrypted, or packed in a way that is not ours.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError, KeyError, TypeError)
NEVER_OPENED = frozenset({"totp_factors"})  # secrets of sign-in are of no use to anybody but an intruder


class ExportFailed(Exception):
    """There is no export, or what was given is none; the text says why."""


@dataclass(frozen=True)
class Manifest:
    """What an export holds: rows and SHA-256 of each table's file, and one over all that is said of them."""

    tenant: str
    made_at: datetime
    tables: dict[str, dict[str, Any]]
    sha256: str

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(int(one["rows"]) for one in self.tables.values())


def export_tenant(owner_url: str, actor: Actor, target: Path, *, by: str, decrypt: bool = False) -> Manifest:
    """Write all rows of the actor's tenant to a new file that only its owner reads; audited before the first is read.

    `by` decided it. `decrypt` opens encrypted texts; without it they stay as they are kept. Raises ExportFailed where
    the file is there already or cannot be written, or a text does not open.
    """
    if target.exists():
        raise ExportFailed(f"{target} is there already")
    with commands.unit_of(actor, name="tenant.export"):
        commands.record("tenant.export", actor.tenant_key, by=by, way="decrypted" if decrypt else "as kept")
    unfinished = target.with_name(f"{target.name}.unfinished")
    with _new_file(unfinished) as file:
        try:
            manifest = _write(owner_url, actor, file, decrypt)
            file.flush()
            os.fsync(file.fileno())  # what a deletion relies on outlives a power cut
            os.link(unfinished, target)
            _keep_names(target.parent)
        except FileExistsError:
            raise ExportFailed(f"{target} is there already") from None
        except OSError as fault:
            raise ExportFailed(f"{target} cannot be written: {fault.strerror}") from fault
        except crypto.Unreadable as fault:
            raise ExportFailed(f"a text does not open: {fault}") from fault
        finally:
            unfinished.unlink(missing_ok=True)
    return manifest


def _new_file(path: Path) -> IO[bytes]:
    """A file made by this run, which nobody else could have opened before; never one, or a link, that lay there."""
    try:
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w+b")
    except FileExistsError:
        raise ExportFailed(f"{path} is there: an export is under way, or one was killed; then remove it") from None
    except OSError as fault:
        raise ExportFailed(f"{path} cannot be written: {fault.strerror}") from fault


def _keep_names(directory: Path) -> None:
    """Have a directory's own entries written: until then a power cut takes a new file's name, and all of it with it."""
    entries = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(entries)
    finally:
        os.close(entries)


def read_manifest(source: Path) -> Manifest:
    """The manifest of an export, with every file in it read and compared. Raises ExportFailed for what is no export.

    The sums show damage, and a file of another export. They are no signature: whoever may delete is believed.
    """
    try:
        with zipfile.ZipFile(source) as file:
            told = json.loads(file.read(MANIFEST))
            for table, one in told["tables"].items():
                with file.open(f"{table}.ndjson") as rows:
                    if _digest(rows) != one["sha256"]:
                        raise ExportFailed(f"{table} in {source} is not what was exported")
        if told["format"] != FORMAT or told.pop("sha256") != (sum_ := _sum(told)):
            raise ExportFailed(f"the manifest of {source} is not what was written")
        return Manifest(told["tenant"], datetime.fromisoformat(told["madeAt"]), told["tables"], sum_)
    except DAMAGED as error:
        raise ExportFailed(f"{source} is no export of a tenant") from error


def _write(owner_url: str, actor: Actor, target: IO[bytes], decrypt: bool) -> Manifest:
    """All tables and the manifest, of one state of the database: a snapshot that the first statement takes."""
    opened = [one for one in places() if decrypt and one.table not in NEVER_OPENED]
    made: dict[str, dict[str, Any]] = {}
    at = clock.now()  # before the snapshot: whatever was written until then is in it
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file,
        connected(owner_url, actor.tenant_id, reading=True) as connection,
        tenancy.bound(actor.tenant_id),
    ):
        for table in tables():
            encrypted = [one for one in opened if one.table == table.name]
            made[table.name] = _write_table(file, connection, table, actor.tenant_id, encrypted)
        [(schema,)] = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        row = "SELECT to_jsonb(t) - 'id' FROM tenants t WHERE id = %s"
        [(settings,)] = connection.execute(row, [actor.tenant_id]).fetchall()
        rows = sum(one["rows"] for one in made.values())
        told = {
            "format": FORMAT, "tenant": actor.tenant_key, "madeAt": at.isoformat(), "schema": schema,
            "settings": settings, "decrypted": decrypt, "rows": rows, "tables": made,
        }  # fmt: skip
        sum_ = _sum(told)
        file.writestr(MANIFEST, json.dumps({**told, "sha256": sum_}, indent=2, ensure_ascii=False))
    return Manifest(actor.tenant_key, at, made, sum_)


def _write_table(
    file: zipfile.ZipFile, connection: psycopg.Connection[Any], table: Table, tenant_id: int, encrypted: list[Place]
) -> dict[str, Any]:
    """One table as JSON lines; returns how many rows, and the sum over the file."""
    digest, count = hashlib.sha256(), 0
    with file.open(f"{table.name}.ndjson", "w", force_zip64=True) as target:
        for line in _lines(connection, table, tenant_id, encrypted):
            target.write(line)
            digest.update(line)
            count += 1
    return {"rows": count, "sha256": digest.hexdigest(), "columns": [column.name for column in table.c]}


def _lines(
    connection: psycopg.Connection[Any], table: Table, tenant_id: int, encrypted: list[Place]
) -> Iterator[bytes]:
    """The rows in the order of their key, by a cursor on the server; `tenant_id` is named as well, for the tables that
    have no row-level security.
    """
    told = [
        sql.SQL("CASE WHEN {} IS NOT NULL THEN {} END").format(
            sql.Identifier(one.column),
            sql.SQL(" || ' ' || ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in one.row),
        )
        for one in encrypted
    ]
    statement = sql.SQL("SELECT {} FROM {} AS one WHERE tenant_id = %s ORDER BY {}").format(
        sql.SQL(", ").join([sql.SQL("to_jsonb(one)::text"), *told]), sql.Identifier(table.name),
        sql.SQL(", ").join(map(sql.Identifier, key_of(table))),
    )  # fmt: skip
    with connection.cursor(name="export") as cursor:
        cursor.itersize = BATCH
        for text, *bound_to in cursor.execute(statement, [tenant_id]):
            yield (_opened(text, encrypted, bound_to) if encrypted else text).encode() + b"\n"


def _opened(text: str, encrypted: list[Place], bound_to: list[str | None]) -> str:
    """A row with its encrypted texts in the clear."""
    row = json.loads(text)
    for place, about in zip(encrypted, bound_to, strict=True):
        kept = row[place.column]
        if kept is not None and kept.startswith(MARK):
            row[place.column] = crypto.decrypt(kept, about=f"{place.name}/{about}")
    return json.dumps(row, ensure_ascii=False)


def _digest(file: IO[bytes]) -> str:
    """The sum over a file that may be larger than memory."""
    digest = hashlib.sha256()
    while part := file.read(CHUNK):
        digest.update(part)
    return digest.hexdigest()


def _sum(told: dict[str, Any]) -> str:
    """One sum over all that the manifest says."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
