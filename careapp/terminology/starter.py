"""The starter list: names, codes and ingredients of common medicines of RxNorm, which ships with the project."""

from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("rxnorm_starter.tsv")
SOURCE = "RxNorm, US National Library of Medicine: the starter list of careapp"


@dataclass(frozen=True)
class Concept:
    """One concept of RxNorm: its ingredients are (RxCUI or None, name) each."""

    code: str
    term_type: str
    name: str
    ingredients: tuple[tuple[str | None, str], ...]


def concepts(file: Path = FILE) -> list[Concept]:
    """The concepts of the starter list: lines of code, term type, name and `code:name|code:name`, below a header."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [_concept(*line.split("\t")) for line in lines[1:]]


def _concept(code: str, term_type: str, name: str, listed: str) -> Concept:
    pairs = (one.partition(":") for one in listed.split("|"))
    return Concept(code, term_type, name, tuple((pair[0] or None, pair[2]) for pair in pairs))
