"""Every route once, as somebody who may: its status, headers and exactly the fields that design §6 fixes."""

from collections.abc import Callable
from datetime import datetime

import pytest
from apiflask import APIFlask

from careapp.access import Actor
from tests.api.calls import CALLS
from tests.api.client import Api

FIELDS = {
    "episode": "locator partyLocator careType status stage triageSessionLocator reason summary openedAt closedAt"
    " version",
    "slot": "locator providerLocator clinicLocator start end capacity booked status version",
    "appointment": "locator episodeLocator partyLocator providerLocator clinicLocator slotLocator start end type status"
    " reason notes version",
    "prescription": "locator episodeLocator partyLocator providerLocator medication dosage quantity refills status"
    " reason issuedAt version",
    "referral": "locator episodeLocator partyLocator type priority reason facility scheduledFor outcome status version",
    "provider": "locator npi name specialty networkStatus clinics version",
    "clinic": "locator name timeZone version",
    "patient": "locator name birthDate gender identifiers telecom confidentiality version",
}
PREFIXES = {
    "EPI": "episode",
    "SLT": "slot",
    "APT": "appointment",
    "RXP": "prescription",
    "REF": "referral",
    "PRV": "provider",
    "CLN": "clinic",
    "PTY": "patient",
}
TIMES = ("openedAt", "closedAt", "start", "end", "issuedAt", "scheduledFor")
MAY = {
    "create_provider": "admin",
    "create_clinic": "admin",
    "provider_activate": "admin",
    "provider_deactivate": "admin",
    "add_slot": "front_desk",
    "slot_block": "front_desk",
    "slot_unblock": "front_desk",
}


def test_every_route_has_a_good_call(app: APIFlask) -> None:
    routes = {rule.endpoint for rule in app.url_map.iter_rules() if rule.endpoint.split(".")[0] in ("api", "internal")}
    assert routes == set(CALLS)


@pytest.mark.parametrize("endpoint", [name for name in CALLS if name.startswith("api.")])
def test_a_good_call(api: Callable[..., Api], god: Actor, endpoint: str) -> None:
    call = CALLS[endpoint](god)
    client = api(MAY.get(endpoint.removeprefix("api."), "clinician"))
    answer = client.send(call.method, call.path, call.body, **call.headers)
    assert (answer.status_code, answer.content_type) == (call.status, "application/json"), answer.text
    if "items" in answer.json:
        assert set(answer.json) == {"items", "nextCursor"}
        assert "ETag" not in answer.headers
        return
    assert set(answer.json) == set(FIELDS[PREFIXES[answer.json["locator"][:3]]].split())
    assert answer.headers["ETag"] == f'"{answer.json["version"]}"'
    for name in TIMES:
        if answer.json.get(name):
            assert datetime.fromisoformat(answer.json[name]).utcoffset() is not None
    if answer.status_code == 201:
        assert client.get(answer.headers["Location"]).json == answer.json
        sent = {name: value for name, value in (call.body or {}).items() if name not in ("start", "end", "name")}
        assert {name: answer.json[name] for name in sent} == sent
    else:
        assert "Location" not in answer.headers
