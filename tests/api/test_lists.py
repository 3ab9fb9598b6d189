"""Lists over HTTP: their order, filters, pages, and the cursors and parameters that are refused."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from careapp.access import Actor
from careapp.scheduling import slots
from tests import factories as make
from tests.api.calls import CALLS
from tests.api.client import Api, is_problem

Client = Callable[..., Api]
LISTS = (
    "list_providers",
    "list_clinics",
    "list_patients",
    "list_episodes",
    "list_slots",
    "list_appointments",
    "list_prescriptions",
    "list_referrals",
)


def locators(client: Api, path: str, **query: Any) -> list[str]:
    """The locators a list shows on its first page."""
    answer = client.get(f"{path}?{urlencode(query)}")
    assert answer.status_code == 200, answer.text
    return [item["locator"] for item in answer.json["items"]]


def pages(client: Api, path: str, **query: Any) -> Iterator[list[str]]:
    """The locators of each page, by following the cursor to the end."""
    cursor: dict[str, str] = {}
    while True:
        found = client.get(f"{path}?{urlencode({**query, **cursor})}").json
        yield [item["locator"] for item in found["items"]]
        if found["nextCursor"] is None:
            return
        cursor = {"cursor": found["nextCursor"]}


def seven_of(god: Actor, name: str) -> tuple[str, list[str]]:
    """A list's path and the locators of seven things in the order it has to show them."""
    episode, provider = make.an_episode(god), make.a_provider(god)
    made: dict[str, Callable[[int], Any]] = {
        "list_providers": lambda n: make.a_provider(god, name="Dr Same"),
        "list_clinics": lambda n: make.a_clinic(god, name="Same Clinic"),
        "list_patients": lambda n: make.a_patient(god),
        "list_episodes": lambda n: make.an_episode(god),
        "list_slots": lambda n: make.a_slot(god, provider, hours=n),
        "list_appointments": lambda n: make.an_appointment(god, episode, make.a_slot(god, provider, hours=n)),
        "list_prescriptions": lambda n: make.a_prescription(god, episode),
        "list_referrals": lambda n: make.a_referral(god, episode),
    }
    found = [made[name](number).locator for number in range(1, 8)]
    if name in ("list_patients", "list_episodes", "list_prescriptions", "list_referrals"):
        found.reverse()  # newest first
    within = {"list_slots": provider.locator}.get(name, episode.locator)
    return CALLS[f"api.{name}"](god).template.format(locator=within), found


@pytest.mark.parametrize("name", LISTS)
def test_pages_show_everything_once_and_in_order(api: Client, god: Actor, name: str) -> None:
    path, expected = seven_of(god, name)
    whole = locators(api(), path, limit=200)
    assert [locator for locator in whole if locator in expected] == expected
    for limit in (1, 3, len(whole)):
        shown = list(pages(api(), path, limit=limit))
        assert [locator for page in shown for locator in page] == whole
        assert all(len(page) == limit for page in shown[:-1])


def test_what_comes_in_between_two_pages_moves_nothing(api: Client, god: Actor) -> None:
    old = [make.an_episode(god).locator for _ in range(4)][::-1]
    first = api().get("/episodes?limit=2").json
    make.an_episode(god)
    second = api().get(f"/episodes?limit=2&cursor={first['nextCursor']}").json
    assert [item["locator"] for item in first["items"] + second["items"]] == old


def test_the_default_page_has_fifty(api: Client, god: Actor) -> None:
    patient = make.a_patient(god)
    for _ in range(51):
        make.an_episode(god, patient)
    assert len(locators(api(), "/episodes")) == 50
    assert len(locators(api(), "/episodes", limit=200)) == 51


def test_episodes_by_party_status_care_type_and_stage(api: Client, god: Actor) -> None:
    patient = make.a_patient(god)
    new = make.an_episode(god, patient, care_type="GP").locator
    other = make.an_episode(god, care_type="MENTAL_HEALTH").locator
    booked = make.an_appointment(god, make.an_episode(god, patient, care_type="SPECIALIST")).episode_locator
    closed = make.an_episode(god, patient).locator
    assert api().patch(f"/episodes/{closed}/close", {"summary": "Recovered"}).status_code == 200
    assert locators(api(), "/episodes", party=patient.locator) == [closed, booked, new]
    assert locators(api(), "/episodes", status="CLOSED") == [closed]
    assert locators(api(), "/episodes", careType="MENTAL_HEALTH") == [other]
    assert locators(api(), "/episodes", stage="SCHEDULED") == [booked]
    assert locators(api(), "/episodes", party=patient.locator, status="OPEN", stage="NEW", careType="GP") == [new]
    assert locators(api(), "/episodes", party="PTY-2026-999999") == []


def test_slots_by_span_and_status(api: Client, god: Actor) -> None:
    provider = make.a_provider(god)
    one, two, three = (make.a_slot(god, provider, hours=hours, minutes=60) for hours in (1, 3, 5))
    slots.act(god, two.locator, action="block")
    path = f"/providers/{provider.locator}/slots"
    assert locators(api(), path, status="BLOCKED") == [two.locator]
    assert locators(api(), path, **{"from": two.starts_at.isoformat()}) == [two.locator, three.locator]
    touching = two.starts_at + timedelta(minutes=30)
    assert locators(api(), path, **{"from": touching.isoformat()}) == [two.locator, three.locator]
    assert locators(api(), path, to=two.starts_at.isoformat()) == [one.locator]
    span = {"from": one.ends_at.isoformat(), "to": three.starts_at.isoformat()}
    assert locators(api(), path, **span) == [two.locator]
    local = two.starts_at.astimezone().isoformat()
    assert locators(api(), path, **{"from": local, "to": three.starts_at.isoformat().replace("+00:00", "Z")}) == [
        two.locator
    ]


def test_providers_by_specialty_status_and_clinic(api: Client, god: Actor) -> None:
    clinic = make.a_clinic(god).locator
    heart = make.a_provider(god, specialty="CARDIOLOGY", clinic_locators=[clinic]).locator
    waiting = make.a_provider(god, active=False).locator
    assert locators(api(), "/providers", specialty="CARDIOLOGY") == [heart]
    assert locators(api(), "/providers", networkStatus="PENDING") == [waiting]
    assert locators(api(), "/providers", clinic=clinic) == [heart]
    assert locators(api(), "/providers", clinic="CLN-2026-999999") == []


def test_patients_are_searched_in_the_body(api: Client, god: Actor) -> None:
    sent = {"name": {"family": "Nguyễn", "given": ["Thị", "Ánh"]}, "birthDate": "1971-05-06"}
    found = api().post("/patients", sent).json["locator"]
    make.a_patient(god)
    for body in ({"name": "ngu"}, {"name": "anh NGUYEN"}, {"birthDate": "1971-05-06"}, {"locator": found}):
        assert [item["locator"] for item in api().post("/patients/search", body).json["items"]] == [found], body
    assert api().post("/patients/search", {"name": "guyen"}).json == {"items": [], "nextCursor": None}
    is_problem(api().post("/patients/search", {}), 422, "VALIDATION_FAILED")
    is_problem(api().get("/patients?name=ngu"), 422)


def test_a_search_has_pages_too(api: Client, god: Actor) -> None:
    made = [make.a_patient(god).locator for _ in range(3)][::-1]
    first = api().post("/patients/search", {"name": "Hla", "limit": 2}).json
    second = api().post("/patients/search", {"name": "Hla", "limit": 2, "cursor": first["nextCursor"]}).json
    assert [item["locator"] for item in first["items"] + second["items"]] == made
    assert second["nextCursor"] is None


def packed(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def unpacked(cursor: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


NOON = "2026-11-20T12:00:00+00:00"
JUNK = [
    "junk",
    "é",
    "====",
    "%00",
    packed(None),
    packed(7),
    packed("text"),
    packed([]),
    packed({}),
    packed([NOON, 1]),  # as cursors were before they named their list
    "A" * 501,
    base64.urlsafe_b64encode(b"[" * 300).decode(),
    base64.urlsafe_b64encode(b"\xff\xfe").decode(),
]
JUNK_KEYS: list[list[Any]] = [
    [],
    [1, 2],
    [NOON],
    [NOON, "1"],
    [NOON, True],
    [NOON, 1.5],
    [NOON, 2**63],
    [NOON, 1, 2],
    [None, 1],
    ["\x00", 1],
    ["\ud800", 1],
    ["a", "b"],
    [["a"], 1],
]
NO_TIMES = [["x", 1], ["0001-01-01T00:00:00+14:00", 1], ["9999-12-31T23:59:59-14:00", 1]]
ODD_BUT_READABLE = ["2026-11-20", "2026-11-20T12:00:00+23:59", "2026-11-20T12:00:00+00:00:00.000001"]


@pytest.mark.parametrize("name", LISTS)
def test_junk_cursors_are_refused(api: Client, god: Actor, name: str) -> None:
    path, _ = seven_of(god, name)
    tag, *_ = unpacked(api().get(f"{path}?limit=1").json["nextCursor"])
    by_name = name in ("list_providers", "list_clinics")
    wrong = [*JUNK_KEYS, *([] if by_name else NO_TIMES), [7 if by_name else "Dr Mya", 1]]
    for cursor in [*JUNK, *(packed([tag, *keys]) for keys in wrong)]:
        address = f"{path}?cursor={cursor if cursor == '%00' else quote(cursor)}"
        is_problem(api().get(address), 400 if cursor == "%00" else 422)
    for text in ODD_BUT_READABLE:
        assert api().get(f"{path}?cursor={packed([tag, text, 1])}").status_code == 200


def test_a_cursor_is_good_for_its_own_list_alone(api: Client, god: Actor) -> None:
    paths = {name: seven_of(god, name)[0] for name in LISTS}
    elsewhere = {name: seven_of(god, name)[0] for name in LISTS if "{" in CALLS[f"api.{name}"](god).template}
    assert len(elsewhere) == 4, "lists of one provider or one episode"
    for name, path in paths.items():
        cursor = api().get(f"{path}?limit=1").json["nextCursor"]
        for other in {*paths.values(), *elsewhere.values()} - {path}:
            told = is_problem(api().get(f"{other}?cursor={cursor}"), 422, "VALIDATION_FAILED")
            assert told["errors"] == [
                {"field": "cursor", "detail": "Send the nextCursor of the page before, unchanged."}
            ], (name, other)


@pytest.mark.parametrize(
    ("name", "narrowed"),
    [
        ("list_slots", "status=AVAILABLE"), ("list_slots", "from=2026-01-01T00:00:00Z"),
        ("list_slots", "to=2036-01-01T00:00:00Z"), ("list_episodes", "status=OPEN"), ("list_episodes", "stage=NEW"),
        ("list_providers", "networkStatus=ACTIVE"),
    ],
)  # fmt: skip
def test_a_cursor_is_good_for_the_same_filters_alone(api: Client, god: Actor, name: str, narrowed: str) -> None:
    path, _ = seven_of(god, name)
    whole, part = (api().get(f"{path}?limit=1&{query}").json["nextCursor"] for query in ("", narrowed))
    for query, own, others in (("", whole, part), (narrowed, part, whole)):
        assert api().get(f"{path}?limit=2&{query}&cursor={own}").status_code == 200
        is_problem(api().get(f"{path}?limit=2&{query}&cursor={others}"), 422)


def test_a_cursor_of_one_search_is_refused_at_another(api: Client, god: Actor) -> None:
    for _ in range(2):
        make.a_patient(god)
    cursor = api().post("/patients/search", {"name": "Hla", "limit": 1}).json["nextCursor"]
    assert api().post("/patients/search", {"name": "HLA", "cursor": cursor}).status_code == 200
    is_problem(api().post("/patients/search", {"name": "Hl", "cursor": cursor}), 422)
    is_problem(api().get(f"/patients?cursor={cursor}"), 422)


@pytest.mark.parametrize("name", LISTS)
def test_parameters_are_checked(api: Client, god: Actor, name: str) -> None:
    path = CALLS[f"api.{name}"](god).path
    for query in (
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=1.5",
        "limit=x",
        "limit=",
        "limit=1e2",
        "limit=%D9%A3",
        "limit=" + "9" * 30,
        "cursor=",
        "unknown=1",
        "limit=1&limit=2",
        "Limit=1",
        "status=NONSENSE",
        "status=",
        "tenantId=1",
        "from=yesterday",
        "from=2026-11-20",
        "from=2026-11-20T09:00:00",
        "to=1700000000",
        "from=0000-01-01T00:00:00Z",
        "to=9999-12-31T23:59:59Z",
        "from=2026-13-01T00:00:00Z",
        "stage=DONE",
        "careType=gp",
        "party=",
        "party=" + "x" * 33,
    ):
        problem = is_problem(api().get(f"{path}?{query}"), 422, "VALIDATION_FAILED")
        assert [error["field"] for error in problem["errors"]] == [query.split("=")[0]], query


def test_a_time_with_any_offset_that_rfc_3339_knows_is_taken(api: Client, god: Actor) -> None:
    path = f"/providers/{make.a_provider(god).locator}/slots"
    for offset in ("Z", "%2B23:59", "-23:59", "%2B16:00", "z", "%2B06:30"):
        assert api().get(f"{path}?from=2027-01-01T00:00:00{offset}").status_code == 200, offset


@pytest.mark.parametrize("name", sorted(name for name in CALLS if name.startswith("api.") and "list_" not in name))
def test_routes_without_parameters_take_none(api: Client, god: Actor, name: str) -> None:
    call = CALLS[name](god)
    answer = api("admin").send(call.method, f"{call.path}?dryRun=true", call.body)
    assert [error["field"] for error in is_problem(answer, 422)["errors"]] == ["dryRun"]
