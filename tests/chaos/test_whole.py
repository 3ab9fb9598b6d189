"""A run of the fault suite: each chosen fault comes about, what did not is said, and what counts as serving again."""

import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos import __main__ as command
from chaos import report, whole
from chaos.faults import FAULTS, MAIN, Fault, named
from chaos.history import Injected, Sample, Try
from chaos.whole import Outcome, disturb, served


@pytest.fixture
def came(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The faults in the order they come; none does anything, and each takes a minute."""
    came: list[str] = []
    clock = SimpleNamespace(now=0.0)

    def inject(suite: Any, fault: Fault, clients: Any) -> Injected:
        came.append(fault.name)
        clock.now += 60
        return Injected(fault.name, 0.0)

    monkeypatch.setattr(whole, "inject", inject)
    monkeypatch.setattr(whole, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=lambda seconds: None))
    return came


def disturbed(seconds: float, faults: list[Fault], *, once: bool = False) -> Outcome:
    """The outcome after these faults were brought about."""
    outcome = Outcome(1, seconds, [fault.name for fault in faults])
    disturb(SimpleNamespace(dice=random.Random(1)), outcome, faults, [], seconds, once=once)  # type: ignore[arg-type]
    return outcome


THREE = [Fault(name, lambda suite: None) for name in ("first", "second", "third")]


@pytest.mark.parametrize("once", [True, False])
def test_each_fault_comes_once_however_long_it_takes(came: list[str], once: bool) -> None:
    outcome = disturbed(70, THREE, once=once)
    assert sorted(came) == ["first", "second", "third"]
    assert outcome.not_tested == {}


def test_further_rounds_end_with_the_seconds(came: list[str]) -> None:
    disturbed(230, THREE)
    assert len(came) == 4  # the fifth would begin when 240 are over


def test_with_once_there_is_no_further_round(came: list[str]) -> None:
    disturbed(10_000, THREE, once=True)
    assert len(came) == 3


def test_what_is_missing_is_not_tested_and_ends_nothing(came: list[str]) -> None:
    missing = Fault("fourth", lambda suite: None, needs=lambda suite: "no such tool")
    assert disturbed(0, [*THREE, missing]).not_tested == {"fourth": "no such tool"}
    assert len(came) == 3
    assert disturbed(10, [missing]).not_tested == {"fourth": "no such tool"}


def test_a_run_that_is_stopped_names_what_it_did_not_come_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def stopped(outcome: Outcome, faults: list[Fault], directory: Path, *, once: bool) -> None:
        outcome.faults.append(Injected("worker killed", 0.0))
        outcome.skipped["disk full"] = "it takes root"
        raise SystemExit("stopped")

    monkeypatch.setattr(command, "run", stopped)
    wanted = "worker killed,disk full,kafka frozen"
    monkeypatch.setattr(sys, "argv", ["chaos", "--faults", wanted, "--directory", str(tmp_path), "--write"])
    monkeypatch.setattr(report, "FIGURES", tmp_path / "figures.md")
    with pytest.raises(SystemExit, match="stopped"):
        command.main()
    said = capsys.readouterr().err.splitlines()
    assert said == ["NOT TESTED: disk full: it takes root.", "NOT TESTED: kafka frozen: the run ended before it."]
    assert not report.FIGURES.exists()


def test_the_figures_name_what_was_not_tested() -> None:
    outcome = Outcome(1, 1.0, ["worker killed", "disk full"], faults=[Injected("worker killed", 0.0)])
    told = report.table(outcome)
    assert "| faults: chosen, not tested | 2, 1 |" in told
    assert "NOT TESTED: disk full: the run ended before it." in told


@pytest.mark.parametrize(("kafka", "said"), [(True, "a provider service, Kafka."), (False, "no Kafka.")])
def test_the_figures_say_whether_there_was_kafka(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kafka: bool, said: str
) -> None:
    monkeypatch.setattr(report, "FIGURES", tmp_path / "figures.md")
    report.write(Outcome(1, 1.0, kafka=kafka))
    assert said in report.FIGURES.read_text()


@pytest.mark.parametrize(
    ("status", "code", "counts"),
    [
        (200, "", True), (201, "", True), (409, "SLOT_UNAVAILABLE", True), (409, "PATIENT_BUSY", True),
        (0, "", False), (303, "", False), (401, "UNAUTHENTICATED", False), (404, "NOT_FOUND", False),
        (409, "BUSY", False), (409, "", False), (429, "RATE_LIMITED", False), (503, "UPSTREAM_UNAVAILABLE", False),
    ],
)  # fmt: skip
def test_only_an_answer_of_a_healthy_service_ends_a_fault(status: int, code: str, counts: bool) -> None:
    assert served(Try(0.0, 0.1, status, code)) is counts


def test_what_a_fault_demands_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "served_since", lambda *_: True)
    suite: Any = SimpleNamespace(dice=random.Random(1), readiness=SimpleNamespace(samples=[Sample(0.0, 200, 0.1)]))
    fault = Fault("one", lambda suite: None, red=True, in_order=True, told_within=4.0, books_within=3.0)
    found = whole.inject(suite, fault, [])
    assert (found.must_go_red, found.in_order, found.told_within, found.books_within) == (True, True, 4.0, 3.0)


def test_the_promised_limits_are_demanded() -> None:
    """Those of docs/security/reliability.md, of bookings while the service hangs, of all while something else does."""
    assert {fault.name: fault.books_within for fault in FAULTS if fault.books_within} == {"provider service hangs": 3.0}
    told_within = {fault.name: fault.told_within for fault in FAULTS if fault.told_within}
    assert told_within == {"worker stands still": 5.0, "database hangs": 4.0, "answers lost": 4.0}


def test_kafka_is_down_for_more_than_two_minutes_in_the_whole_run_alone() -> None:
    [long] = [fault for fault in FAULTS if fault.hold[0] > 120]
    assert long.name == "kafka down for minutes"
    assert sum(fault.hold[1] for fault in named(list(MAIN))) < 60  # the cut stays short


def test_every_fault_is_described() -> None:
    """Each has its own name, without the comma that parts names on the command line."""
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names) > len(MAIN)
    assert not [name for name in names if "," in name]
