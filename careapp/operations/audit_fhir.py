"""The audit log as FHIR R4 AuditEvent (hl7.org/fhir/R4/auditevent.html): locators and codes, never a value."""

from collections.abc import Iterable, Iterator
from typing import Any

from careapp.access import Purpose
from careapp.operations.audit_search import AuditEntry

DCM = "http://dicom.nema.org/resources/ontology/DCM"
HL7 = "http://terminology.hl7.org/CodeSystem/"
OURS = "urn:careapp:"
LONGEST_ID = 64  # a tenant's key may be nearly as long

# What begins something, what ends a record for good; what is looked at is a read, what only happens is executed,
# everything else updates.
CREATES = frozenset({"register", "create", "open", "add", "book", "issue", "refer", "build", "bundle"})
DELETES = frozenset({"erase", "delete", "deleted"})
EXECUTES = frozenset({"sign_in", "sign_out", "anchor", "retire", "search", "export", "print", "verify", "check"})

# DICOM's kinds of audit events, by the first word of an act; a patient's record is the rule where a patient is named.
TYPES = {
    "patient": ("110110", "Patient Record"),
    "audit": ("110101", "Audit Log Used"),
    "user": ("110137", "User Security Attributes Changed"),
    "other": ("110100", "Application Activity"),
}
SIGN_IN = {"user.sign_in": ("110122", "Login"), "user.sign_out": ("110123", "Logout")}
EMERGENCY = (("110113", "Security Alert"), ("110127", "Emergency Override Started"))


def audit_event(entry: AuditEntry, tenant_key: str) -> dict[str, Any]:
    """One row of the log as an AuditEvent."""
    kind, subtypes = _kind(entry)
    return {
        "resourceType": "AuditEvent",
        "id": f"{tenant_key}-{entry.id}"[-LONGEST_ID:],
        "type": _coding(DCM, *kind),
        "subtype": [*(_coding(DCM, *one) for one in subtypes), {"system": f"{OURS}act", "code": entry.action}],
        "action": _action(entry),
        "recorded": entry.at.isoformat(),
        "outcome": "4" if entry.outcome == "refused" else "0",  # 4: refused, the system itself is well
        **(
            {"outcomeDesc": str(entry.detail["code"])}
            if entry.outcome == "refused" and entry.detail.get("code")
            else {}
        ),
        "purposeOfEvent": [{"coding": [{"system": f"{HL7}v3-ActReason", "code": entry.purpose}]}],
        "agent": list(_agents(entry)),
        "source": {
            "observer": {"identifier": {"system": f"{OURS}tenant", "value": tenant_key}, "display": "careapp"},
            "type": [_coding(f"{HL7}security-source-type", "4", "Application Server")],
        },
        **({"entity": entities} if (entities := list(_entities(entry))) else {}),
    }


def audit_events(entries: Iterable[AuditEntry], tenant_key: str) -> list[dict[str, Any]]:
    """All of the entries, in their order."""
    return [audit_event(entry, tenant_key) for entry in entries]


def _kind(entry: AuditEntry) -> tuple[tuple[str, str], list[tuple[str, str]]]:
    """The type of the event, and DICOM's subtypes of it."""
    if entry.purpose == Purpose.ETREAT:
        return EMERGENCY[0], [EMERGENCY[1]]
    if entry.action in SIGN_IN:
        return ("110114", "User Authentication"), [SIGN_IN[entry.action]]
    word = entry.action.partition(".")[0]
    if word != "audit" and entry.patients:
        word = "patient"
    return TYPES.get(word, TYPES["other"]), []


def _action(entry: AuditEntry) -> str:
    """C, R, U, D or E."""
    verb = entry.action.rpartition(".")[2]
    if verb in EXECUTES or entry.outcome == "refused":
        return "E"
    if entry.outcome == "seen":
        return "R"
    if verb in DELETES:
        return "D"
    return "C" if verb in CREATES else "U"


def _agents(entry: AuditEntry) -> Iterator[dict[str, Any]]:
    """Who did it, who is the requestor; and on whose behalf."""
    asked: dict[str, Any] = {"who": _reference("actor", entry.actor), "requestor": True}
    if address := entry.detail.get("address"):
        asked["network"] = {"address": str(address), "type": "2"}  # 2: an IP address
    yield asked
    if entry.on_behalf_of:
        yield {"who": _reference("actor", entry.on_behalf_of), "requestor": False}


def _entities(entry: AuditEntry) -> Iterator[dict[str, Any]]:
    """Whom and what it was about, and the request it came with."""
    for patient in entry.patients:
        yield {
            "what": _reference("patient", patient) | {"type": "Patient"},
            "type": _coding(f"{HL7}audit-entity-type", "1", "Person"),
            "role": _coding(f"{HL7}object-role", "1", "Patient"),
        }
    for system, value, role in (
        ("locator", entry.subject, ("4", "Domain Resource")),
        ("request", entry.request_id, None),
    ):
        if value and value not in entry.patients:
            yield {
                "what": _reference(system, value),
                "type": _coding(f"{HL7}audit-entity-type", "2", "System Object"),
                **({"role": _coding(f"{HL7}object-role", *role)} if role else {}),
            }


def _reference(system: str, value: str) -> dict[str, Any]:
    """A logical reference: the identifier of something that this server does not offer as a resource of that name."""
    return {"identifier": {"system": f"{OURS}{system}", "value": value}}


def _coding(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code, "display": display}
