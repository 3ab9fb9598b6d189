"""Moves over HTTP: where each leads, what it shows afterwards, and what else it changes."""

from collections.abc import Callable

import pytest

from careapp.access import Actor
from tests import factories as make
from tests.api.calls import CALLS, MAKERS
from tests.api.client import Api

Client = Callable[..., Api]
TARGETS = {
    f"api.{lifecycle.entity}_{move.name}".replace("-", "_"): move.target
    for lifecycle, _ in MAKERS.values()
    for move in lifecycle.transitions
}
SHOWN = {
    "api.episode_close": ("summary",),
    "api.referral_book": ("facility",),
    "api.referral_complete": ("outcome",),
    "api.prescription_void": ("reason",),
}


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_move_leads_where_the_table_says_and_raises_the_version(api: Client, god: Actor, name: str) -> None:
    call, client = (
        CALLS[name](god),
        api("admin" if "provider" in name else "front_desk" if "slot" in name else "clinician"),
    )
    before = client.get(call.path.rsplit("/", 1)[0]).json
    after = client.patch(call.path, call.body, **call.headers).json
    status = "networkStatus" if "provider" in name else "status"
    assert after[status] == TARGETS[name] != before[status]
    assert after["version"] == before["version"] + 1
    assert client.get(call.path.rsplit("/", 1)[0]).json == after
    for field in SHOWN.get(name, ()):
        assert after[field] == (call.body or {})[field]
    changed = {field for field in after if after[field] != before[field]}
    assert changed <= {status, "version", "stage", "closedAt", "scheduledFor", *SHOWN.get(name, ())}


def test_what_was_not_said_is_null(api: Client, god: Actor) -> None:
    party, provider = make.a_patient(god).locator, make.a_provider(god).locator
    episode = api().post("/episodes", {"partyLocator": party, "careType": "GP"}).json
    assert (episode["status"], episode["stage"]) == ("OPEN", "NEW")
    nothing = ("triageSessionLocator", "reason", "summary", "closedAt")
    assert {name: episode[name] for name in nothing} == dict.fromkeys(nothing)
    within = f"/episodes/{episode['locator']}"
    booked = api().post(f"{within}/appointments", {"slotLocator": make.a_slot(god).locator, "notes": None}).json
    assert (booked["status"], booked["type"], booked["reason"], booked["notes"]) == ("PENDING", None, None, None)
    assert booked["clinicLocator"] is None
    medicine = {"medication": {"text": "Paracetamol"}, "dosage": "1 tablet", "providerLocator": provider}
    ordered = api().post(f"{within}/prescriptions", medicine).json
    assert ordered["medication"] == {"text": "Paracetamol", "code": None, "system": None}
    assert (ordered["status"], ordered["quantity"], ordered["refills"], ordered["reason"]) == (
        "ISSUED",
        None,
        None,
        None,
    )
    referred = api().post(f"{within}/referrals", {"type": "LAB", "reason": "Blood count"}).json
    assert (referred["status"], referred["priority"], referred["facility"]) == ("REFERRED", "ROUTINE", None)
    assert (referred["scheduledFor"], referred["outcome"]) == (None, None)
    start = {"start": "2190-01-01T09:00:00+06:30", "end": "2190-01-01T09:30:00+06:30"}
    slot = api("front_desk").post(f"/providers/{provider}/slots", start).json
    assert (slot["status"], slot["capacity"], slot["booked"], slot["clinicLocator"]) == ("AVAILABLE", 1, 0, None)
    assert slot["start"] == "2190-01-01T02:30:00Z"
    patient = api().post("/patients", {"name": {"given": ["Thida"]}}).json
    assert patient["name"] == {"family": None, "given": ["Thida"], "text": "Thida"}
    assert (patient["birthDate"], patient["gender"], patient["identifiers"], patient["telecom"]) == (
        None,
        "unknown",
        [],
        [],
    )
    made = api("admin").post("/providers", {"name": "Dr Mya", "specialty": "GP"}).json
    assert (made["npi"], made["networkStatus"], made["clinics"]) == (None, "PENDING", [])


def test_a_booking_holds_its_slot_and_a_cancel_frees_it_at_once(api: Client, god: Actor) -> None:
    slot, episode = make.a_slot(god).locator, make.an_episode(god).locator
    booked = api().post(f"/episodes/{episode}/appointments", {"slotLocator": slot}).json
    held = api().get(f"/slots/{slot}").json
    assert (held["booked"], held["status"]) == (1, "BOOKED")
    assert api().get(f"/episodes/{episode}").json["stage"] == "SCHEDULED"
    cancelled = api().patch(f"/appointments/{booked['locator']}/cancel", {"category": "CLINIC"}).json
    free = api().get(f"/slots/{slot}").json
    assert (cancelled["status"], free["booked"], free["status"]) == ("CANCELLED", 0, "AVAILABLE")
    undone = api().patch(f"/appointments/{booked['locator']}/undo", {"version": cancelled["version"]}).json
    assert (undone["status"], api().get(f"/slots/{slot}").json["status"]) == ("PENDING", "BOOKED")


def test_an_appointment_keeps_its_locator_in_another_slot(api: Client, god: Actor) -> None:
    provider = make.a_provider(god)
    booked = make.an_appointment(god, slot=make.a_slot(god, provider), status="CONFIRMED")
    goal = make.a_slot(god, provider, hours=5)
    sent = {"slotLocator": goal.locator, "reason": "Asked for a later time"}
    moved = api().patch(f"/appointments/{booked.locator}/reschedule", sent, If_Match=f'"{booked.version}"').json
    assert (moved["locator"], moved["status"], moved["slotLocator"]) == (booked.locator, "BOOKED", goal.locator)
    assert api().get(f"/appointments/{booked.locator}").json == moved
    assert api().get(f"/slots/{booked.slot_locator}").json["booked"] == 0


def test_cancelling_an_episode_ends_what_is_open_in_it(api: Client, god: Actor) -> None:
    episode = make.an_episode(god)
    booked, referred, ordered = (
        make.an_appointment(god, episode),
        make.a_referral(god, episode),
        make.a_prescription(god, episode),
    )
    filled = make.a_prescription(god, episode, status="FILLED")
    ended = api("front_desk").patch(f"/episodes/{episode.locator}/cancel", {"reason": "Moved away"}).json
    assert (ended["status"], ended["stage"]) == ("CANCELLED", None)
    assert ended["closedAt"] is not None
    for path, status in (
        (f"/appointments/{booked.locator}", "CANCELLED"),
        (f"/referrals/{referred.locator}", "CANCELLED"),
        (f"/prescriptions/{ordered.locator}", "VOID"),
        (f"/prescriptions/{filled.locator}", "FILLED"),
    ):
        assert api().get(path).json["status"] == status
    assert api().get(f"/slots/{booked.slot_locator}").json["booked"] == 0


def test_after_the_end_only_filling_and_voiding_work(api: Client, god: Actor) -> None:
    episode = make.an_episode(god)
    first, second = make.a_prescription(god, episode), make.a_prescription(god, episode)
    assert api().patch(f"/episodes/{episode.locator}/close", {"summary": "Recovered"}).status_code == 200
    assert api().patch(f"/prescriptions/{first.locator}/fill").json["status"] == "FILLED"
    assert api().patch(f"/prescriptions/{second.locator}/void", {"reason": "Not needed"}).json["status"] == "VOID"
