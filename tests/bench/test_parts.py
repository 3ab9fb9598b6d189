"""The benchmark's own parts: they import, count statements, and replay with fresh values. Nothing is timed here."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask

from bench import databases
from bench.servers import Database
from bench.statements import Recording, Statement, plan_of, recording
from careapp.access import Actor
from careapp.db import db
from careapp.localdb import Addresses
from careapp.scheduling import queries
from tests.factories import a_provider, a_slot

PARTS = sorted(path.stem for path in (Path(__file__).resolve().parents[2] / "bench").glob("*.py"))


@pytest.mark.parametrize("part", PARTS)
def test_a_part_imports(part: str) -> None:
    import_module("bench" if part == "__init__" else f"bench.{part}")


def test_statements_of_a_query_are_counted(app: APIFlask, god: Actor) -> None:
    provider = a_provider(god)
    slot = a_slot(god, provider)
    with recording(db.engine) as found:
        page = queries.list_slots(god, provider.locator)
    assert [one.locator for one in page.items] == [slot.locator], "recording leaves the rows to the application"
    assert found.count == len(found.statements) == 2
    assert (found.authentication, found.tenant_id) == (0, god.tenant_id)


def test_a_plan_takes_each_value_from_where_it_came() -> None:
    def recorded(slot: str, number: int, event: str, moment: datetime) -> Recording:
        told = f'{{"id": "{event}", "slot": "{slot}"}}'
        first = Statement("find", {"slot": slot}, [(number, "x")])
        return Recording([first, Statement("keep", {"id": number, "status": "NEW", "at": moment, "told": told}, [])])

    one = recorded("SLT-2026-000001", 17, "0b0f7a3e-6d5f-4a1e-9a53-0c6a36d1f0aa", datetime(2026, 1, 1, tzinfo=UTC))
    other = recorded("SLT-2026-000002", 18, "1b0f7a3e-6d5f-4a1e-9a53-0c6a36d1f0aa", datetime(2026, 1, 2, tzinfo=UTC))
    plan = plan_of(one, {"slot": "SLT-2026-000001"}, other, {"slot": "SLT-2026-000002"})
    sources = plan.steps[1][1]
    filled = {name: source.fill({"slot": "SLT-2026-000009"}, [[(99, "x")]]) for name, source in sources.items()}
    assert (filled["id"], filled["status"]) == (99, "NEW")
    assert filled["at"] > datetime(2026, 1, 2, tzinfo=UTC)
    assert filled["told"].endswith('", "slot": "SLT-2026-000009"}')
    assert "0b0f7a3e" not in filled["told"]


def test_requests_that_differ_in_their_statements_make_no_plan() -> None:
    one, other = Recording([Statement("a", {}, [])]), Recording([Statement("b", {}, [])])
    with pytest.raises(ValueError, match="different statements"):
        plan_of(one, {}, other, {})


def test_a_filled_database_is_told_in_rows_and_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill(*_: Any, tell: Callable[[int, int], None], **__: Any) -> None:
        tell(1, 2_000)
        tell(2, 3_500)

    monkeypatch.setattr(databases, "fill", fill)
    addresses = Addresses.on_socket(Path("nowhere"))
    databases.fill_and_tell(Database(addresses, 1, "18"), "small")
    assert re.search(r"^small: 3,500 rows in \d+ s$", capsys.readouterr().err, re.M)
