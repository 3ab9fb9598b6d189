"""Practitioner → provider. A number that is no valid NPI is kept as a foreign identifier, never as the NPI."""

from dataclasses import dataclass

from careapp.imports.reading import LONGEST_NAME, Resource, concept, parts, remark, text, texts
from careapp.imports.report import Note, Unusable
from careapp.providers.npi import is_valid_npi

NPI_SYSTEM = "http://hl7.org/fhir/sid/us-npi"
NOT_STATED = "NOT_STATED"  # the specialty of a practitioner whose record names none


@dataclass(frozen=True)
class ProviderRecord:
    """A provider as another system knows him."""

    name: str
    specialty: str
    npi: str | None
    identifiers: list[dict[str, str]]
    remarks: tuple[Note, ...] = ()


def read(resource: Resource) -> ProviderRecord:
    """The provider a Practitioner describes; each number that is no valid NPI is a remark."""
    remarks: list[Note] = []
    identifiers: list[dict[str, str]] = []
    npi = None
    for identifier in parts(resource, "identifier"):
        value = text(identifier, "value", longest=LONGEST_NAME)
        system = text(identifier, "system", longest=LONGEST_NAME)
        if value is None:
            continue
        if system == NPI_SYSTEM and npi is None and is_valid_npi(value):
            npi = value
            continue
        if system == NPI_SYSTEM:
            remarks.append(
                remark("NPI", value, "No valid NPI: the provider is kept without one, the number beside it.")
            )
        identifiers.append({"system": system, "value": value} if system else {"value": value})
    qualified = next(filter(None, (concept(item, "code") for item in parts(resource, "qualification"))), None)
    specialty = qualified.text[:LONGEST_NAME] if qualified else NOT_STATED
    return ProviderRecord(_name(resource), specialty, npi, identifiers, tuple(remarks))


def _name(resource: Resource) -> str:
    """Prefix, given names and family name; raises Unusable where there is no name."""
    for name in parts(resource, "name"):
        words = [*texts(name, "prefix"), *texts(name, "given"), text(name, "family", longest=LONGEST_NAME)]
        whole = " ".join(filter(None, words)) or text(name, "text", longest=LONGEST_NAME)
        if whole:
            return whole[:LONGEST_NAME]
    raise Unusable("NAME", "", "A provider needs a name.")
