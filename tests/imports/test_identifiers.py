"""Bundles that name clinics and providers of other bundles by an identifier, as Synthea writes them since 2020."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apiflask import APIFlask
from sqlalchemy import text

from careapp import tenancy
from careapp.db import db
from careapp.imports.report import Outcome, Report
from careapp.imports.storing import STORES
from tests.conftest import TestTenant
from tests.imports.build import History, a_bundle

Run = Callable[..., Report]
Rows = Callable[[str], list[Any]]


def by_identifier(history: History) -> tuple[dict[str, Any], str, str]:
    """The history as Synthea writes it since 2020, its bundles of clinic and provider apart; and both references."""
    clinic, provider = history.records["organization"], history.records["practitioner"]
    clinic["identifier"] = [{"system": "https://github.com/synthetichealth/synthea", "value": clinic["id"]}]
    references = tuple(
        f"{one['resourceType']}?identifier={one['identifier'][0]['system']}|{one['identifier'][0]['value']}"
        for one in (clinic, provider)
    )
    written = json.dumps(a_bundle(*(one for one in history.records.values() if one not in (clinic, provider))))
    for one, reference in zip((clinic, provider), references, strict=True):
        written = written.replace(f"urn:uuid:{one['id']}", reference)
    return json.loads(written), *references


def test_clinic_and_provider_in_bundles_of_their_own_are_known_by_their_identifiers(
    run: Run, rows: Rows, table_sizes: Callable[[], dict[str, int]], tmp_path: Path
) -> None:
    history = History()
    whole, _, _ = by_identifier(history)
    for name, content in (
        ("Aye_1.json", whole),
        ("hospitalInformation1.json", a_bundle(history.records["organization"], type="batch")),
        ("practitionerInformation1.json", a_bundle(history.records["practitioner"], type="batch")),
    ):
        (tmp_path / name).write_text(json.dumps(content))
    report = run(tmp_path)  # though the patient's stands first by name
    assert [line.notes[0].code for line in report.noted] == ["NPI"]
    assert {kind: dict(counts) for kind, counts in report.outcomes.items() if kind in STORES} == {
        kind: {Outcome.CREATED: 1} for kind in STORES
    }
    [worked] = rows("SELECT provider_id FROM provider_clinics")
    assert rows("SELECT provider_id FROM prescriptions")[0].provider_id == worked.provider_id
    before = table_sizes()
    assert run(tmp_path).refused == 0
    assert table_sizes() == before


def test_an_identifier_of_two_means_neither(run: Run, tmp_path: Path) -> None:
    history = History()
    whole, _, reference = by_identifier(history)
    for number in range(2):
        both = (history.records["organization"], {**history.records["practitioner"], "id": f"same-{number}"})
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(a_bundle(*both)))
        run(path)
    path.write_text(json.dumps(whole))
    [line] = [line for line in run(path).noted if line.outcome is Outcome.REFUSED]
    assert (line.resource_type, line.notes[0].code) == ("MedicationRequest", "REFERENCE")
    assert reference.startswith(line.notes[0].value[:-1])
    assert "several have it" in line.notes[0].why


def test_a_record_taken_in_before_identifiers_were_kept_is_named_by_them(
    run: Run, app: APIFlask, tenant: TestTenant, tmp_path: Path
) -> None:
    history = History()
    whole, _, _ = by_identifier(history)
    shared = tmp_path / "shared.json"
    shared.write_text(json.dumps(a_bundle(history.records["organization"], history.records["practitioner"])))
    run(shared)
    with tenancy.bound(tenant.id):
        db.session.execute(text("DELETE FROM imported_records WHERE source_id LIKE '%|%'"))
        db.session.commit()
    run(shared)
    path = tmp_path / "whole.json"
    path.write_text(json.dumps(whole))
    assert run(path).refused == 0
