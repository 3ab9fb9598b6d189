"""What a soak keeps: memory by process, the picture of its curves, and the lines that say whether anything grew."""

import os
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import plot, soak
from bench.cases import BESIDES, CASES
from bench.memory import growths, verdict
from bench.usage import resident


def a_reading(minute: float, memory: float) -> dict[str, Any]:
    """One reading, with a worker of that many MB."""
    return {"minute": minute, "memory": {"web": 20.0, "web 1": memory}, "connections": {"care_app": 8}, "waiting": 3,
            "lag": 0.2, "rate": 40.0, "p50": 9.0, "p99": 30.0}  # fmt: skip


def test_every_kind_that_has_a_pace_is_a_case() -> None:
    assert set(soak.PACE) <= {case.name for case in (*CASES, *BESIDES)}
    assert {case.name for case in BESIDES} <= set(soak.PACE)


def test_growth_is_said() -> None:
    readings = [a_reading(n / 12, 100.0 + n) for n in range(120)]
    made = {"about": {"at": "2026-11-21T10:00:00+00:00", "commit": "abc1234"}, "pace": 0.5, "readings": readings,
            "failures": ["board: 401\n  Signed out"]}  # fmt: skip
    said = soak.markdown(made)
    assert "10 minutes, 24,000 requests at 0.5 of the usual pace, 1 failed" in said
    assert "| memory: web 1 | 136 MB | 203 MB | 219 MB |" in said
    assert "| memory: web | 20 MB | 20 MB | 20 MB |" in said
    assert "| connections: care_app | 8  | 8  | 8  |" in said
    assert "\n- failed, 1 times: board: 401 Signed out\n" in said
    assert said.endswith("cannot be told in less than 45 minutes.")


def an_hour_of(*memory: float, by: float = 0.0) -> list[dict[str, Any]]:
    """Readings of an hour; a worker's memory goes through these MB again and again, and up by some MB an hour."""
    return [a_reading(n / 12, memory[n % len(memory)] + by * n / 720) for n in range(1, 721)]


@pytest.mark.parametrize(
    ("readings", "grew"),
    [
        pytest.param(an_hour_of(160.0), [], id="flat"),
        pytest.param(an_hour_of(*range(150, 170)), [], id="a sawtooth"),
        pytest.param(an_hour_of(*range(150, 170), by=20.0), ["web 1"], id="a sawtooth that leaks"),
        pytest.param(an_hour_of(150.0, by=7.0), [], id="a rise of less than 8 MB an hour"),
        pytest.param(an_hour_of(150.0, by=9.0), ["web 1"], id="a leak of more"),
        pytest.param(an_hour_of(400.0, by=15.0), [], id="a rise of less than 5 %"),
        pytest.param(an_hour_of(400.0, by=25.0), ["web 1"], id="a leak of more than 5 %"),
        pytest.param([a_reading(n / 12, 150.0 + min(n, 100)) for n in range(1, 721)], [], id="a rise while warming up"),
    ],
)
def test_memory_that_grew_is_told_from_memory_that_did_not(readings: list[dict[str, Any]], grew: list[str]) -> None:
    found = growths(readings)
    assert [one.process for one in found] == ["web", "web 1"]
    assert [one.process for one in found if one.grew] == grew


def test_the_verdict_says_by_how_much() -> None:
    assert verdict(growths(an_hour_of(150.0, by=18.0))).splitlines() == [
        "- memory of web: +0.0 MB in 17 minutes, +0.0 MB an hour: did not grow",
        "- memory of web 1: +5.0 MB in 17 minutes, +18.0 MB an hour: grew",
    ]


def test_a_picture_is_xml_with_a_line_for_each_series() -> None:
    panel = plot.Panel("a & b", {"one": [0.0, 2.0, 4.0], "two": [None, 1.0, None]})
    root = ElementTree.fromstring(
        plot.picture("Soak <1>", [0.0, 1.0, 2.0], [panel, plot.Panel("c", {"none": [0, 0, 0]})])
    )
    lines = [line.get("points", "").split() for line in root.iter("{http://www.w3.org/2000/svg}polyline")]
    assert [len(line) for line in lines] == [3, 1, 3]
    heights = [float(point.split(",")[1]) for point in lines[0]]
    assert heights[0] - heights[2] == plot.PANEL, "from nought at the bottom to the highest value at the top"


def test_memory_is_that_of_the_leader_and_its_children() -> None:
    leader = subprocess.Popen(
        [sys.executable, "-c", "import subprocess; subprocess.run(['cat'])"], stdin=subprocess.PIPE
    )
    try:
        found: dict[str, float] = {}
        while (
            not 0 < found.get("it 1", 0) < found.get("it", 0)
        ):  # until it is itself, a child is as large as its leader
            assert leader.poll() is None
            found = resident({"it": leader.pid, "own": os.getpid()})
        assert found["own"] > 0
    finally:
        leader.communicate()
    assert "it" not in resident({"it": leader.pid})
