"""Loading a list of medicines: as a whole or not at all, twice, and without losing a code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask

from careapp import localdb
from careapp.terminology import starter
from careapp.terminology.loading import Loaded, load_release, load_starter
from careapp.terminology.rxnorm_files import DRUGS, INGREDIENTS, Malformed
from tests.database import TestDatabase

Names = list[tuple[str, str, str]]
# Made up, in the way of RxNorm: names that exist nowhere, codes far above its own.
NAMES: Names = [
    ("9900001", "IN", "testicillin"),
    ("9900002", "IN", "mockulanate"),
    ("9900003", "PIN", "testicillin sodium"),
    ("9900010", "SCDC", "testicillin 500 MG"),
    ("9900011", "SCDC", "mockulanate 125 MG"),
    ("9900020", "SCD", "testicillin 500 MG Oral Capsule"),
    ("9900021", "SCD", "testicillin 500 MG / mockulanate 125 MG Oral Tablet"),
    ("9900022", "SBD", "testicillin 500 MG Oral Capsule [Testamox]"),
    ("9900023", "GPCK", "{10 (testicillin 500 MG Oral Capsule) } Pack"),
    ("9900024", "SCD", "testicillin sodium 250 MG Oral Capsule"),
    ("9900025", "SCD", "unheard-of stuff 5 MG Oral Tablet"),
    ("9900030", "MIN", "mockulanate / testicillin"),
]
LINKS = [
    ("9900010", "consists_of", "9900020"),
    ("9900010", "consists_of", "9900021"),
    ("9900011", "constitutes", "9900021"),
    ("9900022", "constitutes", "9900010"),
    ("9900001", "has_ingredient", "9900010"),
    ("9900011", "ingredient_of", "9900002"),
    ("9900020", "contains", "9900023"),
    ("9900001", "tradename_of", "9900025"),
]


def conso(code: str, term_type: str, name: str, *, source: str = "RXNORM", suppress: str = "N") -> str:
    """A line of RXNCONSO.RRF."""
    parts = [code, "ENG", "", "", "", "", "", "1", "", "", "", source, term_type, code, name, "", suppress, ""]
    return "|".join(parts) + "|\n"


def rel(one: str, name: str, other: str) -> str:
    """A line of RXNREL.RRF."""
    parts = [one, "", "CUI", "RO", other, "", "CUI", name, "1", "", "RXNORM", "RXNORM", "", "", "", ""]
    return "|".join(parts) + "|\n"


@pytest.fixture
def release(tmp_path: Path) -> Callable[..., Path]:
    """release(lines, relations) writes the files of a release and gives the first one's path."""

    def write(lines: list[str], relations: list[str] | None = None) -> Path:
        names = tmp_path / "RXNCONSO.RRF"
        names.write_text("".join(lines), encoding="utf-8")
        if relations is not None:
            (tmp_path / "RXNREL.RRF").write_text("".join(relations), encoding="utf-8")
        return names

    return write


def listed(address: str) -> dict[str, tuple[str, bool, list[dict[str, Any]]]]:
    """Name, whether it is active, and ingredients of each code."""
    with psycopg.connect(localdb.libpq_url(address)) as connection:
        found = connection.execute("SELECT code, name, active, ingredients FROM medicines").fetchall()
    return {code: (name, active, ingredients) for code, name, active, ingredients in found}


def made_up(names: Names = NAMES) -> list[str]:
    return [conso(*one) for one in names]


def test_the_starter_list_is_there_from_the_first(owner: str) -> None:
    concepts = starter.concepts()
    held = listed(owner)
    assert len({one.code for one in concepts}) == len(concepts) == len(held)
    assert held["308191"][0] == "amoxicillin 500 MG Oral Capsule"
    assert held["562508"][2] == [{"code": "723", "name": "amoxicillin"}, {"code": "48203", "name": "clavulanate"}]
    for one in concepts:
        assert one.code.isdecimal()
        assert one.term_type in {*DRUGS, *INGREDIENTS}
        assert one.ingredients


def test_the_starter_list_states_its_origin() -> None:
    assert "RxNorm, US National Library of Medicine" in starter.FILE.read_text().splitlines()[0]


def test_a_release_replaces_the_list_and_old_codes_are_kept_as_retired(
    owner: str, release: Callable[..., Path]
) -> None:
    before = len(listed(owner))
    names = release(made_up(), [rel(*link) for link in LINKS])
    loaded = load_release(owner, names, names.with_name("RXNREL.RRF"))
    assert loaded == Loaded(medicines=6, ingredients=4, without_ingredients=0, retired=before)
    held = listed(owner)
    assert not held["308191"][1]
    assert held["308191"][0] == "amoxicillin 500 MG Oral Capsule"
    assert {code for code in held if held[code][1]} == {code for code, term_type, _ in NAMES if term_type != "SCDC"}
    both = [{"code": "9900002", "name": "mockulanate"}, {"code": "9900001", "name": "testicillin"}]
    one = [{"code": "9900001", "name": "testicillin"}]
    assert held["9900021"][2] == both
    for code in ("9900020", "9900022", "9900023", "9900001"):
        assert held[code][2] == one, code
    assert held["9900025"][2] == [{"code": None, "name": "unheard-of stuff"}], "not told by relations, so by its name"


def test_twice_is_once_and_what_comes_back_is_active_again(owner: str, release: Callable[..., Path]) -> None:
    names = release(made_up())
    first, second = load_release(owner, names), load_release(owner, names)
    assert first == second
    load_starter(owner)
    held = listed(owner)
    assert held["308191"][1]
    assert not held["9900020"][1]


def test_without_relations_the_names_tell(owner: str, release: Callable[..., Path]) -> None:
    load_release(owner, release(made_up()))
    held = listed(owner)
    assert [one["name"] for one in held["9900021"][2]] == ["testicillin", "mockulanate"]
    assert held["9900024"][2] == [{"code": "9900003", "name": "testicillin sodium"}]
    assert held["9900023"][2] == [], "a pack's name tells nothing"


def test_what_is_suppressed_or_another_sources_is_left_out(owner: str, release: Callable[..., Path]) -> None:
    more = [
        conso("9900040", "SCD", "gone 1 MG Oral Tablet", suppress="O"),
        conso("9900041", "SCD", "odd 1 MG Oral Tablet", source="MMSL"),
        conso("9900042", "DF", "Oral Tablet"),
    ]
    loaded = load_release(owner, release([*made_up(), *more]))
    assert loaded.suppressed == 1
    assert not {"9900040", "9900041", "9900042"} & set(listed(owner))


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([], "is empty"),
        ([*made_up(), "9900050|ENG|too short|\n"], "line 13: 3 columns instead of 18"),
        ([*made_up(), conso("9900050", "SCD", "a | too many 1 MG")], "line 13: 19 columns"),
        ([*made_up(), conso("ABC", "SCD", "no code 1 MG")], "line 13: no RxCUI"),
        ([*made_up(), conso("9900050", "SCD", " ")], "line 13: no RxCUI or no name"),
        ([*made_up(), conso("9900050", "SCD", "nul \0 1 MG")], "line 13"),
        ([conso("9900001", "IN", "testicillin")], "holds no drug"),
    ],
)
def test_a_malformed_file_changes_nothing(
    owner: str, release: Callable[..., Path], lines: list[str], fault: str
) -> None:
    before = listed(owner)
    with pytest.raises(Malformed, match=fault):
        load_release(owner, release(lines))
    assert listed(owner) == before


def test_malformed_relations_change_nothing(owner: str, release: Callable[..., Path]) -> None:
    before = listed(owner)
    for relations in (
        ["9900001|x|\n"],
        [rel("9900001", "tradename_of", "9900025")],
        [rel("A", "consists_of", "9900020")],
    ):
        names = release(made_up(), relations)
        with pytest.raises(Malformed):
            load_release(owner, names, names.with_name("RXNREL.RRF"))
    (names.with_name("RXNREL.RRF")).write_bytes(b"\xff\xfe|\n")
    with pytest.raises(Malformed, match="UTF-8"):
        load_release(owner, names, names.with_name("RXNREL.RRF"))
    assert listed(owner) == before


def test_the_command(app: APIFlask, owner: str, release: Callable[..., Path]) -> None:
    runner = app.test_cli_runner()
    names = release(made_up(), [rel(*link) for link in LINKS])
    done = runner.invoke(args=["terminology", "load", str(names)])
    assert (done.exit_code, "6 medicines can be prescribed" in done.output) == (0, True), done.output
    assert "kept as retired" in done.output
    names.with_name("RXNREL.RRF").unlink()
    assert "No RXNREL.RRF" in runner.invoke(args=["terminology", "load", str(names)]).output
    names.write_text("nonsense\n")
    failed = runner.invoke(args=["terminology", "load", str(names)])
    assert failed.exit_code == 1
    assert "Nothing was changed." in failed.output
    assert listed(owner)["9900020"][1]
    assert f"{sum(one.term_type in DRUGS for one in starter.concepts())} medicines" in runner.invoke(
        args=["terminology", "load"]
    ).output  # fmt: skip


def test_the_app_role_only_reads(database: TestDatabase) -> None:
    with psycopg.connect(localdb.libpq_url(database.app)) as connection:
        assert connection.execute("SELECT count(*) FROM medicines").fetchone() != (0,)
        connection.rollback()
        for statement in (
            "DELETE FROM medicines", "UPDATE medicines SET active = false", "DELETE FROM code_lists",
            "INSERT INTO medicine_words VALUES ('a', '1')", "TRUNCATE medicine_words",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
            connection.rollback()
