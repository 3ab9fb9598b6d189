"""Retention: docs/security/data.md says of every table how long its rows stay, and the database has no other."""

import re

import psycopg

from careapp.erasure.erase import BLANKED, DELETED
from careapp.localdb import libpq_url
from careapp.partitions import PARTITION
from tests.conftest import ROOT
from tests.database import TestDatabase

PAGE = ROOT / "docs" / "security" / "data.md"
LINE = re.compile(r"^\| `([a-z_]+)` \|([^|]+)\|([^|]+)\|([^|]+)\|$", re.MULTILINE)
# What erase.py does by statements of their own; test_erasure.py looks into every table afterwards.
DELETED_BESIDE = {"imported_records", "form_drafts", "idempotency_key"}
BLANKED_BESIDE = {"patients", "status_changes", "emergency_accesses"}


def lines() -> dict[str, tuple[str, str, str]]:
    """What the page says of each table: what is in it, how long, what erasure does."""
    found = LINE.findall(PAGE.read_text())
    assert len({table for table, *_ in found}) == len(found), "each table has one line"
    return {table: (what.strip(), stays.strip(), erased.strip()) for table, what, stays, erased in found}


def test_every_table_has_a_line_and_every_line_a_table(database: TestDatabase) -> None:
    with psycopg.connect(libpq_url(database.owner)) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'care'").fetchall()
    assert set(lines()) == {PARTITION.sub(r"\1", table) for (table,) in tables}


def test_what_erasure_does_is_what_the_page_says() -> None:
    said = {table: erased for table, (_, _, erased) in lines().items()}
    deleted = {table for table, erased in said.items() if erased.startswith("rows deleted")}
    blanked = {table for table, erased in said.items() if erased.startswith("blanked")}
    assert deleted == {model.__tablename__ for model in DELETED} | DELETED_BESIDE
    assert blanked == {model.__tablename__ for model in BLANKED} | BLANKED_BESIDE
    assert all(what and stays and erased for what, stays, erased in lines().values())
