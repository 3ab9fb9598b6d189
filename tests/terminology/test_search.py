"""Searching the list of medicines: by beginnings of words in any order, by code, the likeliest first, by the index."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from careapp import localdb
from careapp.access import Actor
from careapp.db import db
from careapp.errors import Forbidden
from careapp.terminology import queries
from careapp.terminology.loading import load_release
from tests.database import TestDatabase

MANY = 12_000
FORMS = ("Oral Tablet", "Oral Capsule", "Topical Cream", "Oral Solution")


def names(actor: Actor, text: str) -> list[str]:
    """The names a search finds, in order."""
    return [one.name for one in queries.search_medicines(actor, text).medicines]


@pytest.mark.parametrize("text", ["amox 500", "500 amox", "AMOXICILLIN 500MG", "amoxi 500 mg caps"])
def test_beginnings_of_words_in_any_order(clinician: Actor, text: str) -> None:
    assert "amoxicillin 500 MG Oral Capsule" in names(clinician, text)


def test_the_simplest_and_shortest_stands_first(clinician: Actor) -> None:
    found = names(clinician, "amox 500")
    assert found[-1] == "amoxicillin 500 MG / clavulanate 125 MG Oral Tablet"
    assert names(clinician, "clav")[0].startswith("amoxicillin")


@pytest.mark.parametrize(
    ("text", "expected"), [("paracetamol 500", "acetaminophen 500 MG Oral Tablet"), ("salbut", "albuterol")]
)
def test_international_names(clinician: Actor, text: str, expected: str) -> None:
    assert any(expected in name for name in names(clinician, text))


def test_a_code_whole_or_its_beginning(clinician: Actor) -> None:
    assert names(clinician, "308191") == ["amoxicillin 500 MG Oral Capsule"]
    begun = queries.search_medicines(clinician, "3081").medicines
    assert {"308191", "308192", "308135"} <= {one.code for one in begun}


@pytest.mark.parametrize("text", ["", " ", "a", "5 m", "%", "_", "\x15", "zzzz qqqq", "amox zzzz"])
def test_what_finds_nothing(clinician: Actor, text: str) -> None:
    assert names(clinician, text) == []


def test_no_more_than_a_screenful(clinician: Actor) -> None:
    found = queries.search_medicines(clinician, "oral")
    assert len(found.medicines) == queries.MOST_FOUND
    assert found.more


def test_ingredients_are_not_offered_but_known(clinician: Actor) -> None:
    assert "amoxicillin" not in names(clinician, "amoxicillin")
    by_code, by_word = queries.concepts(["308191"], []), queries.concepts([], ["amoxicillin", "oral"])
    assert [one.ingredients[0].name for one in by_code] == ["amoxicillin"]
    assert [(one.code, one.term_type) for one in by_word] == [("723", "IN")]


def test_only_who_prescribes_searches(front_desk: Actor) -> None:
    with pytest.raises(Forbidden):
        queries.search_medicines(front_desk, "amox")


def test_a_full_list_is_searched_by_its_index(
    clinician: Actor, owner: str, database: TestDatabase, tmp_path: Path
) -> None:
    lines = [_line(9_000_000, "IN", "substance0")]
    lines += [_line(9_100_000 + n, "SCD", f"substance{n} {n % 90 + 5} MG {FORMS[n % 4]}") for n in range(MANY)]
    file = tmp_path / "RXNCONSO.RRF"
    file.write_text("".join(lines), encoding="utf-8")
    assert load_release(owner, file).medicines == MANY
    sent: list[tuple[str, Any]] = []

    def keep(connection: Any, cursor: Any, statement: str, values: Any, *rest: Any) -> None:
        if "medicines" in statement:
            sent.append((statement, values))

    event.listen(db.engine, "before_cursor_execute", keep)
    try:
        assert len(names(clinician, "subst 44 tab")) == queries.MOST_FOUND
        assert "substance1204 39 MG Oral Tablet" in names(clinician, "tab 1204 subst")
        assert names(clinician, "9100007") == ["substance7 12 MG Oral Solution"]
        queries.concepts(["9100007"], ["substance0"])
    finally:
        event.remove(db.engine, "before_cursor_execute", keep)
    db.session.rollback()
    assert len(sent) == 4
    with psycopg.connect(localdb.libpq_url(database.app)) as connection:
        for number, (statement, values) in enumerate(sent):
            plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {statement}", values).fetchall())
            assert "Seq Scan on medicine_words" not in plan, plan
            assert number == 0 or "Seq Scan on medicines" not in plan, plan  # the first search matches every medicine


def _line(code: int, term_type: str, name: str) -> str:
    return f"{code}|ENG||||||1||||RXNORM|{term_type}|{code}|{name}||N||\n"
