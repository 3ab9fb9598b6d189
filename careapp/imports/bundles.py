"""Bundles: a document's JSON as the records in it, found by their ids and by what refers to them."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import unquote

from careapp.imports.reading import LONGEST_NAME, Resource
from careapp.imports.report import FILE, Line, Outcome, Unusable

BUNDLE_TYPES = ("transaction", "batch", "collection")
METHODS = ("POST", "PUT")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)  # FHIR R4 id
_WHERE = re.compile(
    r"(?P<base>https?://[!-{}~]{1,400}/)(?P<it>[A-Za-z]{1,64}/[A-Za-z0-9\-.]{1,64})"
)  # on a FHIR server
_TYPE = re.compile(r"[A-Za-z]{1,64}", re.ASCII)


@dataclass
class Bundle:
    """The records of one document by type, in their order, with what could not be read as a record."""

    name: str
    records: dict[str, list[Resource]] = field(default_factory=dict)
    unreadable: list[Line] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)  # full address of an entry -> id of its record
    bases: set[str] = field(default_factory=set)  # of the servers whose records these are

    def counts(self) -> Counter[str]:
        """How many records of each type there are."""
        return Counter({resource_type: len(found) for resource_type, found in self.records.items()})

    def source_id(self, reference: str, resource_type: str) -> str | None:
        """The id of the record a reference names: an entry's full address, `urn:uuid:id` or `Type/id`.

        Of a conditional reference, `Type?identifier=system|value`, it is the identifier (see `identifiers`).
        """
        head, asks, identifier = reference.partition("?identifier=")
        if asks:
            identifier = unquote(identifier)
            return identifier if head == resource_type and "|" in identifier and "&" not in identifier else None
        reference = reference.partition("/_history/")[0]
        found = self.ids.get(reference)
        if found is None and _WHERE.fullmatch(reference):
            return reference if reference.split("/")[-2] == resource_type else None
        if found is None and reference.startswith(f"{resource_type}/") and self.bases:
            here = [f"{base}{reference}" for base in sorted(self.bases)]
            return next((one for one in here if one in self.ids), here[0] if len(here) == 1 else None)
        if found is None:
            found = reference.removeprefix("urn:uuid:").removeprefix(f"{resource_type}/")
            return found if _ID.fullmatch(found) else None
        return found


def identifiers(resource: Resource) -> list[str]:
    """By what other bundles may name a record, each as `system|value`; an identifier without both is passed over."""
    listed = resource.get("identifier")
    named = (one for one in (listed if isinstance(listed, list) else ()) if isinstance(one, dict))
    pairs = ((one.get("system"), one.get("value")) for one in named)
    return sorted({f"{system}|{value}" for system, value in pairs if _is_word(system) and _is_word(value)})


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()


def parse(name: str, content: bytes) -> Bundle:
    """The bundle in a document. Raises Unusable where it is no JSON, or JSON but no bundle to take in."""
    try:
        document = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Unusable("JSON", content[:80].decode("utf-8", "replace"), _no_json(error)) from None
    if not isinstance(document, dict) or document.get("resourceType") != "Bundle":
        kind = document.get("resourceType") if isinstance(document, dict) else document
        raise Unusable("NOT_A_BUNDLE", kind, "Only FHIR R4 bundles are taken in.")
    if document.get("type") not in BUNDLE_TYPES:
        raise Unusable("BUNDLE_TYPE", document.get("type"), f"The bundle's type should be {' or '.join(BUNDLE_TYPES)}.")
    entries = document.get("entry", [])
    if not isinstance(entries, list):
        raise Unusable("FORM", entries, "entry should be a list.")
    bundle = Bundle(name)
    for place, entry in enumerate(entries):
        try:
            _add(bundle, entry)
        except Unusable as unusable:
            bundle.unreadable.append(Line(name, FILE, f"entry[{place}]", Outcome.REFUSED, (unusable.note,)))
    return bundle


def _no_json(error: Exception) -> str:
    where = (
        f": it goes wrong in line {error.lineno}, character {error.colno}"
        if isinstance(error, json.JSONDecodeError)
        else ""
    )
    return f"This is no JSON document{where}."


def _add(bundle: Bundle, entry: object) -> None:
    """Add one entry; raises Unusable where it holds no record with a type and an id."""
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(resource, dict):
        raise Unusable("ENTRY", entry, "An entry without a resource.")
    request = entry.get("request", {"method": "POST"})
    method = request.get("method") if isinstance(request, dict) else request
    if method not in METHODS:
        raise Unusable("METHOD", method, "Only new records are taken in, by POST or PUT.")
    resource_type, source_id = resource.get("resourceType"), resource.get("id")
    if not isinstance(resource_type, str) or not _TYPE.fullmatch(resource_type):
        raise Unusable("ENTRY", resource_type, "A resource without a type.")
    if not isinstance(source_id, str) or not _ID.fullmatch(source_id):
        raise Unusable("ID", source_id, f"A {resource_type} without an id: it could not be known again.")
    where = entry.get("fullUrl")
    named = _WHERE.fullmatch(where) if isinstance(where, str) else None
    if named and named["it"] == f"{resource_type}/{source_id}":
        # The id alone is another's on another server: there are many patients 1.
        bundle.bases.add(named["base"])
        source_id = resource["id"] = named[0]
    bundle.records.setdefault(resource_type, []).append(resource)
    if isinstance(where, str):
        bundle.ids[where] = source_id


def _no_number(word: str) -> NoReturn:
    """NaN and the infinities are no JSON (RFC 8259 §6)."""
    raise ValueError(word)
