"""Nothing that is asked for reads a table that grows from end to end: every route of the URL map that can be answered
well without a second factor (reads and writes, sign-in, tokens), further pages of lists and polls, each statement
explained as the app role, among a hundred tenants with the planner's real statistics. What one tenant has much of is
the matter of tests/rules/test_query_plans.py.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask

from careapp import localdb
from tests.bench.conftest import Generated
from tests.bench.plans import Planner, Sent, planner, table_of, whole_reads
from tests.bench.visitor import Visitor
from tests.conftest import ROOT

# Tables that may be read whole, and why that costs the same when a clinic grows.
MAY_BE_READ = {
    "tenants": "a row a tenant, two pages at a hundred tenants; read by its keys as soon as it has more",
    "tenant_settings": "a row a tenant, as above",
    "outbox_shard": "sixteen rows for ever",
    "code_lists": "one row a list of codes",
    "medicines": "a list of codes, the same for all tenants",
    "medicine_words": "a list of codes, the same for all tenants",
}
PAGES = 25  # of 8 kB; of fewer the planner rightly reads all, and the question is whether an index could serve
UNANSWERED = {"static": "files, which ask the database nothing"}  # all other routes are answered well to somebody


@pytest.fixture(scope="module")
def visited(visitor: Visitor) -> dict[str, list[Sent]]:
    """What each request sent to the database."""
    return visitor.sent


@pytest.fixture(scope="module")
def plans(generated: Generated) -> Iterator[Planner]:
    """The planner of the copy."""
    with planner(generated.copy.app) as made:
        yield made


@pytest.fixture(scope="module")
def grown(generated: Generated) -> set[str]:
    """The tables and partitions of so many pages that the planner has a choice to make."""
    with psycopg.connect(localdb.libpq_url(generated.database.whole)) as connection:
        found = connection.execute(
            "SELECT relname, relpages FROM pg_class WHERE relnamespace = 'care'::regnamespace AND relkind = 'r'"
        ).fetchall()
    return {name for name, size in found if size >= PAGES}


def test_every_route_is_asked_for(visitor: Visitor, large: APIFlask) -> None:
    routes = {(one.endpoint, how) for one in large.url_map.iter_rules() for how in one.methods or ()}
    well = {(one.endpoint, one.method) for one in visitor.answered if one.status < 400}
    assert {endpoint for endpoint, how in routes - well if how not in ("HEAD", "OPTIONS")} == set(UNANSWERED)


def test_every_list_is_asked_for_a_further_page(visitor: Visitor, large: APIFlask) -> None:
    later = {one.endpoint for one in visitor.answered if one.later and one.status == 200}
    documented = {
        path["get"]["operationId"]
        for path in large.spec["paths"].values()
        if any(one["name"] == "cursor" for one in path.get("get", {}).get("parameters", ()))
    }
    assert documented
    programs = {one for one in later if one.startswith(("api.", "internal."))}
    assert documented | {"search_patients"} == {
        one.replace("internal.", "internal_").removeprefix("api.") for one in programs
    }
    assert {large.view_functions[one].__module__ for one in later - programs} == {
        {"careapp.web.episode_answers": "careapp.web.episodes"}.get(name, name) for name in saying('"cursor"')
    }


def test_every_live_region_is_asked_whether_it_has_changed(visitor: Visitor, large: APIFlask) -> None:
    for answer in (200, 204):
        polled = {one.endpoint for one in visitor.answered if one.poll and one.status == answer}
        assert {large.view_functions[one].__module__ for one in polled} == saying(" nothing_new("), answer


def saying(text: str) -> set[str]:
    """The modules of pages whose code says this."""
    web = (path for path in (ROOT / "careapp" / "web").rglob("*.py") if path.name != "htmx.py")
    found = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in web if text in path.read_text()}
    assert found
    return found


def distinct(visited: dict[str, list[Sent]]) -> dict[str, tuple[str, Sent]]:
    """Each statement once, with one request that sent it."""
    return {one.sql: (request, one) for request, all_sent in visited.items() for one in all_sent}


def told(bad: dict[str, tuple[str, set[str]]]) -> str:
    """What was found, for who has to mend it."""
    return "\n\n".join(f"{request} reads {sorted(tables)}:\n{sql}" for sql, (request, tables) in bad.items())


def test_no_table_that_grows_is_read_from_end_to_end(
    visited: dict[str, list[Sent]], plans: Planner, grown: set[str]
) -> None:
    kinds = {sql.split(maxsplit=1)[0].upper() for sql in distinct(visited)}
    assert kinds == {"SELECT", "WITH", "INSERT", "UPDATE", "DELETE"}
    bad = {}
    for sql, (request, sent) in distinct(visited).items():
        found = whole_reads(plans.plan(sent)) | whole_reads(plans.generic_plan(sent))
        if whole := (found & grown) - MAY_BE_READ.keys():
            bad[sql] = request, whole
    assert not bad, told(bad)


def test_every_other_table_could_be_read_by_an_index(
    visited: dict[str, list[Sent]], plans: Planner, grown: set[str]
) -> None:
    bad = {}
    for sql, (request, sent) in distinct(visited).items():
        found = whole_reads(plans.plan(sent, avoiding_scans=True)) - grown
        if whole := {table_of(name) for name in found} - MAY_BE_READ.keys():
            bad[sql] = request, whole
    assert not bad, told(bad)


def test_the_check_notices_a_whole_read(plans: Planner, generated: Generated, grown: set[str]) -> None:
    many = {
        "patients",
        "episodes",
        "appointments_present",
        "provider_slots",
        "status_changes",
        "outbox",
        "user_session",
    }
    assert many <= grown, "enough for the planner to choose"
    tenant_id = generated.tenants[7][0]
    count = Sent("SELECT count(*) FROM sign_in_directory", {}, tenant_id)
    assert whole_reads(plans.plan(count)) == {"sign_in_directory"}
    beside = "SELECT (SELECT family FROM patients p WHERE p.id = d.user_id) FROM sign_in_directory d"
    assert whole_reads(plans.plan(Sent(beside, {}, tenant_id))) == {"sign_in_directory"}, "not by its subquery's index"
    found = Sent("SELECT id FROM patients WHERE locator = %(one)s", {"one": "x"}, tenant_id)
    assert whole_reads(plans.plan(found)) == set() == whole_reads(plans.generic_plan(found))


def a_read(kind: str, *below: dict[str, Any], **said: Any) -> dict[str, Any]:
    """A node of a plan as EXPLAIN writes it."""
    return {"Node Type": kind, "Plans": list(below), **{name.replace("_", " "): value for name, value in said.items()}}


def test_only_a_reads_own_condition_narrows_it() -> None:
    by_id = a_read("Index Scan", Relation_Name="patients", Index_Cond="id = $0", Parent_Relationship="SubPlan")
    assert whole_reads(a_read("Seq Scan", by_id, Relation_Name="episodes")) == {"episodes"}
    first = a_read("Result", by_id, Parent_Relationship="InitPlan")
    assert whole_reads(a_read("Seq Scan", first, Relation_Name="episodes")) == {"episodes"}
    taken = a_read("ModifyTable", by_id, Relation_Name="episodes")
    assert whole_reads(taken) == set(), "what a write takes is read below it"
    one, all_of_it = a_read("Bitmap Index Scan", Index_Cond="a = 1"), a_read("Bitmap Index Scan")
    for parts, whole in (((one,), False), ((all_of_it,), True)):
        assert bool(whole_reads(a_read("Bitmap Heap Scan", *parts, Relation_Name="episodes"))) == whole
    for kind, whole in (("BitmapAnd", False), ("BitmapOr", True)):
        both = a_read(kind, one, all_of_it)
        assert bool(whole_reads(a_read("Bitmap Heap Scan", both, Relation_Name="episodes"))) == whole
