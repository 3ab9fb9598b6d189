"""The OpenAPI document is valid and says what the routes do; its page is valid HTML with nothing from elsewhere."""

import json
import re
from collections.abc import Iterator
from typing import Any

import html5lib
import pytest
import schemathesis
from apiflask import APIFlask
from jsonschema import Draft202012Validator

from careapp.api.moves import VERSION_OPTIONAL
from careapp.api.openapi import scopes
from careapp.disclosure.rules import CONFIDENTIALITIES, WITHHELD
from careapp.episodes.states import CARE_TYPES, EPISODE, STAGES
from careapp.patients.states import GENDERS
from careapp.prescriptions.states import PRESCRIPTION
from careapp.providers.states import NETWORK
from careapp.referrals.states import PRIORITIES, REFERRAL
from careapp.referrals.states import TYPES as REFERRAL_TYPES
from careapp.scheduling.states import APPOINTMENT, SLOT
from careapp.scheduling.states import TYPES as APPOINTMENT_TYPES
from careapp.scopes import SCOPES
from careapp.signing import HEADERS
from tests.api.client import Api

CARE_SERVICE = """
POST /episodes
GET /episodes
GET /episodes/{locator}
PATCH /episodes/{locator}/close
PATCH /episodes/{locator}/cancel
POST /episodes/{locator}/appointments
GET /episodes/{locator}/appointments
PATCH /appointments/{locator}/confirm
PATCH /appointments/{locator}/attend
PATCH /appointments/{locator}/cancel
PATCH /appointments/{locator}/no-show
POST /providers/{locator}/slots
GET /providers/{locator}/slots
PATCH /slots/{locator}/block
POST /episodes/{locator}/prescriptions
GET /episodes/{locator}/prescriptions
PATCH /prescriptions/{locator}/fill
PATCH /prescriptions/{locator}/void
POST /episodes/{locator}/referrals
GET /episodes/{locator}/referrals
PATCH /referrals/{locator}/book
PATCH /referrals/{locator}/complete
PATCH /referrals/{locator}/cancel
GET /internal/episodes/{locator}
GET /internal/members/{party}/episodes
"""
KEYWORDS = {
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "default",
    "description",
    "enum",
    "examples",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
}
OF_EPISODES = {"careType": (*CARE_TYPES, WITHHELD), "status": EPISODE.states, "stage": STAGES}
OF_APPOINTMENTS = {"type": APPOINTMENT_TYPES, "status": APPOINTMENT.states}
CODES = {
    "EpisodeView": OF_EPISODES,
    "PortalEpisodeView": OF_EPISODES,
    "AppointmentView": OF_APPOINTMENTS,
    "PortalAppointmentView": OF_APPOINTMENTS,
    "SlotView": {"status": SLOT.states},
    "PrescriptionView": {"status": PRESCRIPTION.states},
    "ReferralView": {
        "type": (*REFERRAL_TYPES, WITHHELD), "priority": PRIORITIES, "status": REFERRAL.states,
    },
    "ProviderView": {"networkStatus": NETWORK.states},
    "PatientView": {"gender": GENDERS, "confidentiality": CONFIDENTIALITIES},
}  # fmt: skip


@pytest.fixture
def document(app: APIFlask) -> dict[str, Any]:
    """The document as a client gets it."""
    found: dict[str, Any] = Api(app, {}).get("/api/openapi.json").json
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield method, path, operation


def schemas_in(part: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema, itself included."""
    yield part
    for name in ("items", "additionalProperties"):
        if isinstance(part.get(name), dict):
            yield from schemas_in(part[name])
    for inner in [*part.get("anyOf", []), *part.get("properties", {}).values()]:
        yield from schemas_in(inner)


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        for inner in schemas_in(schema):
            assert set(inner) <= KEYWORDS, (name, inner)


def test_every_reference_points_somewhere(document: dict[str, Any]) -> None:
    for kind, name in re.findall(r'"#/components/(\w+)/([^"]+)"', json.dumps(document)):
        assert name in document["components"][kind]


def test_it_shows_every_route_and_no_other(app: APIFlask, document: dict[str, Any]) -> None:
    shown = {f"{method.upper()} {path}" for method, path, _ in operations(document)}
    served = {
        f"{method} {rule.rule.replace('<', '{').replace('>', '}')}"
        for rule in app.url_map.iter_rules() if rule.endpoint.split(".")[0] in ("api", "internal")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }  # fmt: skip
    assert shown == served


def test_it_shows_every_route_of_care_service(document: dict[str, Any]) -> None:
    shown = {f"{method.upper()} {path.removeprefix('/api/v1')}" for method, path, _ in operations(document)}
    routes = CARE_SERVICE.split("\n")[1:-1]
    assert set(routes) <= shown
    assert len(set(routes)) == 25


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_bodies_take_nothing_unknown_and_answers_may_grow(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert schema["type"] == "object"
        assert schema.get("additionalProperties") is (False if name.endswith("In") else None), name


def answers(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The schemas of what is sent; a refusal has members that only some have."""
    schemas = document["components"]["schemas"]
    return {name: schema for name, schema in schemas.items() if not name.endswith("In") and name != "Problem"}


def test_answers_name_the_codes_of_every_member_that_has_codes(document: dict[str, Any]) -> None:
    named = {
        name: {
            member: tuple(one["enum"])
            for member, described in schema["properties"].items()
            for one in described.get("anyOf", [described]) if "enum" in one
        }
        for name, schema in answers(document).items()
    }  # fmt: skip
    assert {name: members for name, members in named.items() if members} == CODES


def test_answers_always_have_every_member(document: dict[str, Any]) -> None:
    assert {"EpisodePage", "HumanName", "ContactPoint", "Medication", "PatientView"} <= set(answers(document))
    for name, schema in answers(document).items():
        assert set(schema["required"]) == set(schema["properties"]), name
        assert [member for member, described in schema["properties"].items() if "default" in described] == [], name


def test_ways_to_reach_somebody_are_told_as_they_are_taken(document: dict[str, Any]) -> None:
    """By a description alone: an import keeps codes that FHIR does not have."""
    schemas = document["components"]["schemas"]
    taken, sent = schemas["ContactIn"]["properties"], schemas["ContactPoint"]["properties"]
    assert sent["system"]["description"] == f"One of {', '.join(taken['system']['enum'])}, or as imported."
    [use] = [one["enum"] for one in taken["use"]["anyOf"] if "enum" in one]
    assert sent["use"]["description"] == f"One of {', '.join(use)}, or as imported."
    assert {"fax", "pager", "url"} < set(taken["system"]["enum"])


def test_a_name_says_what_it_needs(document: dict[str, Any]) -> None:
    assert "One of `family` and `given` is needed" in document["components"]["schemas"]["NameIn"]["description"]


def test_every_operation_says_who_may_and_how_it_refuses(app: APIFlask, document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    for method, path, operation in operations(document):
        internal = path.startswith("/internal/")
        scope = scopes(app)[path, method]
        assert scope in SCOPES
        signed = {name: [] for name, one in schemes.items() if one.get("name", "").startswith("X-Internal-")}
        signed.pop("internalToken")
        ways = [{"internalToken": []}, signed] if internal else [{"bearer": [scope]}, {"serviceClient": [scope]}]
        assert operation["security"] == ways, path
        assert {"400", "401", "403", "422"} <= set(operation["responses"])
        assert ("404" in operation["responses"]) == ("{" in path)
        assert sum(status.startswith("2") for status in operation["responses"]) == 1
        names = {parameter["name"] for parameter in operation["parameters"]}
        assert ("Idempotency-Key" in names) == (method != "get" and not internal)
        assert ("If-Match" in names) == (method == "patch")
        assert operation["tags"][0] in {tag["name"] for tag in document["tags"]}


def test_it_says_how_a_token_is_got(app: APIFlask, document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    flow = schemes["serviceClient"]["flows"]["clientCredentials"]
    metadata = app.test_client().get("/.well-known/oauth-authorization-server").json
    assert flow["tokenUrl"] == metadata["token_endpoint"]
    assert sorted(flow["scopes"]) == metadata["scopes_supported"]
    assert {one["name"] for one in schemes.values() if one["type"] == "apiKey"} == {"X-Internal-Token", *HEADERS}
    page = Api(app, {}).get("/api/docs").text
    [internal] = [tag for tag in document["tags"] if tag["name"] == "Internal"]
    assert internal["externalDocs"]["url"] == f"{metadata['issuer']}/api/docs#credentials"
    assert 'id="credentials"' in page
    addresses = ("/oauth/token", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json")
    for address in addresses:
        assert address in document["info"]["description"]
        assert address in {rule.rule for rule in app.url_map.iter_rules()}
    for text in (*addresses, *HEADERS, *flow["scopes"]):
        assert text in page


def test_it_says_which_moves_need_a_version(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if method == "patch":
            kind, move = path.split("/")[3].removesuffix("s"), path.rsplit("/", 1)[-1]
            assert ("428" in operation["responses"]) == (move not in VERSION_OPTIONAL.get(kind, ())), path


def test_the_document_is_the_same_for_every_host(app: APIFlask, document: dict[str, Any]) -> None:
    assert document["servers"] == [{"url": "/"}]
    assert Api(app, {}).get("/api/openapi.json", Host="evil.example").json == document


def test_the_page_says_where_null_may_stand(app: APIFlask) -> None:
    html = Api(app, {}).get("/api/docs").text
    shown = html5lib.parse(html, namespaceHTMLElements=False)
    [section] = [one for one in shown.iter("div") if one.get("id") == "EpisodeView"]
    names = [str(one.findtext("code")) for one in section.iter("dt")]
    types = [" ".join("".join(one.itertext()).split()) for one in section.iter("dd")]
    told = dict(zip(names, types, strict=True))
    assert (told["status"], told["stage"]) == (", ".join(EPISODE.states), f"{', '.join(STAGES)} or null")
    assert (told["locator"], told["reason"], told["closedAt"]) == ("text", "text or null", "date-time or null")


def test_the_page_is_valid_and_strict(app: APIFlask, document: dict[str, Any]) -> None:
    answer = Api(app, {}).get("/api/docs")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(answer.text)
    ids = re.findall(r'\sid="([^"]+)"', answer.text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', answer.text)) <= set(ids)
    assert len(re.findall(r"<h1[ >]", answer.text)) == 1
    assert not re.search(r"<style|\sstyle=|<script>|\son\w+=", answer.text)
    for address in re.findall(r'(?:src|href)="([^"#][^"]*)"', answer.text):
        assert address.startswith("/"), address
    for method, path, _ in operations(document):
        assert f"What {method.upper()} {path} takes" in answer.text
