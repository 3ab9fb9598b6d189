"""What is printed and kept of a run: the table, the comparison of two, the growth, and the history in figures.md."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import growth, history, report


def a_case(name: str, *, rate: float = 500.0, cpu: float = 1.5, database_time: float = 0.8) -> dict[str, Any]:
    """One case of a report, with two of the rulers."""
    figures = {
        "rate": rate, "spread": 0.1, "p50": 9.0, "p99": 20.0, "cpu": cpu, "database_cpu": 0.5,
        "database_time": database_time, "calls": 7.0, "pages": 30.0,
    }  # fmt: skip
    return {
        "name": name, "title": f"GET {name}", "statements": 4, "authentication_statements": 1,
        "figures": {"application": figures, "bare WSGI": {**figures, "rate": 1000.0}},
        "ratios": {"bare WSGI": rate / 1000.0},
    }  # fmt: skip


def a_report(*cases: dict[str, Any], at: str = "2026-11-21T10:00:00+00:00") -> dict[str, Any]:
    """A whole report."""
    machine = {"cores": 2, "python": "3.11", "postgresql": "18"}
    size = {"name": "small", "tenants": 10}
    return {"at": at, "commit": "abc1234", "cycles": 3, "others": 0.0, "machine": machine, "size": size,
            "cases": list(cases)}  # fmt: skip


def test_a_row_says_what_a_case_cost_and_what_the_rulers_did() -> None:
    lines = report.table(a_report(a_case("board"), a_case("today", rate=250.0))).splitlines()
    board = next(line for line in lines if "GET board" in line)
    for said in ("4 + 1", "500", "9.0", "20.0", "0.80", "1.50 + 0.50 = 2.00", "0.50"):
        assert said in board
    assert len({len(line) for line in lines if "GET" in line}) == 1, "in columns"
    assert "wait once a statement" in lines[-2], "and what the columns leave open"
    assert "| GET today | 4 + 1 | 250 |" in report.markdown(a_report(a_case("today", rate=250.0)))


def test_two_runs_are_compared_by_the_cases_that_both_have(tmp_path: Path) -> None:
    before, after = tmp_path / "a.json", tmp_path / "b.json"
    before.write_text(json.dumps(a_report(a_case("board"))))
    after.write_text(json.dumps(a_report(a_case("board", rate=1000.0), a_case("new"))))
    said = report.compare(before, after)
    assert "2.00 x" in said
    assert "GET new" not in said


def test_what_memory_answered_is_compared_with_nothing(tmp_path: Path) -> None:
    before, after = tmp_path / "a.json", tmp_path / "b.json"
    none, some = a_report(a_case("board", database_time=0.0)), a_report(a_case("board"))
    before.write_text(json.dumps(none))
    after.write_text(json.dumps(some))
    line = next(one for one in report.compare(before, after).splitlines() if "database ms" in one)
    assert line.split() == ["database", "ms", "0.00", "->", "0.80"]
    row = growth.ratio_rows({"small": none, "large": some})[0]
    assert row[4:7] == ("0.00", "0.80", "")


def test_growth_is_the_cost_of_the_large_over_that_of_the_small() -> None:
    small, large = (
        a_report(a_case("board"), a_case("today")),
        a_report(a_case("board", cpu=1.7), a_case("today", cpu=3)),
    )
    rows = growth.ratio_rows({"small": small, "large": large})
    assert [(row[3], row[-1]) for row in rows] == [("1.10", "yes"), ("1.75", "no")]


def test_the_newest_run_stands_on_top_and_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = tmp_path / "figures.md"
    figures.write_text("# Figures\n\nHow.\n\n## 2026-01-01\n\nOld.\n")
    monkeypatch.setattr(history, "FIGURES", figures)
    monkeypatch.setattr(history, "VAR", tmp_path)
    (tmp_path / "last.json").write_text(json.dumps(a_report(a_case("board"))))
    history.keep("quiet")
    head, newest, old = figures.read_text().split("\n## ")
    assert head == "# Figures\n\nHow.\n"
    assert newest.startswith("2026-11-21, quiet\n\n2026-11-21T10:00:00+00:00, commit abc1234")
    assert old == "2026-01-01\n\nOld.\n"
    figures.write_text(figures.read_text().replace("GET board", "GET the board"))  # as it may be called by then
    with pytest.raises(SystemExit, match="no run"):
        history.keep("again")
