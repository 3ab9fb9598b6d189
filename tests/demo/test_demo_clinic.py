"""The demo clinic as people meet it: every stage of the board, every state, today included."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from apiflask import APIFlask

from careapp import clock
from careapp.cli import demo as command
from careapp.demo.blueprints import DEMO, Blueprint
from careapp.demo.build import build
from careapp.demo.pool import FreeSlot
from careapp.demo.today import courses_of, in_room, waiting
from careapp.episodes.states import EPISODE, STAGES
from careapp.prescriptions.states import PRESCRIPTION
from careapp.providers.npi import is_valid_npi
from careapp.providers.states import NETWORK
from careapp.referrals.states import REFERRAL
from careapp.scheduling.states import APPOINTMENT, SLOT
from tests.demo.conftest import WRONG_PLACES, every_story_once, rows

pytestmark = pytest.mark.xdist_group("demo clinic")  # one worker builds it, once


@pytest.fixture(scope="module")
def clinic(app: APIFlask) -> Blueprint:
    """The real demo clinic, as of now, under a key of its own."""
    key = f"demo{uuid.uuid4().hex[:8]}"
    blueprint = replace(DEMO, key=key, mail_domain=f"{key}.test")
    with app.app_context():
        build(app.config["DATABASE_OWNER_URL"], blueprint, now=clock.now())
    return blueprint


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("episodes", "stage", STAGES),
        ("episodes", "status", EPISODE.states),
        ("appointments", "status", APPOINTMENT.states),
        ("prescriptions", "status", PRESCRIPTION.states),
        ("diagnostics_referrals", "status", REFERRAL.states),
        ("provider_slots", "status", SLOT.states),
        ("providers", "status", NETWORK.states),
        ("patient_facts", "kind", ("ALLERGY", "CONDITION")),
    ],
)
def test_every_state_is_there(clinic: Blueprint, table: str, column: str, values: tuple[str, ...]) -> None:
    found = {row[0] for row in rows(clinic, f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")}
    assert found == set(values)


def test_every_clinic_has_an_address_and_a_phone_number(clinic: Blueprint) -> None:
    heads = rows(clinic, "SELECT address, phone FROM clinics")
    assert len(heads) == 3
    assert all(address and phone and "555" in phone for address, phone in heads)


def test_it_is_as_large_as_told(clinic: Blueprint) -> None:
    count = {
        table: len(rows(clinic, f"SELECT 1 FROM {table}")) for table in ("clinics", "providers", "patients", "users")
    }
    assert count == {"clinics": 3, "providers": 14, "patients": 800, "users": 4}
    assert len(rows(clinic, "SELECT DISTINCT time_zone FROM clinics")) == 2
    weeks = rows(clinic, "SELECT DISTINCT date_trunc('week', starts_at AT TIME ZONE 'Asia/Yangon') FROM provider_slots")
    assert len(weeks) >= 15
    assert len(rows(clinic, "SELECT 1 FROM provider_slots WHERE capacity = 10 AND booked > 0")) >= 1


def test_today_is_a_full_day_at_the_family_clinic(clinic: Blueprint) -> None:
    """At whatever hour it was built: somebody waits, somebody is being seen, and several doctors work."""
    today = rows(
        clinic,
        "SELECT a.status, a.provider_id, a.starts_at < now() AS begun FROM appointments a JOIN clinics c"
        " ON c.id = a.clinic_id WHERE c.name LIKE 'Golden%' AND a.status <> 'CANCELLED'"
        " AND (a.starts_at AT TIME ZONE time_zone)::date = (now() AT TIME ZONE time_zone)::date",
    )
    assert len(today) >= 25
    assert len({row.provider_id for row in today}) >= 3
    around = rows(
        clinic,
        "SELECT status FROM appointments"
        " WHERE starts_at BETWEEN now() - interval '3 hours' AND now() + interval '1 hour'",
    )
    assert {"ARRIVED", "IN_PROGRESS"} <= {row.status for row in around}


@pytest.mark.parametrize("minutes", range(1, 24 * 60, 29))
def test_at_every_hour_somebody_waits_and_somebody_is_being_seen(minutes: int) -> None:
    day = datetime(2026, 6, 10, tzinfo=UTC)
    hours = [day + timedelta(hours=hour) for hour in range(24)]
    slots = [
        FreeSlot(f"SLT-2026-{at.hour:06}", "PRV", "CLN", "GP", at, at + timedelta(hours=1), 1, 1, "UTC") for at in hours
    ]
    told = {course for course, _ in courses_of(slots, Random(1), day + timedelta(minutes=minutes))}
    assert {in_room, waiting} <= told


def test_the_weeks_before_have_visits_with_their_whole_history(clinic: Blueprint) -> None:
    ended = rows(
        clinic,
        "SELECT a.status, count(*) AS visits, (SELECT count(*) FROM status_changes h WHERE h.entity = 'appointment'"
        " AND h.entity_id = a.id) AS changes, a.version FROM appointments a"
        " WHERE starts_at < now() - interval '15 days' GROUP BY a.id, a.status, a.version",
    )
    by_status = {status: sum(row.status == status for row in ended) for status in ("ATTENDED", "NO_SHOW", "CANCELLED")}
    assert by_status["ATTENDED"] > 500
    assert by_status["NO_SHOW"] > 30
    assert by_status["CANCELLED"] > 10
    assert all(row.changes == row.version >= 2 for row in ended)
    last = "SELECT DISTINCT ON (entity_id) entity_id, to_status FROM status_changes WHERE entity = 'appointment'"
    wrong = f"SELECT 1 FROM appointments a JOIN ({last} ORDER BY entity_id, id DESC) h ON h.entity_id = a.id"
    assert rows(clinic, f"{wrong} WHERE h.to_status <> a.status") == []


def test_referrals_are_of_different_ages(clinic: Blueprint) -> None:
    days = [
        row.days
        for row in rows(
            clinic,
            "SELECT extract(day FROM now() - h.at) AS days FROM diagnostics_referrals r JOIN status_changes h"
            " ON h.entity = 'referral' AND h.entity_id = r.id AND h.action = 'refer'"
            " WHERE r.status IN ('REFERRED', 'BOOKED')",
        )
    ]
    for first, last in ((0, 7), (8, 14), (15, 30), (31, 400)):
        assert [day for day in days if first <= day <= last], (first, last, sorted(days))


def test_some_slots_of_tomorrow_and_next_week_are_blocked(clinic: Blueprint) -> None:
    blocked = rows(
        clinic, "SELECT starts_at - now() < interval '2 days' AS soon FROM provider_slots WHERE status = 'BLOCKED'"
    )
    assert {row.soon for row in blocked} == {True, False}


def test_the_numbers_of_providers_are_valid_and_different(clinic: Blueprint) -> None:
    npis = [row.npi for row in rows(clinic, "SELECT npi FROM providers")]
    assert all(map(is_valid_npi, npis))
    assert len(set(npis)) == 14


def test_slots_stand_in_the_hours_of_their_clinic(clinic: Blueprint) -> None:
    hours = rows(
        clinic,
        "SELECT min((s.starts_at AT TIME ZONE c.time_zone)::time)::text,"
        " max((s.ends_at AT TIME ZONE c.time_zone)::time)::text"
        " FROM provider_slots s JOIN clinics c ON c.id = clinic_id WHERE c.name = 'Lotus Specialist Centre'",
    )
    assert [tuple(row) for row in hours] == [("09:00:00", "19:30:00")]


def test_no_slot_counts_wrong(clinic: Blueprint) -> None:
    assert rows(clinic, WRONG_PLACES) == []


def test_the_command_tells_what_it_made_and_who_signs_in(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> None:
    small = every_story_once(patients=20)
    monkeypatch.setattr(command, "DEMO", small)
    monkeypatch.setattr(command, "OTHER", every_story_once(patients=20))
    runner = app.test_cli_runner()
    first, second = runner.invoke(command.demo), runner.invoke(command.demo)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert f"(tenant {small.key}): 1 clinics, 2 providers, 20 patients" in first.output
    assert "20 patients" not in second.output
    for output in (first.output, second.output):
        assert f"admin@{small.mail_domain}" in output
        assert "password: careapp demo clinic" in output
