"""Documents: what they point at is there, what there is they tell, and decisions are numbered without a gap."""

import re
from pathlib import Path

import pytest

from careapp.cli.table import MODULES
from careapp.outbox import topics
from tests.conftest import ROOT

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "bench" / "figures.md"]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")
TARGET = re.compile(r"^([a-z]+):.*## ", re.M)
TOPICS = re.compile(r"^Topics, all in `outbox/topics.py`: (.*?);", re.M | re.S)


def names_of_headings(document: Path) -> set[str]:
    """What a link may name behind `#`, as code hosts make it of a heading."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def dead_links(document: Path) -> list[str]:
    """Links to files that are not there, or to headings that are not in them."""
    dead = []
    for target, name in LINK.findall(document.read_text(encoding="utf-8")):
        path = (document.parent / target).resolve() if target else document
        if not path.exists() or (name and name not in names_of_headings(path)):
            dead.append(f"{target}#{name}")
    return dead


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    assert dead_links(document) == []


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n[a](nowhere.md) [b](#a-page) [c](page.md#nothing) [d](https://example.org/x#y)")
    assert dead_links(page) == ["nowhere.md#", "page.md#nothing"]


def test_decisions_are_numbered_without_gaps_or_doubles() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]
    for number, path in enumerate(DECISIONS, 1):
        assert path.read_text(encoding="utf-8").startswith(f"# {number}. "), path.name


def test_every_make_target_is_told() -> None:
    targets = TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8"))
    assert len(targets) > 10
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [name for name in targets if name != "help" and f"| `make {name}` |" not in page] == []


def test_every_command_is_told() -> None:
    page = (ROOT / "docs" / "operations" / "README.md").read_text(encoding="utf-8")
    told = {word for line in page.splitlines() if line.startswith("| `") for word in re.findall(r"`([a-z-]+)", line)}
    assert [name for name in MODULES if name not in told] == []


def test_every_topic_is_told_and_no_other() -> None:
    """Written as a whole, or as what several begin with and then the end of each."""
    [listed] = TOPICS.findall((ROOT / "docs" / "design.md").read_text(encoding="utf-8"))
    told = []
    for beginning, endings in re.findall(r"`([\w.]+)`([^·]*)", listed):
        told += [beginning + ending for ending in re.findall(r"\w+", endings) or [""]]
    assert sorted(told) == sorted(topics.ALL)
