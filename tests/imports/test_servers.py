"""Bundles of FHIR servers, on which the same short id is another's: addresses tell records apart, ids alone do not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from careapp.imports.report import Outcome, Report
from careapp.imports.storing import STORES
from tests.imports.build import History

Run = Callable[..., Report]
Rows = Callable[[str], list[Any]]
ALL_NEW = {kind: {Outcome.CREATED: 1} for kind in STORES}


def of_server(base: str, family: str, birth_date: str, *, relative: bool = False) -> dict[str, Any]:
    """A history whose every record has the id 1 on a server of this address."""
    history = History()
    history.records["patient"].update(name=[{"family": family}], birthDate=birth_date)
    bundle = history.bundle()
    for entry, record in zip(bundle["entry"], history.records.values(), strict=True):
        entry["fullUrl"] = f"{base}/{record['resourceType']}/1"
    written = json.dumps(bundle)
    for record in history.records.values():
        address = f"{'' if relative else base + '/'}{record['resourceType']}/1"
        written = written.replace(f"urn:uuid:{record['id']}", address).replace(record["id"], "1")
    return json.loads(written)


def put(directory: Path, name: str, bundle: dict[str, Any]) -> Path:
    path = directory / name
    path.write_text(json.dumps(bundle))
    return path


def imported(report: Report) -> dict[str, dict[Outcome, int]]:
    return {kind: dict(counts) for kind, counts in report.outcomes.items() if kind in STORES}


def test_the_same_ids_on_two_servers_are_two_peoples(
    run: Run, rows: Rows, table_sizes: Callable[[], dict[str, int]], tmp_path: Path
) -> None:
    one = put(tmp_path, "one.json", of_server("https://one.example/fhir", "Aye", "1950-01-01"))
    two = put(tmp_path, "two.json", of_server("https://two.example/fhir", "Bo", "1999-01-01", relative=True))
    assert imported(run(one)) == ALL_NEW
    assert imported(run(two)) == ALL_NEW
    for table in ("episodes", "patient_facts", "prescriptions"):
        families = rows(f"SELECT p.family FROM {table} t JOIN patients p ON p.id = t.patient_id")
        assert {row.family for row in families} == {"Aye", "Bo"}, table
    before = table_sizes()
    assert run(one, two).refused == 0
    assert table_sizes() == before


def test_a_record_is_followed_by_its_address_into_an_earlier_bundle(run: Run, rows: Rows, tmp_path: Path) -> None:
    whole = of_server("https://one.example/fhir", "Aye", "1950-01-01")
    later = {**whole, "entry": [entry for entry in whole["entry"] if entry["resource"]["resourceType"] == "Condition"]}
    [condition] = later["entry"]
    condition["resource"]["subject"]["reference"] += "/_history/2"
    whole["entry"].remove(condition)
    assert run(put(tmp_path, "whole.json", whole)).refused == 0
    assert run(put(tmp_path, "later.json", later)).refused == 0
    condition["resource"].update(id="2", subject={"reference": "https://two.example/fhir/Patient/1"})
    condition["fullUrl"] = "https://two.example/fhir/Condition/2"
    assert run(put(tmp_path, "other.json", later)).refused == 1
    assert len(rows("SELECT 1 FROM patient_facts WHERE kind = 'CONDITION'")) == 1
