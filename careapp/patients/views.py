"""What patients look like from outside: FHIR's names for the parts of a person."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import Field
from sqlalchemy import Row

from careapp.disclosure.rules import CONFIDENTIALITIES
from careapp.patients.states import ALLERGY, CONTACT_SYSTEMS, CONTACT_USES, GENDERS, NONE_KNOWN
from careapp.views import Page, View, codes


class HumanName(View):
    """A name (FHIR HumanName): `text` is the whole as it is shown."""

    family: str | None = None
    given: list[str] = Field(default_factory=list)
    text: str = ""


class ContactPoint(View):
    """A way to reach somebody (FHIR ContactPoint). One that was imported keeps the `system` and `use` it came with."""

    system: Annotated[str, Field(description=f"One of {', '.join(CONTACT_SYSTEMS)}, or as imported.")]
    value: str
    use: Annotated[str | None, Field(description=f"One of {', '.join(CONTACT_USES)}, or as imported.")] = None


class Identifier(View):
    """A number another system knows the person by (FHIR Identifier)."""

    system: str | None = None
    value: str


class PatientView(View):
    """One patient (design §6). `confidentiality` is set by acts of its own."""

    locator: str
    name: HumanName
    birth_date: date | None
    gender: Annotated[str, codes(GENDERS)]
    identifiers: list[Identifier]
    telecom: list[ContactPoint]
    confidentiality: Annotated[str, codes(CONFIDENTIALITIES)]
    version: int

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        """The view of a row of the patients table."""
        return cls.of(row, name=_name_in(row))

    @classmethod
    def from_each(cls, rows: Iterable[Row[Any]]) -> list[Self]:
        """The views of such rows."""
        return cls.of_each(rows, lambda row: {"name": _name_in(row)})


class PatientDetails(PatientView):
    """One patient as his page shows him: with the language he speaks (a BCP 47 tag), and whether he has died.

    `withheld` says that what is clinical about him is not shown to who asks.
    """

    language: str | None
    deceased_at: datetime | None
    withheld: bool = False


class FactView(View):
    """A condition or allergy known of a patient, over since `abated_at`; or that no allergy is known (`none_known`)."""

    id: int
    kind: str
    text: str
    code: str | None
    system: str | None
    status: str | None
    onset_at: datetime | None
    abated_at: datetime | None
    recorded_at: datetime

    @property
    def none_known(self) -> bool:
        """Whether this says that somebody was asked for allergies and knows of none."""
        return self.kind == ALLERGY and self.code in NONE_KNOWN


class PatientPage(Page[PatientView]):
    """A page of patients."""


def _name_in(row: Row[Any]) -> HumanName:
    given = list(row.given)
    text = " ".join((*given, row.family)).strip()
    return HumanName(family=row.family or None, given=given, text=text)
