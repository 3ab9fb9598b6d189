"""The files of an RxNorm release (RXNCONSO.RRF, RXNREL.RRF), line by line: what is kept of them, and what is wrong.

The columns are those of the RxNorm Technical Documentation of the US National Library of Medicine: fields end with
`|`, so a line of n columns splits into n + 1 parts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NAME_COLUMNS, RELATION_COLUMNS = 18, 16
DRUGS = ("SCD", "SBD", "GPCK", "BPCK")
INGREDIENTS = ("IN", "PIN", "MIN")
COMPONENT = "SCDC"  # ingredient with strength: only the way from a drug to its ingredients leads over it
KEPT = frozenset({*DRUGS, *INGREDIENTS, COMPONENT})
# Read in both directions, so it does not matter which end of a relation a release names first.
RELATIONS = frozenset({"has_ingredient", "ingredient_of", "consists_of", "constitutes", "contains", "contained_in"})
OWN = "RXNORM"
NOT_SUPPRESSED = "N"


class Malformed(Exception):
    """A file that is not what it should be; the message names file, line and fault."""


@dataclass
class Seen:
    """How many lines a file had, and how many of RxNorm's own names were left out as suppressed or obsolete."""

    lines: int = 0
    suppressed: int = 0
    kept: dict[str, int] = field(default_factory=dict)


def names(file: Path, seen: Seen) -> Iterator[tuple[str, str, str]]:
    """(RxCUI, term type, name) of each current name of RxNorm's own. Raises Malformed."""
    for number, parts in _lines(file, NAME_COLUMNS, seen):
        code, source, term_type, name, suppressed = parts[0], parts[11], parts[12], parts[14], parts[16]
        if source != OWN or term_type not in KEPT:
            continue
        if suppressed != NOT_SUPPRESSED:
            seen.suppressed += 1
            continue
        if not _is_code(code) or not name.strip():
            raise Malformed(f"{file.name}, line {number}: no RxCUI or no name.")
        seen.kept[term_type] = seen.kept.get(term_type, 0) + 1
        yield code, term_type, name.strip()
    if not any(seen.kept.get(term_type) for term_type in DRUGS):
        raise Malformed(f"{file.name} holds no drug of RxNorm: is it RXNCONSO.RRF of a whole release?")


def relations(file: Path, seen: Seen) -> Iterator[tuple[str, str]]:
    """The two RxCUIs of each relation that leads from a drug to its ingredients. Raises Malformed."""
    for number, parts in _lines(file, RELATION_COLUMNS, seen):
        one, other = parts[0], parts[4]
        if parts[10] != OWN or parts[7] not in RELATIONS or not (one and other):
            continue  # of another source, of another kind, or between names instead of concepts
        if not (_is_code(one) and _is_code(other)):
            raise Malformed(f"{file.name}, line {number}: not two RxCUIs.")
        seen.kept["relations"] = seen.kept.get("relations", 0) + 1
        yield one, other
    if not seen.kept:
        raise Malformed(f"{file.name} holds no relation of ingredients: is it RXNREL.RRF of a whole release?")


def _lines(file: Path, columns: int, seen: Seen) -> Iterator[tuple[int, list[str]]]:
    """Each line as (number, parts). Raises Malformed for a wrong number of columns, NUL, or what is not UTF-8."""
    try:
        with file.open(encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                parts = line.rstrip("\r\n").split("|")
                if len(parts) != columns + 1 or "\0" in line:
                    raise Malformed(
                        f"{file.name}, line {number}: {len(parts) - 1} columns instead of {columns}, each ended by |."
                    )
                seen.lines = number
                yield number, parts
    except UnicodeDecodeError as error:
        raise Malformed(f"{file.name} is not UTF-8 text.") from error
    if not seen.lines:
        raise Malformed(f"{file.name} is empty.")


def _is_code(text: str) -> bool:
    return text.isascii() and text.isdecimal()
