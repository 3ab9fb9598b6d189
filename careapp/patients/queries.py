"""Reads of patients: one, all, and by name prefix, birth date, phone number or locator."""

import re
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, exists, select

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db, table_of
from careapp.disclosure import reading
from careapp.errors import Invalid, found
from careapp.paging import DEFAULT_LIMIT, read_page
from careapp.patients.contacts import phone_key
from careapp.patients.models import FACTS, KEYS, NAME_WORDS, PATIENTS, Patient
from careapp.patients.names import words
from careapp.patients.states import PHONE
from careapp.patients.views import FactView, PatientDetails, PatientView
from careapp.views import Page

MOST_WORDS = 6
NUMBER = re.compile(r"(?:PTY-)?(?:(?P<year>[0-9]{4})-)?(?P<number>[0-9]+)")
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
    return _page(actor, [], "patient.list", {}, limit, cursor)


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
    conditions: list[ColumnElement[bool]] = []
    prefixes = words(name or "")[:MOST_WORDS]
    for prefix in prefixes:
        starts_so = NAME_WORDS.word.op("^@")(
            prefix
        )  # leakproof, so an index condition under row-level security; LIKE is not
        conditions.append(
            exists()
            .where(NAME_WORDS.tenant_id == actor.tenant_id, NAME_WORDS.patient_id == PATIENTS.id, starts_so)
            .correlate(table_of(Patient))
        )
    if birth_date is not None:
        conditions.append(PATIENTS.birth_date == birth_date)
    if locator is not None:
        conditions.append(PATIENTS.locator.in_(locators_meant(locator)))
    if phone is not None and phone_key(phone):
        same = (KEYS.tenant_id == actor.tenant_id, KEYS.kind == PHONE, KEYS.value == phone_key(phone))
        conditions.append(exists().where(*same, KEYS.patient_id == PATIENTS.id).correlate(table_of(Patient)))
    if not conditions:
        raise Invalid({"name": "Give a name, a birth date or a patient number to search by."})
    searched = {"name": " ".join(prefixes), "birthDate": birth_date and birth_date.isoformat(), "locator": locator}
    searched["phone"] = phone
    return _page(actor, conditions, "patient.search", {k: v for k, v in searched.items() if v}, limit, cursor)


def locators_meant(typed: str) -> list[str]:
    """The locators a typed number can stand for: without a year, one of each year. Text of another kind as it is."""
    text = typed.strip().upper()
    parts = NUMBER.fullmatch(text)
    if parts is None:
        return [text]
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
    return [FactView.of(row) for row in rows]


def _page(
    actor: Actor,
    conditions: list[ColumnElement[bool]],
    action: str,
    detail: dict[str, str],
    limit: int,
    cursor: str | None,
) -> Page[PatientView]:
    """One page of the patients that meet all conditions, newest first, audited with everybody it shows."""
    statement = select(*PATIENTS).where(PATIENTS.tenant_id == actor.tenant_id, *conditions)
    page = read_page(
        statement,
        (PATIENTS.created_at, PATIENTS.id),
        PatientView.from_row,
        limit=limit,
        cursor=cursor,
        newest_first=True,
    )
    record_read(action, patients=tuple(patient.locator for patient in page.items), **detail)
    return page
