"""The command itself: what it prints, how it ends; and the real Synthea sample, where one is at hand."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from apiflask import APIFlask
from click.testing import Result

from careapp.cli.import_fhir import import_fhir
from careapp.imports.report import Outcome, Report
from tests.conftest import TestTenant
from tests.imports.build import History

SYNTHEA = os.environ.get("CAREAPP_SYNTHEA")


@pytest.fixture
def flask_import(app: APIFlask, tenant: TestTenant) -> Callable[..., Result]:
    """flask_import(path, …) runs the command for this test's tenant."""
    runner = app.test_cli_runner()
    return lambda *words: runner.invoke(import_fhir, [*map(str, words), "--tenant", tenant.key])


def test_it_prints_a_line_for_each_note_and_a_table(flask_import: Callable[..., Result], tmp_path: Path) -> None:
    history = History()
    practitioner = history.records["practitioner"]["id"]
    result = flask_import(history.write(tmp_path, "one.json"))
    assert result.exit_code == 0
    assert f"one.json\tPractitioner\t{practitioner}\tcreated, with remark\tNPI\t580\t" in result.stdout
    [header, *lines] = [line.split() for line in result.stdout.split("\n\n")[-1].strip().splitlines()]
    assert " ".join(header) == "type created already there refused not imported with remark"
    assert ["Patient", "1", "0", "0", "0", "0"] in lines
    assert lines[-1] == ["Observation", "0", "0", "0", "1", "0"]


def test_it_ends_with_1_where_something_was_refused(flask_import: Callable[..., Result], tmp_path: Path) -> None:
    history = History()
    history.records["condition"]["onsetDateTime"] = "a\nlong\ttime ago"
    result = flask_import(history.write(tmp_path))
    assert result.exit_code == 1
    assert "refused\tDATE\ta\\u000along\\u0009time ago\tonsetDateTime is no date." in result.stdout
    assert "1 refused, each with its reason above" in result.stdout


def test_a_dry_run_says_so(flask_import: Callable[..., Result], tmp_path: Path) -> None:
    result = flask_import(History().write(tmp_path), "--dry-run")
    assert (result.exit_code, "nothing was stored" in result.stdout) == (0, True)
    (tmp_path / "broken.json").write_text("{")
    assert "all others would be in." in flask_import(tmp_path, "--dry-run").stdout


def test_off_a_terminal_it_says_now_and_then_how_far_it_is(flask_import: Callable[..., Result], tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.json").write_text(json.dumps(History().bundle()))
    assert "10 documents read" in flask_import(tmp_path).stderr


def test_an_unknown_tenant_is_named(app: APIFlask, tmp_path: Path) -> None:
    path = History().write(tmp_path)
    result = app.test_cli_runner().invoke(import_fhir, [str(path), "--tenant", "nobody"])
    assert result.exit_code == 1
    assert "There is no tenant nobody." in result.output


@pytest.mark.skipif(
    not SYNTHEA, reason="CAREAPP_SYNTHEA names no Synthea sample: the import of real data is NOT tested"
)
def test_the_synthea_sample_comes_in_whole_and_once(
    run: Callable[..., Report], rows: Callable[[str], list[object]], table_sizes: Callable[[], dict[str, int]]
) -> None:
    """40 patients, 6,649 entries; CAREAPP_SYNTHEA names the archive or a directory of its bundles."""
    sample = Path(SYNTHEA or "")
    report = run(sample)
    created = {kind: counts[Outcome.CREATED] for kind, counts in report.outcomes.items() if counts[Outcome.CREATED]}
    assert created == {
        "Organization": 37, "Practitioner": 37, "Patient": 40, "Encounter": 596, "Condition": 202,
        "AllergyIntolerance": 17, "MedicationRequest": 131,
    }  # fmt: skip
    assert sum(sum(counts.values()) for counts in report.outcomes.values()) == 6649
    assert (report.refused, report.remarks["Practitioner"]) == (0, 37)
    care_types = rows("SELECT care_type, count(*) FROM episodes GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in care_types] == [("GP", 566), ("SPECIALIST", 4), ("URGENT_CARE", 26)]
    assert len(rows("SELECT 1 FROM patients WHERE given = ARRAY['María Luisa']")) == 1
    assert len(rows("SELECT 1 FROM patients WHERE deceased_at IS NOT NULL")) == 2
    before = table_sizes()
    assert run(sample).noted == []
    assert table_sizes() == before
