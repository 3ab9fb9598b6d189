"""What patients look like from outside: FHIR's names for the parts of a person."""

from datetime import date
from typing import Any, Self

from pydantic import Field
from sqlalchemy import Row

from careapp.views import Page, View


class HumanName(View):
    """A name (FHIR HumanName): `text` is the whole as it is shown."""

    family: str | None = None
    given: list[str] = Field(default_factory=list)
    text: str = ""


class ContactPoint(View):
    """A way to reach somebody (FHIR ContactPoint): `system` is phone, email, sms or other."""

    system: str
    value: str
    use: str | None = None


class Identifier(View):
    """A number another system knows the person by (FHIR Identifier)."""

    system: str | None = None
    value: str


class PatientView(View):
    """One patient (design §6)."""

    locator: str
    name: HumanName
    birth_date: date | None
    gender: str
    identifiers: list[Identifier]
    telecom: list[ContactPoint]
    version: int

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        """The view of a row of the patients table."""
        given = list(row.given)
        text = " ".join((*given, row.family)).strip()
        return cls.of(row, name=HumanName(family=row.family or None, given=given, text=text))


class FactView(View):
    """A condition or allergy known of a patient."""

    kind: str
    text: str
    code: str | None
    system: str | None
    status: str | None


class PatientPage(Page[PatientView]):
    """A page of patients."""
