"""The demo clinic as people meet it: every stage of the board, every state, today included."""

import uuid
from dataclasses import replace

import pytest
from apiflask import APIFlask

from careapp import clock
from careapp.cli import demo as command
from careapp.demo.blueprints import DEMO, Blueprint
from careapp.demo.build import build
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


def test_it_is_as_large_as_told(clinic: Blueprint) -> None:
    count = {
        table: len(rows(clinic, f"SELECT 1 FROM {table}")) for table in ("clinics", "providers", "patients", "users")
    }
    assert count == {"clinics": 3, "providers": 12, "patients": 200, "users": 4}
    assert len(rows(clinic, "SELECT DISTINCT time_zone FROM clinics")) == 2
    weeks = rows(clinic, "SELECT DISTINCT date_trunc('week', starts_at AT TIME ZONE 'Asia/Yangon') FROM provider_slots")
    assert len(weeks) >= 5
    assert len(rows(clinic, "SELECT 1 FROM provider_slots WHERE capacity = 10 AND booked > 0")) >= 1


def test_today_has_appointments_that_are_over_and_that_run(clinic: Blueprint) -> None:
    around = rows(
        clinic,
        "SELECT status FROM appointments WHERE status IN ('ARRIVED', 'IN_PROGRESS')"
        " AND starts_at BETWEEN now() - interval '3 hours' AND now() + interval '1 hour'",
    )
    assert sorted(row.status for row in around) == ["ARRIVED", "ARRIVED", "IN_PROGRESS"]


def test_the_numbers_of_providers_are_valid_and_different(clinic: Blueprint) -> None:
    npis = [row.npi for row in rows(clinic, "SELECT npi FROM providers")]
    assert all(map(is_valid_npi, npis))
    assert len(set(npis)) == 12


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
    small = every_story_once(patients=17)
    monkeypatch.setattr(command, "DEMO", small)
    monkeypatch.setattr(command, "OTHER", every_story_once(patients=17))
    runner = app.test_cli_runner()
    first, second = runner.invoke(command.demo), runner.invoke(command.demo)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert f"(tenant {small.key}): 1 clinics, 2 providers, 17 patients" in first.output
    assert "17 patients" not in second.output
    for output in (first.output, second.output):
        assert f"admin@{small.mail_domain}" in output
        assert "password: careapp demo clinic" in output
