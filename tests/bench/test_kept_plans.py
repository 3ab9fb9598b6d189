"""A kept statement gets one plan for all values, once PostgreSQL has planned it five times to find out what that costs:
each that any route asks, with the values it asked it with, as the app role, among a hundred tenants.

Planning takes longer than running, for most of them, and no page shows that it is done anew each time.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from careapp import localdb, tenancy
from careapp.prepared import Prepared
from tests.bench.conftest import Generated
from tests.bench.visitor import Visitor
from tests.conftest import TestTenant

RUNS = 7  # five to find out, and two to see what came of it

# What says which statements are planned anew, and why that is right.
EACH_TIME = {
    "^@": "the beginning of a word: an index finds it only if it is known when the plan is made",
    "outcome = $1": "an index holds what was refused and nothing else",
    "status_changes.id >": "what is new: little or much, as the number says",
    "= ANY (": "few or many: the plan for any number is that for ten",
}


@pytest.fixture(scope="module")
def connection(generated: Generated, tenant: TestTenant) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the app role, in a transaction of the tenant."""
    options = "-c timezone=UTC"
    with psycopg.connect(localdb.libpq_url(generated.copy.app), options=options) as made:
        made.pgconn.exec_(b"; ".join(tenancy.opening(tenant.id)))
        yield made
        made.rollback()


def planned_anew(connection: psycopg.Connection[Any], words: bytes, values: list[Any]) -> bool:
    """Whether PostgreSQL plans a statement anew each time; it is planned here, but not run."""
    prepared = Prepared(connection)
    name, _ = prepared._prepared(prepared._bound(words, values))
    given = ", ".join(sql.Literal(value).as_string(connection) for value in values)
    again = b"EXPLAIN EXECUTE " + name + (f"({given})".encode() if values else b"")
    for _ in range(RUNS):
        connection.execute(again)
    found = connection.execute("SELECT custom_plans FROM pg_prepared_statements WHERE name = %s", [name.decode()])
    [(custom,)] = found.fetchall()
    prepared.say(b"DEALLOCATE " + name)
    return bool(custom == RUNS)


def test_kept_statements_are_planned_once(visitor: Visitor, connection: psycopg.Connection[Any]) -> None:
    anew = [words.decode() for words, values in visitor.kept.items() if planned_anew(connection, words, values)]
    assert len(visitor.kept) > 100
    unknown = [words for words in anew if not any(mark in words for mark in EACH_TIME)]
    assert not unknown, "planned anew each time:\n\n" + "\n\n".join(unknown)
    useless = [mark for mark in EACH_TIME if not any(mark in words for words in anew)]
    assert not useless, "none of which is planned anew"


def test_a_constant_that_is_bound_is_noticed(connection: psycopg.Connection[Any]) -> None:
    days = b"SELECT count(*) FROM generate_series($1::int, $2::int) AS day"
    assert planned_anew(connection, days, [0, 7])
    assert not planned_anew(connection, days.replace(b"$1", b"0").replace(b"$2", b"7"), [])
