"""A kept statement gets one plan for all values, once PostgreSQL has planned it five times to find out what that costs:
each that any route asks, with the values it asked it with, as the app role, among a hundred tenants.

Planning takes longer than running, for most of them, and no page shows that it is done anew each time.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from psycopg import sql

from careapp import localdb, tenancy
from careapp.prepared import Prepared
from tests.bench.conftest import Generated
from tests.bench.visitor import Visitor
from tests.conftest import TestTenant

BY_CHANCE = 1.5  # times; statistics are of a sample, so that of two plans as dear now the one, now the other wins
OF_A_TENANT = re.compile(rb"tenant_id = \$(\d+)")
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


def dearer(connection: psycopg.Connection[Any], words: bytes, values: list[Any], tenants: Sequence[int] = ()) -> float:
    """How many times as dear as the plan for these values PostgreSQL takes the plan for all to be, where it therefore
    plans the statement anew each time; 0 where it does not. It is planned here, but not run.

    A tenant of few rows has a cheaper plan than tenants have on average: the dearest of all `tenants` is what counts.
    """
    prepared = Prepared(connection)
    name, _ = prepared._prepared(prepared._bound(words, values))

    def cost(mode: str, values: Sequence[Any] = values) -> float:
        given = ", ".join(sql.Literal(value).as_string(connection) for value in values)
        again = b"EXPLAIN (FORMAT JSON) EXECUTE " + name + (f"({given})".encode() if values else b"")
        connection.execute(sql.SQL("SET LOCAL plan_cache_mode = {}").format(sql.Literal(mode)))
        [(found,)] = connection.execute(again).fetchall()
        return float(found[0]["Plan"]["Total Cost"])

    for _ in range(RUNS):
        cost("auto")
    found = connection.execute("SELECT custom_plans FROM pg_prepared_statements WHERE name = %s", [name.decode()])
    [(custom,)] = found.fetchall()
    times = 0.0
    if custom == RUNS:
        each = [values, *_for_each(tenants, words, values)]
        times = cost("force_generic_plan") / max(cost("force_custom_plan", one) for one in each)
    prepared.say(b"DEALLOCATE " + name)
    return times


def _for_each(tenants: Sequence[int], words: bytes, values: list[Any]) -> Iterator[list[Any]]:
    """The same values with each tenant in the place of the one who asked."""
    places = {int(number) - 1 for number in OF_A_TENANT.findall(words)}
    for tenant in tenants if places else ():
        yield [tenant if place in places else value for place, value in enumerate(values)]


def test_kept_statements_are_planned_once(
    visitor: Visitor, connection: psycopg.Connection[Any], generated: Generated
) -> None:
    tenants = [number for number, _ in generated.tenants]
    found = {words.decode(): dearer(connection, words, values, tenants) for words, values in visitor.kept.items()}
    assert len(found) > 100
    anew = [words for words, times in found.items() if times]
    unknown = [one for one in anew if found[one] > BY_CHANCE and not any(mark in one for mark in EACH_TIME)]
    assert not unknown, "planned anew each time:\n\n" + "\n\n".join(unknown)
    useless = [mark for mark in EACH_TIME if not any(mark in words for words in anew)]
    assert not useless, "none of which is planned anew"


def test_a_constant_that_is_bound_is_noticed(connection: psycopg.Connection[Any]) -> None:
    days = b"SELECT count(*) FROM generate_series($1::int, $2::int) AS day"
    assert dearer(connection, days, [0, 7])
    assert not dearer(connection, days.replace(b"$1", b"0").replace(b"$2", b"7"), [])
