"""How PostgreSQL would run what a request sends: its statements, and their plans as the app role gets them."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
from apiflask import APIFlask
from sqlalchemy import event

from careapp import localdb, tenancy
from careapp.db import db
from careapp.partitions import PARTITION

PLANNED = re.compile(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
PARAMETER = re.compile(r"%\((\w+)\)s")
PARTIAL = {"outbox_todo"}  # what waits to be sent, of all tenants: the events of seconds, while Kafka answers
TYPES = {timedelta: "interval", datetime: "timestamptz", date: "date", int: "bigint", bool: "boolean"}


@dataclass(frozen=True)
class Sent:
    """A statement as it went to the driver, its values, and the tenant of its transaction."""

    sql: str
    values: dict[str, Any]
    tenant_id: int | None


@contextmanager
def listening(app: APIFlask) -> Iterator[list[Sent]]:
    """Every statement with a plan that the application sends meanwhile."""
    sent: list[Sent] = []

    def keep(connection: Any, cursor: Any, sql: str, values: Any, context: Any, many: bool) -> None:
        if PLANNED.match(sql):
            sent.append(Sent(sql, dict(values or {}), tenancy.current()))

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", keep)


class Planner:
    """Explains statements as the app role, in the tenant they were sent in."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def plan(self, sent: Sent, *, avoiding_scans: bool = False) -> dict[str, Any]:
        """The plan for these values; `avoiding_scans`: with a sequential scan only where no index could serve."""
        return self._explain(sent, f"EXPLAIN (FORMAT JSON) {sent.sql}", sent.values, avoiding_scans)

    def generic_plan(self, sent: Sent) -> dict[str, Any]:
        """The plan that serves any values, which a statement gets when it has run a few times."""
        names = list(dict.fromkeys(PARAMETER.findall(sent.sql)))

        def number(found: re.Match[str]) -> str:
            kind = TYPES.get(type(sent.values[found[1]]))  # the driver says it, where the statement does not
            return f"${names.index(found[1]) + 1}" + (f"::{kind}" if kind else "")

        numbered = PARAMETER.sub(number, sent.sql).replace("%%", "%")
        return self._explain(sent, f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {numbered}", None, False)

    def _explain(
        self, sent: Sent, statement: str, values: dict[str, Any] | None, avoiding_scans: bool
    ) -> dict[str, Any]:
        self.connection.rollback()
        self.connection.pgconn.exec_(b"; ".join(tenancy.opening(sent.tenant_id)))
        if avoiding_scans:
            self.connection.execute("SET LOCAL enable_seqscan = off")
        row = self.connection.execute(statement, values).fetchone()
        assert row is not None
        explained = json.loads(row[0]) if isinstance(row[0], str) else row[0]
        plan: dict[str, Any] = explained[0]["Plan"]
        return plan


@contextmanager
def planner(app_url: str) -> Iterator[Planner]:
    """A planner with a connection of the app role."""
    with psycopg.connect(localdb.libpq_url(app_url), options="-c timezone=UTC") as connection:
        yield Planner(connection)


BITMAPS = {"Bitmap Index Scan", "BitmapAnd", "BitmapOr"}  # parts of the Bitmap Heap Scan above them, no reads of rows


def whole_reads(node: dict[str, Any]) -> set[str]:
    """The tables, or partitions, that a plan reads from end to end: by a sequential scan, or by an index without any
    condition on it; a partial index is a condition by itself. What stands below a read (a subquery of its filter, the
    rows that a write takes) is a node of its own: a condition there is none of this read.
    """
    found = {whole for inner in node.get("Plans", ()) for whole in whole_reads(inner)}
    if "Relation Name" in node and node["Node Type"] != "ModifyTable" and not _by_index(node):
        found.add(node["Relation Name"])
    return found


def table_of(name: str) -> str:
    """The table a partition is of, or the table itself."""
    partition = PARTITION.fullmatch(name)
    return partition[1] if partition else name


def _by_index(node: dict[str, Any]) -> bool:
    """Whether a read goes by a condition on an index: its own, or those of the bitmaps it is made of."""
    bitmaps = [_by_index(inner) for inner in node.get("Plans", ()) if inner["Node Type"] in BITMAPS]
    narrowed = all(bitmaps) if node["Node Type"] == "BitmapOr" else any(bitmaps)
    return "Index Cond" in node or node.get("Index Name") in PARTIAL or narrowed
