"""A small builder of bundles: one invented patient's history, each record of which a test can bend."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any
from uuid import uuid4

Resource = dict[str, Any]
NPI_SYSTEM = "http://hl7.org/fhir/sid/us-npi"


def new_id() -> str:
    """An id nobody else uses."""
    return str(uuid4())


def coded(code: str, display: str, system: str = "http://snomed.info/sct") -> Resource:
    """A CodeableConcept."""
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def numbered(code: str, system: str, value: str) -> Resource:
    """An identifier with a type of HL7 table 0203."""
    return {"type": {"coding": [{"code": code}]}, "system": system, "value": value}


class History:
    """One patient's records, as `records` by name; bend them, then ask for bundle() or write() it."""

    def __init__(self, *, practitioner: Resource | None = None, organization: Resource | None = None) -> None:
        self.records: dict[str, Resource] = {
            "encounter": {"resourceType": "Encounter"},  # stands first: what it refers to comes later
            "organization": organization or an_organization(),
            "practitioner": practitioner or a_practitioner(),
            "patient": a_patient(),
        }
        patient, provider = self.ref("patient"), self.ref("practitioner")
        self.records["encounter"] = {
            "resourceType": "Encounter", "id": new_id(), "status": "finished", "class": {"code": "EMER"},
            "type": [coded("50849002", "Emergency room admission")], "subject": patient,
            "participant": [{"individual": provider}], "serviceProvider": self.ref("organization"),
            "period": {"start": "2019-02-23T12:11:31+00:00", "end": "2019-02-23T13:11:31+00:00"},
            "reasonCode": [coded("74400008", "Appendicitis")],
        }  # fmt: skip
        self.records["condition"] = {
            "resourceType": "Condition", "id": new_id(), "subject": patient, "code": coded("74400008", "Appendicitis"),
            "clinicalStatus": {"coding": [{"code": "active"}]}, "onsetDateTime": "2019-02-23T12:11:31+00:00",
        }  # fmt: skip
        self.records["allergy"] = {
            "resourceType": "AllergyIntolerance", "id": new_id(), "patient": patient,
            "clinicalStatus": {"coding": [{"code": "active"}]}, "code": coded("91936005", "Allergy to penicillin"),
        }  # fmt: skip
        self.records["medication"] = {
            "resourceType": "MedicationRequest", "id": new_id(), "status": "stopped", "intent": "order",
            "subject": patient, "requester": provider, "encounter": self.ref("encounter"),
            "authoredOn": "2019-02-23T13:00:00+00:00",
            "medicationCodeableConcept": coded("308192", "Amoxicillin 500 MG Oral Tablet"),
        }  # fmt: skip
        self.records["observation"] = {"resourceType": "Observation", "id": new_id(), "status": "final"}

    def ref(self, name: str) -> Resource:
        """A reference to one of the records."""
        return {"reference": f"urn:uuid:{self.records[name]['id']}"}

    def bundle(self) -> Resource:
        """The records as a transaction bundle."""
        return a_bundle(*self.records.values())

    def write(self, directory: Path, name: str = "history.json") -> Path:
        """The bundle in a file."""
        path = directory / name
        path.write_text(json.dumps(self.bundle()))
        return path


def a_patient(**fields: Any) -> Resource:
    """An invented person."""
    return {
        "resourceType": "Patient", "id": new_id(), "gender": "female", "birthDate": "1973-08-01",
        "name": [
            {"use": "maiden", "family": "Testova"},
            {"use": "official", "family": "Peña", "given": ["María", "Luisa"], "prefix": ["Mrs."]},
        ],
        "telecom": [{"system": "phone", "value": "555-0100", "use": "home"}],
        "communication": [{"language": {"coding": [{"code": "es"}]}}],
        "identifier": [
            numbered("MR", "http://hospital.example", "M-1"),
            numbered("SS", "http://hl7.org/fhir/sid/us-ssn", "999-00-0001"),
            numbered("DL", "urn:oid:2.16.840.1.113883.4.3.25", "S99900001"),
            numbered("PPN", "http://example.org/passportNumber", "X0000001X"),
        ],
        **fields,
    }  # fmt: skip


def a_practitioner(npi: str = "580", **fields: Any) -> Resource:
    """A practitioner, with a number that is no NPI unless told otherwise."""
    return {
        "resourceType": "Practitioner", "id": new_id(), "identifier": [{"system": NPI_SYSTEM, "value": npi}],
        "name": [{"family": "Brakusová", "given": ["Lilliana"], "prefix": ["Dr."]}], **fields,
    }  # fmt: skip


def an_organization(**fields: Any) -> Resource:
    """An organisation that is a clinic."""
    return {"resourceType": "Organization", "id": new_id(), "name": "Invented Memorial Hospital", **fields}


def a_bundle(*resources: Resource, type: str = "transaction") -> Resource:
    """A bundle of resources."""
    entries = [
        {"fullUrl": f"urn:uuid:{resource.get('id')}", "resource": resource, "request": {"method": "POST"}}
        for resource in resources
    ]
    return {"resourceType": "Bundle", "type": type, "entry": entries}


def an_archive(path: Path, members: dict[str, bytes]) -> Path:
    """A .tar.gz of files by name."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
