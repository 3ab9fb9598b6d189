"""Patient → patient. Numbers of the state (social security, licence, passport, tax) are not taken over."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from careapp.imports.reading import (
    LONGEST_NAME,
    Resource,
    concept,
    day,
    keep_partial,
    moment_or_remark,
    parts,
    reference,
    remark,
    text,
    texts,
)
from careapp.imports.report import Note, Unusable
from careapp.patients.names import words
from careapp.patients.states import GENDERS
from careapp.patients.views import ContactPoint, HumanName, Identifier

# Types of HL7 table 0203, and addresses of number systems, that name numbers a clinic has no use for.
NUMBERS_OF_THE_STATE = frozenset({"SS", "SB", "DL", "PPN", "TAX", "NI", "PRC", "MIL"})
_SYSTEMS_OF_THE_STATE = ("us-ssn", "2.16.840.1.113883.4.1", "2.16.840.1.113883.4.3.", "passport")


@dataclass(frozen=True)
class PatientRecord:
    """A patient as another system knows him."""

    name: HumanName
    birth_date: date | None
    gender: str
    language: str | None
    deceased_at: datetime | None
    identifiers: list[Identifier]
    telecom: list[ContactPoint]
    remarks: tuple[Note, ...] = ()


def read(resource: Resource, zone: ZoneInfo) -> PatientRecord:
    """The patient a Patient describes. Raises Unusable where he has no name or his birth date is no date."""
    remarks: list[Note] = []
    replaced = [link for link in parts(resource, "link") if link.get("type") == "replaced-by"]
    if replaced or resource.get("active") is False:
        why = "There this record is no longer in use, or another has replaced it. Taken in all the same."
        remarks.append(remark("NOT_IN_USE", (reference(replaced[0], "other") if replaced else None) or "", why))
    return PatientRecord(
        name=_name(resource),
        birth_date=_birth_date(resource, remarks),
        gender=_gender(resource, remarks),
        language=_language(resource),
        deceased_at=_deceased_at(resource, zone, remarks),
        identifiers=_identifiers(resource),
        telecom=_telecom(resource),
        remarks=tuple(remarks),
    )


def _name(resource: Resource) -> HumanName:
    """The official name, the usual, or the first: a former name is none to call somebody by, unless it is the only."""
    for name in sorted(parts(resource, "name"), key=_how_former):
        family, given = text(name, "family", longest=LONGEST_NAME), texts(name, "given")
        whole = " ".join(filter(None, (*given, family))) or text(name, "text", longest=LONGEST_NAME)
        if whole and words(whole):
            return HumanName(family=family, given=given or ([] if family else whole.split()), text=whole)
    raise Unusable("NAME", "", "A patient needs a name.")


def _how_former(name: Resource) -> int:
    """The place of a name among those of a patient, by its use."""
    use = name.get("use")
    return {"official": 0, "usual": 1, "old": 3, "maiden": 3}.get(use, 2) if isinstance(use, str) else 2


def _birth_date(resource: Resource, remarks: list[Note]) -> date | None:
    try:
        return day(resource, "birthDate")
    except Unusable as unusable:
        keep_partial(unusable, remarks)
        return None


def _gender(resource: Resource, remarks: list[Note]) -> str:
    gender = text(resource, "gender")
    if gender is None or gender in GENDERS:
        return gender or "unknown"
    remarks.append(remark("GENDER", gender, "No FHIR gender: kept as unknown."))
    return "unknown"


def _language(resource: Resource) -> str | None:
    """The code of the preferred language, or of the first named."""
    spoken = sorted(parts(resource, "communication"), key=lambda item: item.get("preferred") is not True)
    found = next(filter(None, (concept(item, "language") for item in spoken)), None)
    return (found.code or found.text) if found else None


def _deceased_at(resource: Resource, zone: ZoneInfo, remarks: list[Note]) -> datetime | None:
    if resource.get("deceasedBoolean") is True:
        remarks.append(remark("DECEASED", "true", "The patient has died, but the record does not say when."))
    return moment_or_remark(resource, "deceasedDateTime", zone, remarks)


def _identifiers(resource: Resource) -> list[Identifier]:
    found = []
    for identifier in parts(resource, "identifier"):
        kind = concept(identifier, "type")
        system = text(identifier, "system", longest=LONGEST_NAME)
        value = text(identifier, "value", longest=LONGEST_NAME)
        if value and not (kind and kind.code in NUMBERS_OF_THE_STATE) and not _of_the_state(system):
            found.append(Identifier(system=system, value=value))
    return found


def _of_the_state(system: str | None) -> bool:
    return system is not None and any(part in system.lower() for part in _SYSTEMS_OF_THE_STATE)


def _telecom(resource: Resource) -> list[ContactPoint]:
    found = []
    for point in parts(resource, "telecom"):
        system, value = text(point, "system"), text(point, "value", longest=LONGEST_NAME)
        if system and value:
            found.append(ContactPoint(system=system, value=value, use=text(point, "use")))
    return found
