"""One bad record never loses the rest: each way a record or a file can be wrong is reported, and the run goes on."""

import gzip
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from careapp.imports import sources
from careapp.imports.report import FILE, Outcome, Report
from tests.imports.build import History, a_bundle, a_patient, an_archive, new_id

Run = Callable[..., Report]
Rows = Callable[[str], list[Any]]

# what is bent: the record's name, the change, the code of the refusal, and the value the line shows
BENT: list[tuple[str, dict[str, Any], str, str]] = [
    ("patient", {"birthDate": "not-a-date"}, "DATE", "not-a-date"),
    ("patient", {"birthDate": "1973-02-30"}, "DATE", "1973-02-30"),
    ("patient", {"birthDate": "2999-01-01"}, "DATE_RANGE", "2999-01-01"),
    ("patient", {"birthDate": 19730801}, "FORM", "19730801"),
    ("patient", {"name": []}, "NAME", ""),
    ("patient", {"name": "María"}, "FORM", "María"),
    ("patient", {"name": [{"family": "Pe\0ña"}]}, "CHARACTERS", "Pe\\u0000ña"),
    ("patient", {"name": [{"family": "Pe\ud800"}]}, "CHARACTERS", "Pe\\ud800"),
    ("patient", {"name": [{"family": "x" * 5000}]}, "TOO_LONG", "x" * 59 + "…"),
    ("patient", {"deceasedDateTime": "0001-01-01T00:00:00+14:00"}, "DATE_RANGE", "0001-01-01T00:00:00+14:00"),
    ("organization", {"name": None}, "NAME", ""),
    ("practitioner", {"name": [{}]}, "NAME", ""),
    ("encounter", {"status": "in-progress"}, "STATUS", "in-progress"),
    ("encounter", {"class": {"code": "VR"}}, "CLASS", "VR"),
    ("encounter", {"subject": {"reference": "urn:uuid:nobody"}}, "REFERENCE", "urn:uuid:nobody"),
    ("encounter", {"subject": None}, "REFERENCE", ""),
    ("encounter", {"period": {"start": "2019-02-23T12:11:31+00:00"}}, "PERIOD", "{'start': "),
    ("encounter", {"period": {"start": "2019-02-23", "end": "2019-02-22"}}, "PERIOD", "2019-02-23 – 2019-02-22"),
    ("encounter", {"period": {"start": "2019-02-23T25:00:00Z", "end": "2019-02-23"}}, "DATE", "2019-02-23T25:00:00Z"),
    ("condition", {"onsetDateTime": "yesterday"}, "DATE", "yesterday"),
    ("condition", {"code": {}}, "CODE", ""),
    ("allergy", {"patient": {"reference": "Patient/../x"}}, "REFERENCE", "Patient/../x"),
    ("allergy", {"verificationStatus": {"coding": [{"code": "entered-in-error"}]}}, "STATUS", "entered-in-error"),
    (
        "medication", {"dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": 10**400}}]}]}, "FORM",
        "1" + "0" * 58 + "…",
    ),
    ("medication", {"requester": {"reference": f"urn:uuid:{new_id()[:8]}"}}, "REFERENCE", ""),
    (
        "medication", {"medicationCodeableConcept": None, "medicationReference": {"reference": "Medication/none"}},
        "MEDICATION", "Medication/none",
    ),
    ("medication", {"status": "draft"}, "STATUS", "draft"),
    ("medication", {"intent": "plan"}, "INTENT", "plan"),
    ("medication", {"doNotPerform": True}, "INTENT", "True"),
    ("medication", {"dosageInstruction": [{"modifierExtension": [{"url": "urn:not"}]}]}, "MODIFIER", "[{'url'"),
    ("condition", {"modifierExtension": [{"url": "urn:of-the-mother", "valueBoolean": True}]}, "MODIFIER", "[{'url'"),
    ("medication", {"authoredOn": None}, "DATE", ""),
    ("medication", {"dosageInstruction": [7]}, "FORM", "[7]"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "code", "value"), BENT, ids=[f"{bent[0]}-{bent[2]}" for bent in BENT])
def test_a_bad_record_is_refused_alone(
    run: Run, rows: Rows, tmp_path: Path, name: str, change: dict[str, Any], code: str, value: str
) -> None:
    bad, good = History(), History()
    bad.records[name].update(change)
    report = run(bad.write(tmp_path, "bad.json"), good.write(tmp_path, "good.json"))
    record = bad.records[name]
    [line] = [line for line in report.noted if line.source_id == record["id"]]
    assert (line.file, line.resource_type, line.outcome) == ("bad.json", record["resourceType"], Outcome.REFUSED)
    assert line.notes[0].code == code
    assert line.notes[0].value.startswith(value)
    assert line.notes[0].why.endswith(".")
    assert len(rows("SELECT 1 FROM patients")) >= 1
    others = [other for other in report.noted if other.outcome is Outcome.REFUSED and other is not line]
    assert all(other.notes[0].code == "REFERENCE" for other in others)  # only what hangs on it
    assert all(other.notes[0].why == f"That {record['resourceType']} was refused." for other in others)


def test_a_prescription_in_another_patients_encounter_is_refused(run: Run, tmp_path: Path) -> None:
    one, other = History(), History()
    run(one.write(tmp_path))
    other.records["medication"]["encounter"] = one.ref("encounter")
    report = run(other.write(tmp_path, "other.json"))
    assert [line.notes[0].why for line in report.noted if line.outcome is Outcome.REFUSED] == [
        "The encounter is another patient's."
    ]


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("patient", {"birthDate": "1973"}, "DATE_PARTIAL"),
        ("patient", {"gender": "divers"}, "GENDER"),
        ("patient", {"deceasedBoolean": True}, "DECEASED"),
        ("patient", {"active": False}, "NOT_IN_USE"),
        ("patient", {"link": [{"other": {"reference": "Patient/2"}, "type": "replaced-by"}]}, "NOT_IN_USE"),
        ("allergy", {"onsetDateTime": "1990-05"}, "DATE_PARTIAL"),
        ("allergy", {"clinicalStatus": {"coding": [{"code": "resolved"}]}}, "ABATED"),
        ("encounter", {"serviceProvider": {"reference": "urn:uuid:gone"}}, "REFERENCE"),
        ("encounter", {"participant": [{"individual": {"reference": "urn:uuid:gone"}}]}, "REFERENCE"),
    ],
)
def test_what_a_record_can_do_without_is_left_out_with_a_remark(
    run: Run, tmp_path: Path, name: str, change: dict[str, Any], code: str
) -> None:
    history = History()
    history.records[name].update(change)
    report = run(history.write(tmp_path))
    [line] = [line for line in report.noted if line.source_id == history.records[name]["id"]]
    assert (line.outcome, line.notes[0].code) == (Outcome.CREATED, code)
    assert report.refused == 0


FILES: list[tuple[str, bytes, str]] = [
    ("empty.json", b"", "JSON"),
    ("half.json", json.dumps(a_bundle(a_patient())).encode()[:-20], "JSON"),
    ("binary.json", b"\xff\xfe\x00\xd8" * 10, "JSON"),
    ("nan.json", b'{"resourceType": NaN}', "JSON"),
    ("deep.json", b"[" * 200_000, "JSON"),
    ("junk.json", os.urandom(10 * 1024 * 1024), "JSON"),
    ("list.json", b"[1, 2]", "NOT_A_BUNDLE"),
    ("patient.json", json.dumps(a_patient()).encode(), "NOT_A_BUNDLE"),
    ("history.json", json.dumps(a_bundle(type="history")).encode(), "BUNDLE_TYPE"),
    ("entry.json", b'{"resourceType": "Bundle", "type": "batch", "entry": {}}', "FORM"),
    ("notes.txt", b"hello", "FILE_TYPE"),
    ("plain.tar.gz", b"no archive at all", "ARCHIVE"),
    ("empty.tar.gz", gzip.compress(b""), "ARCHIVE"),
]


def test_every_bad_file_is_reported_and_the_run_goes_on(run: Run, rows: Rows, tmp_path: Path) -> None:
    paths = []
    for name, content, _ in FILES:
        paths.append(tmp_path / name)
        paths[-1].write_bytes(content)
    report = run(*paths, History().write(tmp_path, "good.json"))
    found = {
        line.file: (line.resource_type, line.notes[0].code) for line in report.noted if line.outcome is Outcome.REFUSED
    }
    assert found == {name: (FILE, code) for name, _, code in FILES}
    [half] = [line.notes[0].why for line in report.noted if line.file == "half.json"]
    assert re.fullmatch(r"This is no JSON document: it goes wrong in line 1, character \d+\.", half)
    assert len(rows("SELECT 1 FROM patients")) == 1


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (7, "ENTRY"),
        ({}, "ENTRY"),
        ({"resource": {"resourceType": "Patient"}}, "ID"),
        ({"resource": {"resourceType": "Patient", "id": "../../x"}}, "ID"),
        ({"resource": {"id": "1"}}, "ENTRY"),
        ({"resource": a_patient(), "request": {"method": "DELETE"}}, "METHOD"),
        ({"resource": a_patient(), "request": 5}, "METHOD"),
    ],
)
def test_an_entry_that_is_no_record_is_reported(run: Run, tmp_path: Path, entry: object, code: str) -> None:
    bundle = History().bundle()
    bundle["entry"].insert(2, entry)
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(bundle))
    report = run(path)
    refused = [line for line in report.noted if line.outcome is Outcome.REFUSED]
    assert [(line.source_id, line.notes[0].code) for line in refused] == [("entry[2]", code)]
    assert report.outcomes["Patient"] == {Outcome.CREATED: 1}


def test_a_record_that_stands_twice_in_a_bundle_comes_in_once(run: Run, tmp_path: Path) -> None:
    history = History()
    history.records["again"] = history.records["patient"]
    assert run(history.write(tmp_path)).outcomes["Patient"] == {Outcome.CREATED: 1, Outcome.ALREADY_THERE: 1}


def test_a_truncated_archive_gives_what_stands_before_the_break(run: Run, rows: Rows, tmp_path: Path) -> None:
    members = {f"{number}.json": json.dumps(History().bundle()).encode() for number in range(3)}
    whole = an_archive(tmp_path / "whole.tar.gz", {**members, "noise.bin": os.urandom(200_000)})
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole.read_bytes()[:-100_000])
    report = run(cut)
    assert [(line.file, line.notes[0].code) for line in report.noted if line.resource_type == FILE] == [
        ("cut.tar.gz", "ARCHIVE")
    ]
    assert len(rows("SELECT 1 FROM patients")) == 3
    assert run(whole).refused == 0


def test_where_nothing_is_to_be_read_it_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "bulk.ndjson").write_text("{}")
    archive = an_archive(tmp_path / "other.tgz", {"bulk.ndjson": b"{}"})
    report = run(tmp_path / "nothing", archive)
    assert [(line.file, line.outcome, line.notes[0].code) for line in report.noted] == [
        ("nothing", Outcome.REFUSED, "NOTHING"), ("other.tgz", Outcome.REFUSED, "NOTHING"),
    ]  # fmt: skip


def test_an_ending_in_capitals_is_the_same(run: Run, tmp_path: Path) -> None:
    History().write(tmp_path, "ONE.JSON")
    an_archive(tmp_path / "MORE.TAR.GZ", {"TWO.JSON": json.dumps(History().bundle()).encode()})
    assert run(tmp_path).outcomes["Patient"] == {Outcome.CREATED: 2}


def test_a_member_too_large_is_reported(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LARGEST", 20_000)
    good = json.dumps(History().bundle()).encode()
    path = an_archive(tmp_path / "a.tar.gz", {"large.json": b" " * 20_001, "good.json": good, "LICENSE": b"text"})
    report = run(path)
    assert [(line.file, line.notes[0].code) for line in report.noted if line.resource_type == FILE] == [
        ("large.json", "TOO_LARGE")
    ]
    assert report.outcomes["Patient"] == {Outcome.CREATED: 1}
