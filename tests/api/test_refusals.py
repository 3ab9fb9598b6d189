"""Every refusal the API knows, once over HTTP: status, code, what it says, and that nothing changed."""

from collections.abc import Callable

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout

from careapp.access import Actor
from careapp.providers import service as providers
from careapp.scheduling import slots
from tests import factories as make
from tests.api.client import Api, is_problem
from tests.conftest import TestTenant, everything
from tests.looking import audits, execute, newest, one

Client = Callable[..., Api]


def test_validation_failed_names_every_field(api: Client) -> None:
    sent = {"partyLocator": "", "careType": "SURGERY", "reason": " ", "status": "OPEN"}
    problem = is_problem(api().post("/episodes", sent), 422, "VALIDATION_FAILED")
    assert {error["field"] for error in problem["errors"]} == set(sent)
    assert all(error["detail"] for error in problem["errors"])


def test_an_unknown_locator_in_a_body_is_422_naming_the_field(api: Client, god: Actor) -> None:
    episode, provider = make.an_episode(god).locator, make.a_provider(god).locator
    sent = {
        "partyLocator": ("/episodes", {"partyLocator": "PTY-2026-999999", "careType": "GP"}),
        "slotLocator": (f"/episodes/{episode}/appointments", {"slotLocator": "SLT-2026-999999"}),
        "providerLocator": (
            f"/episodes/{episode}/prescriptions",
            {"medication": {"text": "A"}, "dosage": "B", "providerLocator": "PRV-2026-999999"},
        ),
    }
    for field, (path, body) in sent.items():
        assert [e["field"] for e in is_problem(api().post(path, body), 422, "VALIDATION_FAILED")["errors"]] == [field]
    slot = {"start": "2190-01-01T09:00:00Z", "end": "2190-01-01T10:00:00Z", "clinicLocator": "CLN-2026-999999"}
    answer = api("front_desk").post(f"/providers/{provider}/slots", slot)
    assert [e["field"] for e in is_problem(answer, 422)["errors"]] == ["clinicLocator"]
    answer = api("admin").post("/providers", {"name": "X", "specialty": "GP", "clinics": ["CLN-2026-999999"]})
    assert [e["field"] for e in is_problem(answer, 422)["errors"]] == ["clinics"]


def test_illegal_transition_says_where_it_stands(api: Client, god: Actor) -> None:
    booked = make.an_appointment(god, status="NO_SHOW")
    problem = is_problem(api().patch(f"/appointments/{booked.locator}/confirm"), 409, "ILLEGAL_TRANSITION")
    assert problem["current"] == "NO_SHOW"


def test_slot_unavailable_offers_the_next_three_in_the_form_of_slots(api: Client, god: Actor) -> None:
    provider = make.a_provider(god)
    full, *later = [make.a_slot(god, provider, hours=hours) for hours in (1, 3, 5, 7, 9)]
    make.an_appointment(god, slot=full)
    answer = api().post(f"/episodes/{make.an_episode(god).locator}/appointments", {"slotLocator": full.locator})
    offered = is_problem(answer, 409, "SLOT_UNAVAILABLE")["alternatives"]
    assert [slot["locator"] for slot in offered] == [slot.locator for slot in later[:3]]
    assert offered[0] == api().get(f"/slots/{later[0].locator}").json


def test_a_slot_that_is_blocked_or_over_is_unavailable(api: Client, god: Actor) -> None:
    blocked, over, walk_in = make.a_slot(god), make.a_slot(god), make.a_slot(god)
    slots.act(god, blocked.locator, action="block")
    shift = (
        "UPDATE provider_slots SET starts_at = now() - :ago * interval '1 minute', ends_at = now() + :left * interval"
    )
    execute(god, f"{shift} '1 minute' WHERE locator = :locator", ago=60, left=-1, locator=over.locator)
    execute(god, f"{shift} '1 minute' WHERE locator = :locator", ago=60, left=10, locator=walk_in.locator)
    for slot in (blocked, over):
        answer = api().post(f"/episodes/{make.an_episode(god).locator}/appointments", {"slotLocator": slot.locator})
        assert is_problem(answer, 409, "SLOT_UNAVAILABLE")["alternatives"] == []
    walked = api().post(f"/episodes/{make.an_episode(god).locator}/appointments", {"slotLocator": walk_in.locator})
    assert walked.status_code == 201


def test_slot_overlap(api: Client, god: Actor) -> None:
    slot = make.a_slot(god)
    sent = {"start": slot.starts_at.isoformat(), "end": slot.ends_at.isoformat()}
    is_problem(api("front_desk").post(f"/providers/{slot.provider_locator}/slots", sent), 409, "SLOT_OVERLAP")


def test_patient_busy_names_what_is_in_the_way(api: Client, god: Actor) -> None:
    patient = make.a_patient(god)
    first = make.an_appointment(god, make.an_episode(god, patient))
    other_provider = make.a_slot(god)
    path = f"/episodes/{make.an_episode(god, patient).locator}/appointments"
    problem = is_problem(api().post(path, {"slotLocator": other_provider.locator}), 409, "PATIENT_BUSY")
    assert problem["blocking"] == first.locator
    assert "alternatives" in problem
    assert api().get(f"/slots/{other_provider.locator}").json["booked"] == 0


def test_buffer_violation(api: Client, new_tenant: Callable[..., TestTenant]) -> None:
    tenant = new_tenant(buffer_minutes=30)
    god = everything(tenant)
    provider = make.a_provider(god)
    first, second = make.a_slot(god, provider, hours=1, minutes=60), make.a_slot(god, provider, hours=2, minutes=60)
    booked = make.an_appointment(god, slot=first)
    path = f"/episodes/{make.an_episode(god).locator}/appointments"
    answer = api(tenant=tenant).post(path, {"slotLocator": second.locator})
    assert is_problem(answer, 409, "BUFFER_VIOLATION")["blocking"] == booked.locator


def test_provider_not_participating(api: Client, god: Actor) -> None:
    slot = make.a_slot(god)
    providers.act(god, slot.provider_locator, action="deactivate")
    path = f"/episodes/{make.an_episode(god).locator}/appointments"
    problem = is_problem(api().post(path, {"slotLocator": slot.locator}), 409, "PROVIDER_NOT_PARTICIPATING")
    assert "alternatives" in problem


def test_reschedule_is_refused_like_a_booking(api: Client, god: Actor) -> None:
    booked, full = make.an_appointment(god), make.a_slot(god, hours=5)
    make.an_appointment(god, slot=full)
    path = f"/appointments/{booked.locator}/reschedule"
    answer = api().patch(path, {"slotLocator": full.locator, "version": 1})
    assert "alternatives" in is_problem(answer, 409, "SLOT_UNAVAILABLE")
    answer = api().patch(path, {"slotLocator": "SLT-2026-999999", "version": 1})
    assert [e["field"] for e in is_problem(answer, 422)["errors"]] == ["slotLocator"]
    assert api().get(f"/appointments/{booked.locator}").json["slotLocator"] == booked.slot_locator


def test_episode_not_open(api: Client, god: Actor) -> None:
    episode, slot = make.an_episode(god).locator, make.a_slot(god).locator
    assert api().patch(f"/episodes/{episode}/close", {"summary": "Recovered"}).status_code == 200
    medicine = {"medication": {"text": "A"}, "dosage": "B", "providerLocator": make.a_provider(god).locator}
    for path, body in (
        ("appointments", {"slotLocator": slot}),
        ("prescriptions", medicine),
        ("referrals", {"type": "LAB", "reason": "Blood count"}),
    ):
        problem = is_problem(api().post(f"/episodes/{episode}/{path}", body), 409, "EPISODE_NOT_OPEN")
        assert problem["current"] == "CLOSED"


def test_episode_has_open_work_names_all_of_it(api: Client, god: Actor) -> None:
    episode = make.an_episode(god)
    booked, referred = make.an_appointment(god, episode), make.a_referral(god, episode)
    make.a_prescription(god, episode)
    answer = api().patch(f"/episodes/{episode.locator}/close", {"summary": "Recovered"})
    work = is_problem(answer, 409, "EPISODE_HAS_OPEN_WORK")["openWork"]
    assert {(item["kind"], item["locator"], item["status"]) for item in work} == {
        ("appointment", booked.locator, "PENDING"),
        ("referral", referred.locator, "REFERRED"),
    }


def test_nothing_to_undo(api: Client, god: Actor) -> None:
    booked = make.an_appointment(god)
    is_problem(api().patch(f"/appointments/{booked.locator}/undo", {"version": 1}), 409, "NOTHING_TO_UNDO")


def test_npi_taken(api: Client, god: Actor) -> None:
    sent = {"name": "Dr Mya", "specialty": "CARDIOLOGY", "npi": "1234567893"}
    assert api("admin").post("/providers", sent).status_code == 201
    is_problem(api("admin").post("/providers", sent), 409, "NPI_TAKEN")
    assert [
        e["field"] for e in is_problem(api("admin").post("/providers", {**sent, "npi": "1234567890"}), 422)["errors"]
    ] == ["npi"]


def test_not_found_and_unauthenticated_and_forbidden(api: Client, god: Actor) -> None:
    missing = is_problem(api().get("/episodes/EPI-2026-999999"), 404, "NOT_FOUND")
    assert missing == is_problem(api().get("/episodes/no%20such%20thing"), 404)
    unknown = api(None).get("/episodes")
    is_problem(unknown, 401, "UNAUTHENTICATED")
    assert unknown.headers["WWW-Authenticate"] == "Bearer"
    is_problem(api("auditor").get("/episodes"), 403, "FORBIDDEN")


def test_strangers_learn_nothing_about_addresses_or_bodies(api: Client, god: Actor) -> None:
    episode = make.an_episode(god).locator
    stranger = api(None)
    for answer in (
        stranger.get(f"/episodes/{episode}"),
        stranger.get("/episodes/EPI-2026-999999"),
        stranger.get("/episodes?limit=0&limit=1"),
        stranger.raw("POST", "/episodes", b"{", Content_Type="text/plain"),
        stranger.post("/episodes", {"nonsense": 1}),
    ):
        is_problem(answer, 401, "UNAUTHENTICATED")


def test_a_refusal_is_audited_and_changes_nothing(api: Client, god: Actor) -> None:
    booked = make.an_appointment(god, status="NO_SHOW")
    before = one(god, "SELECT count(*) FROM audit_event WHERE outcome = 'refused'")
    is_problem(api().patch(f"/appointments/{booked.locator}/confirm"), 409)
    assert one(god, "SELECT count(*) FROM audit_event WHERE outcome = 'refused'") == before + 1
    assert api().get(f"/appointments/{booked.locator}").json["version"] == booked.version


@pytest.mark.parametrize("path", ["/episodes", "/episodes/EPI-2026-999999"])
def test_who_may_not_leaves_one_row_in_the_audit(api: Client, god: Actor, path: str) -> None:
    before = newest(god)["audits"]
    is_problem(api("auditor").get(path), 403, "FORBIDDEN")
    [row] = audits(god, after=before)
    assert (row.actor, row.outcome, row.detail) == (
        "token:test:auditor",
        "refused",
        {"code": "FORBIDDEN", "status": 403},
    )


def test_when_a_database_connection_cannot_be_had_it_is_503(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object, **kwargs: object) -> None:
        raise PoolTimeout("QueuePool limit reached: password=hunter2")

    monkeypatch.setattr("careapp.api.episodes.queries.list_episodes", away)
    answer = api().get("/episodes")
    is_problem(answer, 503, "UPSTREAM_UNAVAILABLE")
    assert answer.headers["Retry-After"].isdigit()
    assert b"hunter2" not in answer.data
