"""What is built in is written down with hashes, and a known vulnerability ends `make audit` with 1."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools import supply_chain

REQUIREMENTS = supply_chain.ROOT / "requirements"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for the bill that nothing else uses."""
    monkeypatch.setattr(supply_chain, "ROOT", tmp_path)
    monkeypatch.setattr(supply_chain, "BILL", tmp_path / "var" / "sbom.json")
    return tmp_path


def told_by(place: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Put programs in place of the two that are asked: the real one for the bill, an answer of ours for advisories."""
    tools = place / "bin"
    tools.mkdir()
    (tools / "cyclonedx-py").symlink_to(supply_chain.BIN / "cyclonedx-py")
    (tools / "pip-audit").write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    (tools / "pip-audit").chmod(0o755)
    monkeypatch.setattr(supply_chain, "BIN", tools)


@pytest.mark.parametrize("file", ["app.txt", "dev.txt", "confluent.txt", "load.txt"])
def test_every_dependency_is_locked_with_hashes_and_no_index(file: str) -> None:
    text = (REQUIREMENTS / file).read_text()
    lines = text.replace("\\\n", " ").splitlines()
    entries = [line for line in lines if line.strip() and not line.strip().startswith("#")]
    assert len(entries) > (20 if file == "load.txt" else 50)
    for entry in entries:
        assert "==" in entry, entry
        assert "--hash=sha256:" in entry, entry
    assert "://" not in text
    assert "--index-url" not in text


def test_the_bill_names_every_locked_dependency_and_what_is_taken_over(place: Path) -> None:
    locked, vendored = supply_chain.names_in(supply_chain.LOCKED), {"bootstrap", "htmx.org", "idiomorph"}
    assert {"flask", "psycopg", "confluent-kafka"} <= locked
    assert supply_chain.write_bill() == locked | vendored | {"@fontsource/padauk"}
    text = supply_chain.BILL.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    components = json.loads(text)["components"]
    assert {one["name"] for one in components if one["scope"] == "optional"} == {"confluent-kafka"}
    [htmx] = [one for one in components if one["name"] == "htmx.org"]
    served = (supply_chain.TAKEN_OVER / htmx["bom-ref"]).read_bytes()
    assert htmx["purl"] == f"pkg:npm/htmx.org@{htmx['version']}"
    assert htmx["hashes"] == [{"alg": "SHA-384", "content": hashlib.sha384(served).hexdigest()}]
    assert htmx["version"] in htmx["bom-ref"]


@pytest.mark.parametrize("change", ["another content", "not listed", "gone"])
def test_a_file_that_is_not_the_listed_one_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    copy = Path(shutil.copytree(supply_chain.TAKEN_OVER, place / "vendor"))
    monkeypatch.setattr(supply_chain, "TAKEN_OVER", copy)
    assert supply_chain.taken_over()
    [htmx] = copy.glob("htmx-*")
    if change == "another content":
        htmx.write_bytes(htmx.read_bytes() + b" ")
    elif change == "gone":
        htmx.unlink()
    else:
        (copy / "more.min.js").write_text("")
    with pytest.raises(SystemExit, match=r"more\.min\.js" if change == "not listed" else htmx.name):
        supply_chain.taken_over()


def test_one_without_a_hash_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = place / "bare.txt"
    bare.write_text("flask==3.1.3\n")
    monkeypatch.setattr(supply_chain, "LOCKED", bare)
    with pytest.raises(SystemExit, match=r"no hash stands beside flask"):
        supply_chain.write_bill()


def test_a_known_vulnerability_is_named(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = [{"name": "flask", "version": "3.1.3", "vulns": [{"id": "PYSEC-2099-1"}]}, {"name": "babel", "vulns": []}]
    told_by(place, monkeypatch, json.dumps({"dependencies": known}))
    assert supply_chain.main() == 1
    assert "VULNERABLE: flask 3.1.3: PYSEC-2099-1" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["", '{"dependencies": [{"name": "flask", "skip_reason": "not found"}]}'])
def test_what_nobody_could_check_is_said(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    told_by(place, monkeypatch, answer)
    assert supply_chain.main() == 0
    said = capsys.readouterr().out
    assert "NOT CHECKED for advisories" in said
    assert "No advisory names" not in said
    assert "NOT CHECKED here: @fontsource/padauk, bootstrap, htmx.org, idiomorph (npm)" in said
