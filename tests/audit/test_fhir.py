"""The log as FHIR R4 AuditEvent: the cardinalities and required codes of the specification, for every kind of row."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from apiflask import APIFlask

from careapp.access import Actor, Purpose, Role
from careapp.audit.writer import AuditRow, write
from careapp.commands import unit_of
from careapp.episodes import queries as episodes
from careapp.erasure.erase import erase_patient
from careapp.errors import NotFound
from careapp.operations.audit_fhir import audit_events
from careapp.operations.audit_search import AuditFilter, export_audit
from careapp.web.admin.audit_words import PURPOSES
from tests import factories as make
from tests.looking import audits
from tests.rules.pages import ask, signed_in

ALLOWED = {
    "resourceType", "id", "type", "subtype", "action", "period", "recorded", "outcome", "outcomeDesc", "purposeOfEvent",
    "agent", "source", "entity",
}  # fmt: skip


def is_coding(value: dict[str, Any]) -> bool:
    """Whether it is a Coding with a system and a code."""
    return (
        value["system"].startswith(("http://", "urn:"))
        and bool(value["code"])
        and set(value) <= {"system", "code", "display"}
    )


def is_reference(value: dict[str, Any]) -> bool:
    """Whether it is a logical reference."""
    return bool(value["identifier"]["system"] and value["identifier"]["value"])


def judge(resource: dict[str, Any]) -> None:
    """The rules of hl7.org/fhir/R4/auditevent.html."""
    assert set(resource) <= ALLOWED
    assert resource["resourceType"] == "AuditEvent"
    assert len(resource["id"]) <= 64
    assert is_coding(resource["type"])  # 1..1
    assert all(map(is_coding, resource["subtype"]))
    assert resource["action"] in {"C", "R", "U", "D", "E"}  # required binding
    assert datetime.fromisoformat(resource["recorded"]).tzinfo  # an instant has an offset
    assert resource["outcome"] in {"0", "4", "8", "12"}  # required binding
    for purpose in resource["purposeOfEvent"]:
        assert all(map(is_coding, purpose["coding"]))
    assert resource["agent"]  # 1..*
    assert [agent["requestor"] for agent in resource["agent"]].count(True) == 1
    for agent in resource["agent"]:
        assert is_reference(agent["who"])
        assert "network" not in agent or agent["network"]["type"] in {"1", "2", "3", "4", "5"}
    assert is_reference(resource["source"]["observer"])  # 1..1
    for entity in resource.get("entity", ()):
        assert is_reference(entity["what"])
        assert is_coding(entity["type"])
        assert not ("name" in entity and "query" in entity)  # sev-1


@pytest.fixture
def auditor(actor_of: Callable[..., Actor]) -> Actor:
    """Somebody who reads the log."""
    return actor_of(Role.AUDITOR)


def test_every_kind_of_row_keeps_to_the_rules(auditor: Actor, god: Actor, clinician: Actor) -> None:
    episode = make.an_episode(god)
    episodes.get_episode(clinician, episode.locator)
    with pytest.raises(NotFound):
        episodes.get_episode(clinician, "EPI-2026-999999")
    rows = [
        AuditRow("user.sign_in", "done", "user:7", (), {"address": "192.0.2.7"}),
        AuditRow("record.open", "done", episode.party_locator, (episode.party_locator,), {}, Purpose.ETREAT),
    ]
    with unit_of(god, name="test"):
        write(god.tenant_id, "user:7", rows, on_behalf_of="PTY-2026-000007")
        mistaken = make.a_patient(god).locator
    erase_patient(god, mistaken, category="ENTERED_IN_ERROR", reason="Entered twice", version=1)
    entries, _ = export_audit(auditor, AuditFilter())
    found = audit_events(entries, god.tenant_key)
    assert len(found) == len(entries) > 5
    for resource in found:
        judge(resource)
    longest = audit_events(entries, "k" * 63)
    for resource in longest:
        judge(resource)
    assert len({resource["id"] for resource in longest}) == len(entries)
    by_act = {resource["subtype"][-1]["code"]: resource for resource in found}
    assert (by_act["episode.open"]["action"], by_act["episode.read"]["action"]) == ("C", "R")
    assert by_act["patient.erase"]["action"] == "D"
    assert by_act["episode.read"]["type"]["code"] == "110110"
    assert [one["role"]["code"] for one in by_act["episode.read"]["entity"] if "role" in one] == ["1", "4"]
    assert (by_act["get_episode"]["outcome"], by_act["get_episode"]["outcomeDesc"]) == ("4", "NOT_FOUND")
    signed = by_act["user.sign_in"]
    assert (signed["type"]["code"], signed["subtype"][0]["code"]) == ("110114", "110122")
    assert signed["agent"][0]["network"] == {"address": "192.0.2.7", "type": "2"}
    assert [agent["requestor"] for agent in signed["agent"]] == [True, False]
    emergency = by_act["record.open"]
    assert (emergency["type"]["code"], emergency["subtype"][0]["code"]) == ("110113", "110127")
    assert emergency["purposeOfEvent"][0]["coding"][0]["code"] == "ETREAT"


def test_the_command_and_the_page_write_one_resource_a_line_and_are_audited(
    app: APIFlask, god: Actor, auditor: Actor
) -> None:
    make.an_episode(god)
    printed = app.test_cli_runner().invoke(args=["audit", "export", "--tenant", god.tenant_key]).output
    assert [judge(json.loads(line)) for line in printed.splitlines()]
    assert audits(god)[-1].action == "audit.export"
    client = signed_in(app, Role.AUDITOR, god)
    answer = ask(app, client, "GET", "/admin/audit.ndjson?action=episode.open")
    [line] = answer.text.splitlines()
    assert json.loads(line)["subtype"][-1]["code"] == "episode.open"
    assert answer.headers["Content-Disposition"].endswith('.ndjson"')
    assert audits(god)[-1].action == "audit.export"


def test_every_purpose_has_a_label() -> None:
    assert set(PURPOSES) == {purpose.value for purpose in Purpose}


def test_the_page_shows_the_chain_and_filters_by_purpose(app: APIFlask, god: Actor, auditor: Actor) -> None:
    make.an_episode(god)
    client = signed_in(app, Role.AUDITOR, god)
    page = ask(app, client, "GET", "/admin/audit?purpose=TREAT").text
    assert "Nothing has been sealed yet." in page
    assert "rows wait for the next seal" in page
    assert "Care of the patient" in page
    assert "Nothing in the log meets this" in ask(app, client, "GET", "/admin/audit?purpose=ETREAT").text
