"""The report of an import: one outcome for each record, what was refused and why, and the sums for each type."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum

FILE = "(file)"  # what stands for a resource type where a file or an entry could not be read at all
LONGEST_FILE = 255  # characters, as file systems allow
LONGEST_VALUE = 60  # characters of a refused value that are shown


class Outcome(StrEnum):
    """What became of one record."""

    CREATED = "created"
    ALREADY_THERE = "already there"
    REFUSED = "refused"
    NOT_IMPORTED = "not imported"


@dataclass(frozen=True)
class Note:
    """A remark or a refusal: a code for programs, the value it is about, and a sentence that says why."""

    code: str
    value: str
    why: str


class Unusable(Exception):
    """A record that cannot be taken in; the others of its bundle are."""

    def __init__(self, code: str, value: object, why: str) -> None:
        super().__init__(why)
        self.note = Note(code, shown(value), why)


@dataclass(frozen=True)
class Line:
    """What became of one record of one file. A created one with notes was kept with a remark."""

    file: str
    resource_type: str
    source_id: str
    outcome: Outcome
    notes: tuple[Note, ...] = ()


class Report:
    """All outcomes of one run: counted by resource type, and kept line by line where there is something to say."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Counter[Outcome]] = defaultdict(Counter)
        self.remarks: Counter[str] = Counter()
        self.noted: list[Line] = []

    def add(self, line: Line) -> None:
        """Count one record, and keep its line where it has notes."""
        self.outcomes[line.resource_type][line.outcome] += 1
        if line.notes:
            self.noted.append(line)
            self.remarks[line.resource_type] += line.outcome is not Outcome.REFUSED

    @property
    def refused(self) -> int:
        """How many records or files were refused."""
        return sum(counts[Outcome.REFUSED] for counts in self.outcomes.values())

    def details(self) -> list[str]:
        """One line for each note: file, type, source id, outcome, code, value and why, separated by tabs."""
        return [
            "\t".join(
                (
                    shown(line.file, LONGEST_FILE),
                    line.resource_type,
                    line.source_id,
                    _outcome(line),
                    note.code,
                    note.value,
                    note.why,
                )
            )
            for line in self.noted
            for note in line.notes
        ]

    def table(self) -> list[str]:
        """The sums for each resource type, as lines of a table; what is taken in stands first."""
        columns = (*Outcome, "with remark")
        lines = [f"{'type':<24}" + "".join(f"{column:>15}" for column in columns)]
        for resource_type, counts in sorted(self.outcomes.items(), key=lambda item: _place(*item)):
            numbers = [counts[outcome] for outcome in Outcome] + [self.remarks[resource_type]]
            lines.append(f"{resource_type:<24}" + "".join(f"{number:>15}" for number in numbers))
        return lines


def shown(value: object, longest: int = LONGEST_VALUE) -> str:
    """A value as a report may print it: on one line, without control characters, cut to a readable length."""
    text = value if isinstance(value, str) else repr(value)
    plain = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text[: longest + 1])
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def _outcome(line: Line) -> str:
    return line.outcome if line.outcome is Outcome.REFUSED else f"{line.outcome}, with remark"


def _place(resource_type: str, counts: Counter[Outcome]) -> tuple[bool, str]:
    return counts[Outcome.NOT_IMPORTED] > 0, resource_type
