"""Terminology tables: the coded list of medicines, the words it is searched by, and which list is loaded."""

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from careapp.db import Base, table_of


class Medicine(Base):
    """One concept of RxNorm by its RxCUI. `ingredients` are {"code", "name"} each, the code null where it is not known.

    `active` is false for a code that the list now loaded no longer has: it is not offered any more, but a prescription
    that bears it can still be checked.
    """

    __tablename__ = "medicines"

    code: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    term_type: Mapped[str] = mapped_column(Text)
    ingredients: Mapped[list[dict[str, str | None]]] = mapped_column(JSONB)
    active: Mapped[bool]


class MedicineWord(Base):
    """One word an active medicine or ingredient is found by."""

    __tablename__ = "medicine_words"

    word: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    code: Mapped[str] = mapped_column(Text(collation="C"), ForeignKey("medicines.code"), primary_key=True, index=True)


class CodeList(Base):
    """Which release of a code system is loaded, where it came from, and how many medicines it offers."""

    __tablename__ = "code_lists"

    system: Mapped[str] = mapped_column(Text, primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    entries: Mapped[int] = mapped_column(Integer)
    loaded_at: Mapped[datetime] = mapped_column(server_default=func.now())


MEDICINES = table_of(Medicine).c
WORDS = table_of(MedicineWord).c
CODE_LISTS = table_of(CodeList).c
