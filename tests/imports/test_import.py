"""What an import makes of a patient's history, and that it makes it once."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from sqlalchemy import select

from careapp import localdb
from careapp.episodes.models import EPISODES
from careapp.imports.mapping_dosage import MORE
from careapp.imports.report import Outcome, Report
from careapp.imports.storing import STORES
from careapp.patients import queries as patients
from careapp.terminology.views import RXNORM
from tests import factories
from tests.conftest import TestTenant, everything
from tests.database import TestDatabase
from tests.imports.build import History, a_practitioner, an_organization
from tests.jobs.relays import wait_until

Run = Callable[..., Report]
Rows = Callable[[str], list[Any]]
VALID_NPI = "1234567893"  # the example of the check-digit rule itself


def test_a_history_becomes_patient_episode_facts_and_prescription(run: Run, rows: Rows, tmp_path: Path) -> None:
    report = run(History().write(tmp_path))
    assert {kind: dict(counts) for kind, counts in report.outcomes.items()} == {
        **{kind: {Outcome.CREATED: 1} for kind in STORES},
        "Observation": {Outcome.NOT_IMPORTED: 1},
    }
    [patient] = rows("SELECT * FROM patients")
    assert (patient.family, patient.given, patient.language) == ("Peña", ["María", "Luisa"], "es")
    assert patient.telecom == [{"system": "phone", "value": "555-0100", "use": "home"}]
    [episode] = rows(select(*EPISODES))
    assert (episode.status, episode.care_type, episode.reason) == ("CLOSED", "URGENT_CARE", "Appendicitis")
    assert (episode.summary, episode.version) == ("Emergency room admission", 2)
    assert episode.opened_at == datetime(2019, 2, 23, 12, 11, 31, tzinfo=UTC)
    assert episode.closed_at == datetime(2019, 2, 23, 13, 11, 31, tzinfo=UTC)
    facts = rows("SELECT kind, text, code, status FROM patient_facts ORDER BY kind")
    assert [tuple(fact) for fact in facts] == [
        ("ALLERGY", "Allergy to penicillin", "91936005", "active"),
        ("CONDITION", "Appendicitis", "74400008", "active"),
    ]
    [prescription] = rows("SELECT * FROM prescriptions")
    assert (prescription.status, prescription.dosage) == ("FILLED", "not stated")
    assert prescription.issued_at == datetime(2019, 2, 23, 13, tzinfo=UTC)
    assert prescription.episode_id == episode.id


def test_numbers_of_the_state_are_not_taken_over(run: Run, rows: Rows, tmp_path: Path) -> None:
    run(History().write(tmp_path))
    assert rows("SELECT identifiers FROM patients")[0].identifiers == [
        {"system": "http://hospital.example", "value": "M-1"}
    ]


@pytest.mark.parametrize(
    ("name", "change", "over"),
    [
        ("allergy", {"clinicalStatus": {"coding": [{"code": "inactive"}]}}, True),
        ("condition", {"clinicalStatus": {"coding": [{"code": "resolved"}]}}, True),
        ("condition", {"clinicalStatus": {"coding": [{"code": "inactive"}]}, "abatementDateTime": "2020"}, True),
        ("condition", {"clinicalStatus": None, "abatementString": "as a child"}, True),
        ("condition", {"clinicalStatus": {"coding": [{"code": "remission"}]}}, False),
        ("condition", {"clinicalStatus": {"coding": [{"code": "recurrence"}]}}, False),
    ],
)
def test_what_is_over_is_over_also_where_no_day_is_told(
    run: Run, rows: Rows, tmp_path: Path, name: str, change: dict[str, Any], over: bool
) -> None:
    history = History()
    history.records[name].update(change)
    assert run(history.write(tmp_path)).refused == 0
    kind = {"allergy": "ALLERGY", "condition": "CONDITION"}[name]
    [fact] = rows(f"SELECT abated_at, now() AS now FROM patient_facts WHERE kind = '{kind}'")
    assert (fact.abated_at is not None) == over
    assert not over or fact.abated_at <= fact.now


@pytest.mark.parametrize("use", ["usual", "temp", None])
def test_a_patient_goes_by_no_former_name(run: Run, rows: Rows, tmp_path: Path, use: str | None) -> None:
    history = History()
    former = {"use": "maiden", "family": "Former", "given": ["Thida"]}
    history.records["patient"]["name"] = [former, {"family": "Present", "given": ["Thida"], "use": use}]
    run(history.write(tmp_path))
    assert rows("SELECT family FROM patients")[0].family == "Present"


def test_a_former_name_is_better_than_none(run: Run, rows: Rows, tmp_path: Path) -> None:
    history = History()
    history.records["patient"]["name"] = [{"use": "old", "family": "Former"}]
    run(history.write(tmp_path))
    assert rows("SELECT family FROM patients")[0].family == "Former"


def test_history_and_audit_are_kept_and_nobody_is_told(
    run: Run, rows: Rows, table_sizes: Callable[[], dict[str, int]], tmp_path: Path
) -> None:
    run(History().write(tmp_path))
    changes = rows("SELECT actor, action, from_status, to_status, at FROM status_changes ORDER BY id")
    assert [(change.action, change.from_status, change.to_status, change.at.year) for change in changes] == [
        ("open", None, "OPEN", 2019), ("close", "OPEN", "CLOSED", 2019), ("issue", None, "FILLED", 2019),
    ]  # fmt: skip
    assert {change.actor for change in changes} == {"import"}
    [audit] = rows("SELECT actor, action, outcome, patients, detail FROM audit_event")
    assert (audit.actor, audit.action, audit.outcome) == ("import", "import.bundle", "done")
    assert audit.patients == [rows("SELECT locator FROM patients")[0].locator]
    assert audit.detail == {"created": 7, "already_there": 0, "refused": 0, "not_imported": 1}
    assert table_sizes()["outbox"] == 0


def test_a_second_run_changes_nothing(run: Run, table_sizes: Callable[[], dict[str, int]], tmp_path: Path) -> None:
    path = History().write(tmp_path)
    run(path)
    before = table_sizes()
    again = run(path)
    assert table_sizes() == before
    assert {outcome for counts in again.outcomes.values() for outcome in counts} == {
        Outcome.ALREADY_THERE, Outcome.NOT_IMPORTED,
    }  # fmt: skip
    assert again.noted == []


def test_a_dry_run_tells_the_same_and_stores_nothing(
    run: Run, table_sizes: Callable[[], dict[str, int]], tmp_path: Path
) -> None:
    shared = a_practitioner()
    for number in range(2):
        History(practitioner=shared).write(tmp_path, f"{number}.json")
    dry = run(tmp_path, dry_run=True)
    assert set(table_sizes().values()) == {0}
    assert run(tmp_path).outcomes == dry.outcomes
    assert dry.outcomes["Practitioner"] == {Outcome.CREATED: 1, Outcome.ALREADY_THERE: 1}


def test_two_runs_at_once_take_everything_in_once(
    app: APIFlask, run: Run, table_sizes: Callable[[], dict[str, int]], tmp_path: Path
) -> None:
    clinic, practitioner = an_organization(), a_practitioner()
    for number in range(6):
        History(practitioner=practitioner, organization=clinic).write(tmp_path, f"{number}.json")
    reports: list[Report] = []

    def once() -> None:
        with app.app_context():
            reports.append(run(tmp_path))

    threads = [threading.Thread(target=once) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.outcomes["Encounter"][Outcome.CREATED] for report in reports) == 6
    sizes = table_sizes()
    assert (sizes["patients"], sizes["episodes"], sizes["providers"], sizes["clinics"]) == (6, 6, 1, 1)
    assert [report.refused for report in reports] == [0, 0, 0]


def test_a_run_waits_for_another_however_long_that_takes(
    app: APIFlask, database: TestDatabase, tenant: TestTenant, run: Run, tmp_path: Path
) -> None:
    """Longer than a request waits for a lock: the other one ends by itself."""
    file, reports = History().write(tmp_path), list[Report]()

    def once() -> None:
        with app.app_context():
            reports.append(run(file))

    with psycopg.connect(localdb.libpq_url(database.whole), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"{tenant.id}/import"])
        waiting = threading.Thread(target=once)
        waiting.start()
        since = (
            "SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database AND datname = current_database()"
            " WHERE locktype = 'advisory' AND waitstart < clock_timestamp() - interval '6 s'"
        )
        wait_until(lambda: bool(reports) or other.execute(since).fetchone() is not None)
        assert reports == []
    waiting.join()
    assert [report.refused for report in reports] == [0]


def test_a_number_that_is_no_npi_is_kept_beside_and_reported(run: Run, rows: Rows, tmp_path: Path) -> None:
    report = run(History().write(tmp_path))
    [provider] = rows("SELECT * FROM providers")
    assert (provider.name, provider.npi, provider.status) == ("Dr. Lilliana Brakusová", None, "PENDING")
    assert provider.identifiers == [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "580"}]
    [line] = report.noted
    assert (line.resource_type, line.outcome, line.notes[0].code, line.notes[0].value) == (
        "Practitioner", Outcome.CREATED, "NPI", "580",
    )  # fmt: skip
    assert report.remarks["Practitioner"] == 1


def test_a_valid_npi_is_taken_and_names_the_same_provider_under_another_id(
    run: Run, rows: Rows, tmp_path: Path
) -> None:
    History(practitioner=a_practitioner(VALID_NPI)).write(tmp_path, "a.json")
    History(practitioner=a_practitioner(VALID_NPI)).write(tmp_path, "b.json")
    report = run(tmp_path)
    assert [row.npi for row in rows("SELECT npi FROM providers")] == [VALID_NPI]
    assert report.outcomes["Practitioner"] == {Outcome.CREATED: 1, Outcome.ALREADY_THERE: 1}
    assert report.outcomes["MedicationRequest"] == {Outcome.CREATED: 2}


def test_the_provider_is_noted_at_the_clinic_in_the_tenants_zone(run: Run, rows: Rows, tmp_path: Path) -> None:
    run(History().write(tmp_path))
    assert rows("SELECT time_zone FROM clinics")[0].time_zone == "Asia/Yangon"
    assert len(rows("SELECT 1 FROM provider_clinics JOIN providers p ON p.id = provider_id")) == 1


def test_a_later_bundle_may_refer_to_an_earlier_one(run: Run, rows: Rows, tmp_path: Path) -> None:
    history = History()
    encounter, medication = history.records.pop("encounter"), history.records.pop("medication")
    run(history.write(tmp_path, "people.json"))
    encounter["subject"] = {"reference": f"Patient/{history.records['patient']['id']}"}
    later = History()
    later.records = {"encounter": encounter, "medication": medication}
    assert run(later.write(tmp_path, "later.json")).refused == 0
    assert len(rows("SELECT 1 FROM prescriptions")) == 1


def test_an_imported_patient_is_found_without_accents(
    app: APIFlask, run: Run, tenant: TestTenant, tmp_path: Path
) -> None:
    run(History().write(tmp_path))
    actor = everything(tenant)
    [found] = patients.search_patients(actor, name="maria pena").items
    assert found.name.text == "María Luisa Peña"
    assert [fact.text for fact in patients.list_facts(actor, found.locator, kind="ALLERGY")] == [
        "Allergy to penicillin"
    ]


def test_another_tenant_takes_the_same_history_in_for_itself(
    run: Run, new_tenant: Callable[..., TestTenant], tmp_path: Path
) -> None:
    path, other = History().write(tmp_path), new_tenant()
    run(path)
    assert run(path, tenant=other).outcomes["Patient"] == {Outcome.CREATED: 1}
    assert patients.search_patients(everything(other), name="pena").items


def test_what_people_entered_stays_beside_what_is_imported(run: Run, tenant: TestTenant, tmp_path: Path) -> None:
    mine = factories.a_patient(everything(tenant))
    run(History().write(tmp_path))
    assert patients.get_patient(everything(tenant), mine.locator).version == 1


@pytest.mark.parametrize(
    ("instruction", "dosage"),
    [
        ({"asNeededBoolean": True}, "as needed"),
        ({"text": "1 tablet at night"}, "1 tablet at night"),
        (
            {
                "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}, "asNeededBoolean": False,
                "doseAndRate": [{"doseQuantity": {"value": 1.0, "unit": "tablet"}}],
            },
            "1 tablet, 2 times every day",
        ),
        ({"timing": {"repeat": {"frequency": 1, "period": 4, "periodUnit": "h"}}}, "once every 4 hours"),
        ({"timing": {"repeat": {"period": True}}}, "not stated"),
        ({"timing": {"code": {"coding": [{"code": "BID"}]}}, "route": {"text": "By mouth"}}, "By mouth, BID"),
        ({"additionalInstruction": [{"text": "With food"}, {"text": "Not with milk"}]}, "With food, Not with milk"),
        ({"text": "1 at night", "timing": {"repeat": {"when": ["HS"]}}}, "1 at night"),
    ],
)  # fmt: skip
def test_a_coded_dosage_is_put_in_words(
    run: Run, rows: Rows, tmp_path: Path, instruction: dict[str, Any], dosage: str
) -> None:
    history = History()
    history.records["medication"]["dosageInstruction"] = [instruction]
    assert "MedicationRequest" not in [line.resource_type for line in run(history.write(tmp_path)).noted]
    assert rows("SELECT dosage FROM prescriptions")[0].dosage == dosage


def test_of_several_codes_the_one_is_kept_by_which_prescriptions_are_checked(
    run: Run, rows: Rows, tmp_path: Path
) -> None:
    history = History()
    medicine = {
        "coding": [
            {"system": "http://hl7.org/fhir/sid/ndc", "code": "0093-2263", "display": "Amoxicillin"},
            {"system": RXNORM, "code": "308192"},
        ]
    }
    history.records["medication"]["medicationCodeableConcept"] = medicine
    history.records["allergy"]["code"] = {
        "coding": [{"code": "91936005"}, {"system": RXNORM, "code": "7984"}],
        "text": "P",
    }
    run(history.write(tmp_path))
    [kept] = rows("SELECT medication_text, medication_code, medication_system FROM prescriptions")
    assert tuple(kept) == ("Amoxicillin", "308192", RXNORM)
    [allergy] = rows("SELECT code, system FROM patient_facts WHERE kind = 'ALLERGY'")
    assert tuple(allergy) == ("7984", RXNORM)


@pytest.mark.parametrize("contained", [True, False])
def test_a_medicine_that_is_a_record_of_its_own_is_found(run: Run, rows: Rows, tmp_path: Path, contained: bool) -> None:
    history = History()
    request = history.records["medication"]
    medicine = {"resourceType": "Medication", "id": "m1", "code": request.pop("medicationCodeableConcept")}
    request["medicationReference"] = {"reference": "#m1" if contained else "urn:uuid:m1"}
    if contained:
        request["contained"] = [{"resourceType": "Organization", "id": "m2"}, medicine]
    else:
        history.records["medicine"] = medicine
    assert run(history.write(tmp_path)).refused == 0
    assert rows("SELECT medication_text FROM prescriptions")[0][0] == "Amoxicillin 500 MG Oral Tablet"


@pytest.mark.parametrize(
    ("instruction", "left_out"),
    [
        ({"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"]}}}, "repeat.when"),
        ({"timing": {"event": ["2020-01-01"]}, "maxDosePerPeriod": {}}, "maxDosePerPeriod, timing.event"),
        ({"doseAndRate": [{"doseRange": {"low": {"value": 1}, "high": {"value": 2}}}]}, "doseAndRate.doseRange"),
        ({"doseAndRate": [{"doseQuantity": {"value": 1}}, {"doseQuantity": {"value": 2}}]}, "a second dose"),
    ],
)
def test_a_dosage_that_is_not_whole_says_so(
    run: Run, rows: Rows, tmp_path: Path, instruction: dict[str, Any], left_out: str
) -> None:
    history = History()
    history.records["medication"]["dosageInstruction"] = [instruction]
    report = run(history.write(tmp_path))
    assert rows("SELECT dosage FROM prescriptions")[0].dosage.endswith(MORE)
    [line] = [line for line in report.noted if line.resource_type == "MedicationRequest"]
    assert (line.outcome, line.notes[0].code, line.notes[0].value) == (Outcome.CREATED, "DOSAGE", left_out)
