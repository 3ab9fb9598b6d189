"""What is built in is written down with hashes, and a known vulnerability ends `make audit` with 1."""

import json
from pathlib import Path

import pytest

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


def test_the_bill_names_every_locked_dependency(place: Path) -> None:
    lines = supply_chain.LOCKED.read_text().splitlines()
    locked = {line.split("==")[0].split("[")[0] for line in lines if "==" in line}
    assert supply_chain.write_bill() == locked


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
