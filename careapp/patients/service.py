"""Commands on patients: registering one, and changing what is known of him."""

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, select

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.commands import command
from careapp.db import db, guarded_update, insert, insert_many, table_of
from careapp.disclosure.stewards import refuse_erased
from careapp.errors import Conflict, Invalid, Sentence, found
from careapp.patients.contacts import keys_of
from careapp.patients.events import PatientRegistered
from careapp.patients.models import PATIENTS, Patient, PatientKey, PatientNameWord
from careapp.patients.names import words, words_to_find
from careapp.patients.views import ContactPoint, HumanName, Identifier, PatientDetails, PatientView

LONGEST_LIFE = 130  # years: a birth date further back is a slip; what is imported of the dead may be older
FURTHEST_EAST = timedelta(hours=14)  # where the day begins first: a child born today is not born in the future there


@command(Permission.PATIENT_REGISTER)
def register(
    actor: Actor, *, name: HumanName, birth_date: date | None, gender: str,
    language: str | None = None, identifiers: list[Identifier] | None = None,
    telecom: list[ContactPoint] | None = None,
) -> PatientView:  # fmt: skip
    """Enter a new patient. Raises Invalid as require_sound() does."""
    require_sound(name, birth_date)
    row = enter(
        actor, name=name, birth_date=birth_date, gender=gender, language=language, identifiers=identifiers,
        telecom=telecom,
    )  # fmt: skip
    commands.record("patient.register", row.locator, patients=(row.locator,))
    commands.publish(PatientRegistered.of(row, key=row.locator, party_locator=row.locator))
    return PatientView.from_row(row)


@command(Permission.PATIENT_REGISTER)
def update(
    actor: Actor, locator: str, *, version: int, name: HumanName, birth_date: date | None, gender: str,
    language: str | None, identifiers: list[Identifier], telecom: list[ContactPoint],
) -> PatientDetails:  # fmt: skip
    """Set who a patient is and how he is reached. Raises NotFound, Conflict STALE_VERSION, and what register() raises.

    The audit keeps which parts were changed, not from what to what.
    """
    require_name(name)
    wanted = _columns(name, birth_date, gender, identifiers, telecom) | {"language": language}
    this = (PATIENTS.tenant_id == actor.tenant_id, PATIENTS.locator == locator)
    before = found(db.session.execute(select(*PATIENTS).where(*this).with_for_update()).one_or_none())
    refuse_erased(before)
    if before.version != version:
        raise Conflict(f"{locator} has changed since you saw it. Look again, then decide.", code="STALE_VERSION")
    if birth_date != before.birth_date:  # one that was imported may stay
        require_possible(birth_date)
    changes = sorted(column for column, value in wanted.items() if value != before._mapping[column])
    row = found(guarded_update(Patient, *this, returning=PATIENTS, **wanted))
    for table in (PatientNameWord, PatientKey):
        of_patient = (table_of(table).c.tenant_id == actor.tenant_id, table_of(table).c.patient_id == row.id)
        db.session.execute(table_of(table).delete().where(*of_patient))
    _index(actor, row.id, name, identifiers, telecom)
    commands.record("patient.update", locator, patients=(locator,), changed=changes)
    return PatientDetails.from_row(row)


def require_sound(name: HumanName, birth_date: date | None) -> None:
    """Raise Invalid for a name without a word in it or a birth date that nobody alive can have."""
    require_name(name)
    require_possible(birth_date)


def require_name(name: HumanName) -> None:
    """Raise Invalid for a name without a word in it."""
    if not words(" ".join((*name.given, name.family or ""))):
        raise Invalid({"name": Sentence("Give a family name or a given name.")})


def require_possible(birth_date: date | None) -> None:
    """Raise Invalid for a birth date in the future, or longer ago than anybody lives."""
    today = (clock.now() + FURTHEST_EAST).date()
    if birth_date and birth_date > today:
        raise Invalid({"birthDate": Sentence("The birth date lies in the future.")})
    if birth_date and birth_date.year < today.year - LONGEST_LIFE:
        raise Invalid({"birthDate": Sentence("The birth date lies more than %(years)s years ago.", years=LONGEST_LIFE)})


def enter(
    actor: Actor, *, name: HumanName, birth_date: date | None, gender: str, deceased_at: datetime | None = None,
    language: str | None = None, identifiers: list[Identifier] | None = None,
    telecom: list[ContactPoint] | None = None,
) -> Row[Any]:  # fmt: skip
    """Store a patient and the words he is found by, inside a command that records and tells of it; returns the row."""
    identifiers, telecom = identifiers or [], telecom or []
    values = _columns(name, birth_date, gender, identifiers, telecom)
    row = insert(Patient, *PATIENTS, tenant_id=actor.tenant_id, deceased_at=deceased_at, language=language, **values)
    _index(actor, row.id, name, identifiers, telecom)
    return row


def _columns(
    name: HumanName, birth_date: date | None, gender: str, identifiers: list[Identifier], telecom: list[ContactPoint]
) -> dict[str, Any]:
    """A person as the columns of the table."""
    return {
        "family": name.family or "", "given": list(name.given), "birth_date": birth_date, "gender": gender,
        "identifiers": [identifier.model_dump(exclude_none=True) for identifier in identifiers],
        "telecom": [point.model_dump(exclude_none=True) for point in telecom],
    }  # fmt: skip


def _index(
    actor: Actor, patient_id: int, name: HumanName, identifiers: list[Identifier], telecom: list[ContactPoint]
) -> None:
    """Store the words and keys a patient is found by."""
    this = {"tenant_id": actor.tenant_id, "patient_id": patient_id}
    found_by = words_to_find(" ".join((*name.given, name.family or "")))
    insert_many(PatientNameWord, [{**this, "word": word} for word in found_by])
    keys = sorted(keys_of(telecom, identifiers))
    insert_many(PatientKey, [{**this, "kind": kind, "value": value} for kind, value in keys])
