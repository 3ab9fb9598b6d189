"""docs/security/asvs.md: every requirement of levels 1 and 2 once, counts that are right, files that exist."""

import re
from collections import Counter

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "security" / "asvs.md"
STANDARD = ROOT / "tests" / "rules" / "asvs-5.0.0.txt"
STATES = ("met, tested", "met, not tested", "partly", "not met", "not applicable")
ITEM = re.compile(r"^\| (\d+\.\d+\.\d+) \| (\d) \| ([^|]+) \| ([^|]+) \| (.+) \|$", re.M)
COUNT = re.compile(r"^\| ([a-z, ]+) \| (\d+) \| (\d+) \| (\d+) \|$", re.M)
NAMED = re.compile(r"`((?:tests|careapp|docs|migrations|tools)/[^` ]+|[A-Z]\w+(?:\.md)?|compose\.yaml)`")
FILES = {"Dockerfile", "Procfile", "README.md", "compose.yaml"}

ITEMS = ITEM.findall(PAGE.read_text(encoding="utf-8"))


def standard() -> dict[str, str]:
    """The level of each requirement by its number."""
    levels = {}
    for line in STANDARD.read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            section, _, listed = line.partition(": ")
            levels |= {f"{section}.{number}": level for number, level in enumerate(listed.split(), 1)}
    return levels


def files_in(proof: str) -> list[str]:
    """The files that a proof names."""
    return [name for name in NAMED.findall(proof) if "/" in name or name in FILES]


def test_every_requirement_stands_there_once_in_order() -> None:
    wanted = [(number, level) for number, level in standard().items() if level in "12"]
    assert [(number, level) for number, level, *_ in ITEMS] == wanted
    assert Counter(standard().values()) == {"1": 70, "2": 183, "3": 92}, "as the standard counts them"


def test_the_counts_on_top_are_right() -> None:
    by_level = Counter((state, level) for _, level, _, state, _ in ITEMS)
    assert {state for state, _ in by_level} <= set(STATES)
    right = {state: (by_level[state, "1"], by_level[state, "2"]) for state in STATES}
    right["all"] = (70, 183)
    said = {name: (int(one), int(two)) for name, one, two, _ in COUNT.findall(PAGE.read_text(encoding="utf-8"))}
    assert said == right
    assert all(
        int(one) + int(two) == int(both) for _, one, two, both in COUNT.findall(PAGE.read_text(encoding="utf-8"))
    )


@pytest.mark.parametrize(("number", "state", "proof"), [(one[0], one[3], one[4]) for one in ITEMS])
def test_what_an_item_names_is_there(number: str, state: str, proof: str) -> None:
    assert [name for name in files_in(proof) if not (ROOT / name).exists()] == []
    if state == "met, tested":
        assert [name for name in files_in(proof) if name.startswith("tests/")] or "the same tests" in proof, number
    if state in ("partly", "not met"):
        assert len(proof) > 20, "says what is missing"
