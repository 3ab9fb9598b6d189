"""Commands on patients: registering one."""

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.commands import command
from careapp.db import insert, insert_many
from careapp.errors import Invalid
from careapp.patients.events import PatientRegistered
from careapp.patients.models import PATIENTS, Patient, PatientNameWord
from careapp.patients.names import words
from careapp.patients.views import ContactPoint, HumanName, Identifier, PatientView

FURTHEST_EAST = timedelta(hours=14)  # where the day begins first: a child born today is not born in the future there


@command(Permission.PATIENT_REGISTER)
def register(
    actor: Actor, *, name: HumanName, birth_date: date | None, gender: str,
    identifiers: list[Identifier] | None = None, telecom: list[ContactPoint] | None = None,
) -> PatientView:  # fmt: skip
    """Enter a new patient. Raises Invalid for a name without a word in it or a birth date in the future."""
    if not words(" ".join((*name.given, name.family or ""))):
        raise Invalid({"name": "Give a family name or a given name."})
    if birth_date and birth_date > (clock.now() + FURTHEST_EAST).date():
        raise Invalid({"birthDate": "The birth date lies in the future."})
    row = enter(actor, name=name, birth_date=birth_date, gender=gender, identifiers=identifiers, telecom=telecom)
    commands.record("patient.register", row.locator, patients=(row.locator,))
    commands.publish(PatientRegistered.of(row, key=row.locator, party_locator=row.locator))
    return PatientView.from_row(row)


def enter(
    actor: Actor, *, name: HumanName, birth_date: date | None, gender: str, deceased_at: datetime | None = None,
    language: str | None = None, identifiers: list[Identifier] | None = None,
    telecom: list[ContactPoint] | None = None,
) -> Row[Any]:  # fmt: skip
    """Store a patient and the words he is found by, inside a command that records and tells of it; returns the row."""
    family, given = name.family or "", name.given
    row = insert(
        Patient, *PATIENTS, tenant_id=actor.tenant_id, family=family, given=given, birth_date=birth_date, gender=gender,
        deceased_at=deceased_at, language=language,
        identifiers=[identifier.model_dump(exclude_none=True) for identifier in identifiers or ()],
        telecom=[point.model_dump(exclude_none=True) for point in telecom or ()],
    )  # fmt: skip
    insert_many(
        PatientNameWord,
        [
            {"tenant_id": actor.tenant_id, "word": word, "patient_id": row.id}
            for word in words(" ".join((*given, family)))
        ],
    )
    return row
