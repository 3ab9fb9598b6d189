"""Reads of the coded list of medicines: as somebody types, and by code."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Integer, Select, Text, any_, bindparam, func, intersect, or_, select, union, union_all
from sqlalchemy.dialects.postgresql import ARRAY

from careapp.access import Actor, Permission
from careapp.commands import query
from careapp.db import db, written_out
from careapp.kept import built_once
from careapp.late import may_be_late
from careapp.terminology.models import CODE_LISTS, MEDICINES, WORDS
from careapp.terminology.names import words
from careapp.terminology.views import RXNORM, Found, ListInUse, MedicineView

MOST_FOUND = 20
MOST_WORDS = 6
SHORTEST = 2  # characters of a word before a search is worth its while
PRESCRIBABLE = (
    "SCD",
    "SBD",
    "GPCK",
    "BPCK",
)  # RxNorm term types: clinical and branded drugs, generic and branded packs
SHORTEST_CODE = 3


@may_be_late
@query(Permission.PRESCRIPTION_WRITE)
def search_medicines(actor: Actor, text: str) -> Found:
    """Medicines whose name has a word beginning with each word of `text`, in any order ("amox 500"), or whose code
    begins with it. At most MOST_FOUND: the code itself first, then the simplest medicine, then the shortest name.
    """
    wanted = words(text)[:MOST_WORDS]
    if not any(len(word) >= SHORTEST for word in wanted):
        return Found(medicines=[])
    code = wanted[0] if len(wanted) == 1 and wanted[0].isdecimal() and len(wanted[0]) >= SHORTEST_CODE else ""
    values = {f"word_{number}": word for number, word in enumerate(wanted)}
    given = {**values, "begins": wanted[0], "code": code, "most": MOST_FOUND + 1}
    rows = db.session.execute(_search(len(wanted), bool(code)), given).all()
    return Found(medicines=[_view(row) for row in rows[:MOST_FOUND]], more=len(rows) > MOST_FOUND)


@query(Permission.PRESCRIPTION_WRITE)
def find_medicine(actor: Actor, code: str) -> MedicineView | None:
    """The medicine of this RxCUI, retired ones included, or None."""
    rows = db.session.execute(select(*MEDICINES).where(MEDICINES.code == code)).all()
    return _view(rows[0]) if rows else None


@query(Permission.PRESCRIPTION_WRITE)
def list_in_use(actor: Actor) -> ListInUse | None:
    """The list of medicines that is loaded, or None."""
    statement = select(CODE_LISTS.source, CODE_LISTS.entries).where(CODE_LISTS.system == RXNORM)
    row = db.session.execute(statement).one_or_none()
    return ListInUse(source=row[0], entries=row[1]) if row else None


def concepts(codes: Iterable[str], named: Iterable[str]) -> list[MedicineView]:
    """The concepts of these codes, and the ingredients that have one of these words in their name; for commands and
    queries that check a prescription.
    """
    found = db.session.execute(_concepts(), {"codes": list(codes), "words": list(named)})
    return [_view(row) for row in found]


def ingredients_beginning(letter: str) -> Sequence[str]:
    """The names of ingredients that have a word beginning with a letter, to be compared with a misspelt one."""
    if not letter:
        return []
    return db.session.scalars(_beginning(), {"low": letter, "high": chr(ord(letter) + 1)}).all()


@built_once
def _beginning() -> Select[Any]:
    """A range of the words' index: with a parameter, `^@` would take none."""
    low, high = bindparam("low", type_=Text), bindparam("high", type_=Text)
    codes = select(WORDS.code).where(WORDS.word >= low, WORDS.word < high)
    return select(MEDICINES.name).where(MEDICINES.active, MEDICINES.term_type == "IN", MEDICINES.code.in_(codes))


@built_once
def _search(count: int, by_code: bool) -> Select[Any]:
    """The search for `count` words. `^@` (begins with) takes the index; the words' matches are intersected first."""
    begins = [
        select(WORDS.code).where(WORDS.word.op("^@")(bindparam(f"word_{number}", type_=Text)))
        for number in range(count)
    ]
    matches: Any = intersect(*begins) if count > 1 else begins[0]
    code = bindparam("code", type_=Text)
    if by_code:
        matches = union(matches, select(MEDICINES.code).where(MEDICINES.code.op("^@")(code)))
    return (
        select(*MEDICINES)
        .where(MEDICINES.active, MEDICINES.term_type.in_(written_out(PRESCRIBABLE)), MEDICINES.code.in_(matches))
        .order_by(
            (MEDICINES.code == code).desc(),
            func.starts_with(func.lower(MEDICINES.name), bindparam("begins", type_=Text)).desc(),
            func.jsonb_array_length(MEDICINES.ingredients),
            func.length(MEDICINES.name),
            MEDICINES.name,
            MEDICINES.code,
        )
        .limit(bindparam("most", type_=Integer))
    )


@built_once
def _concepts() -> Select[Any]:
    """One index look-up a code or word: an OR over two conditions would read the whole list."""
    codes, named = (func.unnest(bindparam(name, type_=ARRAY(Text))) for name in ("codes", "words"))
    by_word = select(WORDS.code).where(WORDS.word.in_(select(named)))
    asked_for = MEDICINES.code == any_(bindparam("codes", type_=ARRAY(Text)))
    return select(*MEDICINES).where(
        MEDICINES.code.in_(union_all(select(codes), by_word)), or_(asked_for, MEDICINES.term_type == "IN")
    )


def _view(row: Any) -> MedicineView:
    return MedicineView.of(row)
