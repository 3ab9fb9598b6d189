"""Patient tables: the person, one row per word of the name and per phone number to search by, and clinical facts."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, UniqueConstraint, func, literal_column, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, JSONPATH
from sqlalchemy.orm import Mapped, mapped_column

from careapp.db import Aggregate, Base, TenantRow, one_of, table_of, tenant_key
from careapp.disclosure.rules import CONFIDENTIALITIES, NORMAL
from careapp.locators import column_rule
from careapp.patients.states import FACT_KINDS, GENDERS, KEY_KINDS


class Patient(Aggregate, Base):
    """A person under care. `family` and `given` are FHIR's name parts; `telecom` and `identifiers` FHIR's lists.

    `erased_at`: nothing is left of who it was (careapp/erasure); nothing new may be entered.
    """

    __tablename__ = "patients"

    locator: Mapped[str] = mapped_column(Text, column_rule("PTY"))
    family: Mapped[str] = mapped_column(Text)
    given: Mapped[list[str]] = mapped_column(ARRAY(Text))
    birth_date: Mapped[date | None]
    gender: Mapped[str] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(Text)
    deceased_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]
    telecom: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    identifiers: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    confidentiality: Mapped[str] = mapped_column(Text, server_default=NORMAL)
    restricted_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("tenant_id", "locator"),
        one_of("gender", GENDERS),
        one_of("confidentiality", CONFIDENTIALITIES),
        CheckConstraint("(confidentiality = 'RESTRICTED') = (restricted_at IS NOT NULL)", name="restricted_at"),
        Index("patients_birth_date", "tenant_id", "birth_date", "id"),
        Index("patients_newest", "tenant_id", "created_at", "id"),
    )


class PatientNameWord(Base):
    """One folded word of a patient's name: under row-level security only a plain prefix on such a key uses an index."""

    __tablename__ = "patient_name_words"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    word: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    patient_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)

    __table_args__ = (
        tenant_key("patient_id", "patients"),
        Index("patient_name_words_patient", "tenant_id", "patient_id"),
    )


class PatientKey(Base):
    """A phone number, e-mail address or identifier of a patient as it is compared (contacts.py): to search by, and to
    notice that somebody is registered already.
    """

    __tablename__ = "patient_keys"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    patient_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)

    __table_args__ = (
        tenant_key("patient_id", "patients"),
        one_of("kind", KEY_KINDS),
        Index("patient_keys_patient", "tenant_id", "patient_id"),
    )


class PatientFact(TenantRow, Base):
    """A condition or allergy known of a patient, as coded where it came from; it holds while `abated_at` is empty.

    That no allergy is known is an allergy with a code of its own (states.NONE_KNOWN).
    """

    __tablename__ = "patient_facts"

    patient_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    code: Mapped[str | None] = mapped_column(Text)
    system: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str | None] = mapped_column(Text)
    onset_at: Mapped[datetime | None]
    abated_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        tenant_key("patient_id", "patients"),
        one_of("kind", FACT_KINDS),
        Index("patient_facts_patient", "tenant_id", "patient_id", "kind", "id"),
    )


PATIENTS = table_of(Patient).c
NAME_WORDS = table_of(PatientNameWord).c
KEYS = table_of(PatientKey).c
FACTS = table_of(PatientFact).c

# A patient's whole name as one column, given names first.
_NAMES = func.concat(func.array_to_string(PATIENTS.given, " "), " ", PATIENTS.family)
FULL_NAME = func.trim(_NAMES).label("patient_name")

# The number to call a patient by, as one column: the first phone number of the ways to reach him.
_PHONES = literal_column("""'$[*] ? (@.system == "phone").value'""", JSONPATH)
FIRST_PHONE = (
    func.jsonb_path_query_first(PATIENTS.telecom, _PHONES).op("#>>", return_type=Text())(text("'{}'")).label("phone")
)
