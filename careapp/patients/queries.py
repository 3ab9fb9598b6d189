"""Reads of patients: one, all, and by name prefix, birth date, phone number or locator."""

import re
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Select, Text, any_, bindparam, exists, select
from sqlalchemy.dialects.postgresql import ARRAY

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db, table_of
from careapp.disclosure import reading
from careapp.errors import Invalid, Sentence, found
from careapp.kept import built_once
from careapp.paging import DEFAULT_LIMIT, read_page
from careapp.patients.contacts import latin_digits, phone_key
from careapp.patients.models import FACTS, KEYS, NAME_WORDS, PATIENTS, Patient
from careapp.patients.names import words
from careapp.patients.states import PHONE
from careapp.patients.views import FactView, PatientDetails, PatientView
from careapp.views import Page

MOST_WORDS = 6
NUMBER = re.compile(r"(?:PTY-)?(?:(?P<year>[0-9]{4})-)?(?P<number>[0-9]+)")
_RUN_TOGETHER = re.compile(r"\APTY[ -]?([0-9]{4})[ -]?([0-9]{6,})\Z")
FIRST_YEAR = 2020  # no locator is older


@query(Permission.PATIENT_VIEW)
def get_patient(actor: Actor, locator: str) -> PatientView:
    """One patient; raises NotFound."""
    return PatientView.from_row(_read(actor, locator))


@query(Permission.PATIENT_VIEW)
def get_patient_details(actor: Actor, locator: str) -> PatientDetails:
    """One patient with what only his page shows; raises NotFound."""
    row = _read(actor, locator)
    return PatientDetails.from_row(row).model_copy(update={"withheld": not reading.sees(actor, row)})


def _read(actor: Actor, locator: str) -> Any:
    statement = select(*PATIENTS, PATIENTS.id.label("patient_id")).where(
        PATIENTS.tenant_id == actor.tenant_id, PATIENTS.locator == locator
    )
    row = found(db.session.execute(statement).one_or_none())
    reading.look(actor, [row])  # so that the log says where it is an emergency
    record_read("patient.read", locator, patients=(locator,))
    return row


@query(Permission.PATIENT_VIEW)
def list_patients(actor: Actor, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> Page[PatientView]:
    """All patients, newest first."""
    return _page(actor, Search(), {}, "patient.list", {}, limit, cursor)


@query(Permission.PATIENT_VIEW)
def search_patients(
    actor: Actor, *, name: str | None = None, birth_date: date | None = None, locator: str | None = None,
    phone: str | None = None, limit: int = DEFAULT_LIMIT, cursor: str | None = None,
) -> Page[PatientView]:  # fmt: skip
    """Patients whose name has a word beginning with each word given, born on that day, reached by that phone number
    (with or without its country code), or with that locator: whole, or the number in it alone (42 or PTY-2026-42 for
    PTY-2026-000042).

    Raises Invalid when nothing is given to search by. The audit keeps what was searched for.
    """
    prefixes = words(name or "")[:MOST_WORDS]
    key = phone_key(phone) if phone is not None else None
    asked = Search(len(prefixes), birth_date is not None, locator is not None, bool(key))
    if asked == Search():
        raise Invalid({"name": Sentence("Give a name, a birth date or a patient number to search by.")})
    values: dict[str, Any] = {f"word_{number}": prefix for number, prefix in enumerate(prefixes)}
    values |= {"birth_date": birth_date, "locators": locators_meant(locator or ""), "phone": key}
    searched = {"name": " ".join(prefixes), "birthDate": birth_date and birth_date.isoformat(), "locator": locator}
    searched["phone"] = phone
    return _page(actor, asked, values, "patient.search", {k: v for k, v in searched.items() if v}, limit, cursor)


class Search(NamedTuple):
    """By what patients are searched for: how many words of a name, and whether by the rest."""

    words: int = 0
    birth_date: bool = False
    locators: bool = False
    phone: bool = False


@built_once
def _meant(asked: Search) -> Select[Any]:
    """The patients of a search (of none: all); built once for each shape."""
    tenant: BindParameter[Any] = bindparam("tenant")
    statement = select(*PATIENTS).where(PATIENTS.tenant_id == tenant)
    his = (NAME_WORDS.tenant_id == tenant, NAME_WORDS.patient_id == PATIENTS.id)
    for number in range(asked.words):  # ^@ is leakproof, so an index condition under row-level security; LIKE is not
        starts_so = NAME_WORDS.word.op("^@")(bindparam(f"word_{number}", type_=Text))
        statement = statement.where(exists().where(*his, starts_so).correlate(table_of(Patient)))
    if asked.birth_date:
        statement = statement.where(PATIENTS.birth_date == bindparam("birth_date"))
    if asked.locators:
        statement = statement.where(PATIENTS.locator == any_(bindparam("locators", type_=ARRAY(Text))))
    if asked.phone:
        same = (KEYS.tenant_id == tenant, KEYS.kind == PHONE, KEYS.value == bindparam("phone"))
        statement = statement.where(exists().where(*same, KEYS.patient_id == PATIENTS.id).correlate(table_of(Patient)))
    return statement


def as_number(typed: str) -> str:
    """What was typed, as patient numbers are written: pty2026000042 and PTY 2026 000042 have their hyphens."""
    return _RUN_TOGETHER.sub(r"PTY-\1-\2", latin_digits(typed).strip().upper())


def locators_meant(typed: str) -> list[str]:
    """The locators a typed number can stand for: without a year, one of each year. Text of another kind as it is."""
    parts = NUMBER.fullmatch(as_number(typed))
    if parts is None:
        return [as_number(typed)]
    years = [parts["year"]] if parts["year"] else range(FIRST_YEAR, clock.now().year + 1)
    return [f"PTY-{year}-{parts['number'].lstrip('0').zfill(6)}" for year in years]


def require_open_record(actor: Actor, locator: str) -> int:
    """The id of a patient whose record the actor may read, inside a query; raises NotFound and Restricted."""
    columns = (PATIENTS.id.label("patient_id"), PATIENTS.locator.label("party_locator"), PATIENTS.confidentiality)
    statement = select(*columns).where(PATIENTS.tenant_id == actor.tenant_id, PATIENTS.locator == locator)
    row = found(db.session.execute(statement).one_or_none())
    reading.require(actor, row)
    return int(row.patient_id)


@query(Permission.PATIENT_VIEW)
def list_facts(actor: Actor, locator: str, *, kind: str | None = None) -> list[FactView]:
    """What is known of a patient: conditions and allergies, those that still hold first.

    Raises NotFound and Restricted.
    """
    patient_id = require_open_record(actor, locator)
    statement = select(*FACTS).where(FACTS.tenant_id == actor.tenant_id, FACTS.patient_id == patient_id)
    if kind is not None:
        statement = statement.where(FACTS.kind == kind)
    rows = db.session.execute(statement.order_by(FACTS.abated_at.is_not(None), FACTS.onset_at.desc(), FACTS.id)).all()
    record_read("patient.facts", locator, patients=(locator,))
    return FactView.of_each(rows)


def _page(
    actor: Actor, asked: Search, values: dict[str, Any], action: str, detail: dict[str, str], limit: int,
    cursor: str | None,
) -> Page[PatientView]:  # fmt: skip
    """One page of the patients that are meant, newest first, audited with everybody it shows."""
    page = read_page(
        _meant(asked), (PATIENTS.created_at, PATIENTS.id), PatientView.from_each,
        of=("patients", detail), limit=limit, cursor=cursor, newest_first=True,
        values={"tenant": actor.tenant_id, **values},
    )  # fmt: skip
    record_read(action, patients=tuple(patient.locator for patient in page.items), **detail)
    return page
