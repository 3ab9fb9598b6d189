"""Whether two records are of one person: a pure rule that weighs what agrees and what does not.

The idea is that of probabilistic record linkage (Fellegi and Sunter, A Theory for Record Linkage, 1969): each thing
compared gives a weight, the logarithm of how much likelier its outcome is for two records of one person than for two
people. The weights add up. The shares below are estimates of ours, on the careful side; a person decides, not the rule.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from math import log2

from careapp.patients.contacts import Key
from careapp.patients.names import fold
from careapp.patients.states import IDENTIFIER, PHONE

SHOWN_FROM, VERY_LIKELY_FROM = 9.0, 15.0  # sums of weights
SIMILAR_NAMES = 0.75  # of the words of two names that must go together for the names to be similar

# Forms of address that stand before a name and are now written, now left out.
_ADDRESS = frozenset({
    "u", "daw", "ko", "ma", "maung", "mg", "saw", "naw", "sai", "nan", "dr", "mr", "mrs", "ms", "miss",
})  # fmt: skip
_ADDRESS_IN_BURMESE = tuple(fold(text) for text in ("ဦး", "ဒေါ်"))


class Reason(StrEnum):
    """What agrees in two records."""

    SAME_IDENTIFIER = "same-identifier"
    SAME_BIRTH_DATE = "same-birth-date"
    SWAPPED_BIRTH_DATE = "swapped-birth-date"
    NEAR_BIRTH_DATE = "near-birth-date"
    SAME_NAME = "same-name"
    SIMILAR_NAME = "similar-name"
    SAME_PHONE = "same-phone"
    SAME_EMAIL = "same-email"


@dataclass(frozen=True)
class Person:
    """What is compared: the folded words of the name, birth date, gender, and keys (contacts.keys_of)."""

    words: tuple[str, ...]
    birth_date: date | None
    gender: str
    keys: frozenset[Key]


@dataclass(frozen=True)
class Likeness:
    """How much speaks for one person (a sum of weights), and what does."""

    weight: float
    reasons: tuple[Reason, ...]

    @property
    def shown(self) -> bool:
        """Whether somebody should look before this person is registered once more."""
        return self.weight >= SHOWN_FROM

    @property
    def very_likely(self) -> bool:
        """Whether hardly anybody else can be meant."""
        return self.weight >= VERY_LIKELY_FROM


def _weight(of_one_person: float, of_two_people: float) -> float:
    return log2(of_one_person / of_two_people)


# How often each outcome comes up among pairs of records of one person, and among pairs of two people.
_NAME = {Reason.SAME_NAME: _weight(0.80, 0.001), Reason.SIMILAR_NAME: _weight(0.15, 0.005), None: _weight(0.05, 0.994)}
_BORN = {
    Reason.SAME_BIRTH_DATE: _weight(0.92, 0.0002), Reason.SWAPPED_BIRTH_DATE: _weight(0.02, 0.0002),
    Reason.NEAR_BIRTH_DATE: _weight(0.03, 0.003), None: _weight(0.03, 0.9966),
}  # fmt: skip
_PHONE = {True: _weight(0.60, 0.001), False: _weight(0.40, 0.999)}  # families share one, and people change theirs
_EMAIL = {True: _weight(0.50, 0.0005), False: 0.0}
_IDENTIFIER = {True: _weight(0.95, 0.00001), False: 0.0}  # a person has several, of different systems
_GENDER = {True: _weight(0.97, 0.5), False: _weight(0.03, 0.5)}


def compare(first: Person, second: Person) -> Likeness:
    """How much speaks for these two being one person. What either record leaves out speaks neither way."""
    name, born = _name(first.words, second.words), _born(first.birth_date, second.birth_date)
    weight = _NAME[name] + (_BORN[born] if first.birth_date and second.birth_date else 0.0)
    reasons = [born, name]
    for kind, weights, reason in (
        (IDENTIFIER, _IDENTIFIER, Reason.SAME_IDENTIFIER), (PHONE, _PHONE, Reason.SAME_PHONE),
        ("EMAIL", _EMAIL, Reason.SAME_EMAIL),
    ):  # fmt: skip
        ours, theirs = ({value for one, value in person.keys if one == kind} for person in (first, second))
        if ours and theirs:
            weight += weights[bool(ours & theirs)]
            reasons.append(reason if ours & theirs else None)
    if {first.gender, second.gender} <= {"male", "female"}:
        weight += _GENDER[first.gender == second.gender]
    order = list(Reason)
    return Likeness(weight, tuple(sorted((one for one in reasons if one), key=order.index)))


def called(words: list[str]) -> tuple[str, ...]:
    """The words of a name without a form of address: Daw Hla Hla and Hla Hla are one name."""
    if len(words) > 1 and words[0] in _ADDRESS:
        return tuple(words[1:])
    if words:
        for address in _ADDRESS_IN_BURMESE:
            if words[0].startswith(address) and len(words[0]) > len(address):
                return (words[0].removeprefix(address), *words[1:])
    return tuple(words)


def _name(first: tuple[str, ...], second: tuple[str, ...]) -> Reason | None:
    """How alike two names are, in whatever order their words stand and whether or not they are written as one."""
    if not first or not second:
        return None
    if set(first) == set(second) or "".join(first) == "".join(second):
        return Reason.SAME_NAME
    left, together = list(second), 0
    for word in first:
        partner = next((one for one in left if one == word), None) or next((o for o in left if _slip(word, o)), None)
        if partner:
            left.remove(partner)
            together += 1
    return Reason.SIMILAR_NAME if 2 * together / (len(first) + len(second)) >= SIMILAR_NAMES else None


def _slip(first: str, second: str) -> bool:
    """Whether two words may be one with a slip of the pen: one in words of four letters, two in words of eight."""
    allowed = max(len(first), len(second)) // 4
    return abs(len(first) - len(second)) <= allowed and _distance(first, second) <= min(allowed, 2)


def _distance(first: str, second: str) -> int:
    """How many letters were left out, added, mistaken, or swapped with their neighbour (restricted Damerau)."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, one in enumerate(first, 1):
        before, above, row = row, before, [i]
        for j, other in enumerate(second, 1):
            steps = [before[j] + 1, row[j - 1] + 1, before[j - 1] + (one != other)]
            if i > 1 and j > 1 and one == second[j - 2] and first[i - 2] == other:
                steps.append(above[j - 2] + 1)
            row.append(min(steps))
    return row[-1]


def swapped(born: date) -> date | None:
    """The birth date with day and month the other way round, if there is such a day and it is another one."""
    return born.replace(month=born.day, day=born.month) if born.day <= 12 and born.day != born.month else None


def _born(first: date | None, second: date | None) -> Reason | None:
    if first is None or second is None:
        return None
    if first == second:
        return Reason.SAME_BIRTH_DATE
    if swapped(first) == second:
        return Reason.SWAPPED_BIRTH_DATE
    slips = sum(one != other for one, other in zip(f"{first:%Y%m%d}", f"{second:%Y%m%d}", strict=True))
    return Reason.NEAR_BIRTH_DATE if slips == 1 else None
