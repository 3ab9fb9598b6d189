"""The script of the backup job, run as it stands: a file only when the backup is whole, without the application's keys.

`age` is stood in for: what is tested is the pipe and the file, not the encryption.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.database import TestDatabase
from tests.deploy.rendered import Overlay, main_container

AGE = """#!/bin/sh
test "$1" = -R && grep -q ^age1 "$2" || exit 2
printf age-encryption
exec cat
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where backups go, with one of five weeks and a day ago and an unfinished one, and a program in place of age."""
    for name, days in (("care-old.dump.age", 36), ("care-kept.dump.age", 34), ("care-half.dump.age.unfinished", 0)):
        made = tmp_path / "backups" / name
        made.parent.mkdir(exist_ok=True)
        made.write_text("before")
        at = made.stat().st_mtime - days * 86400 - 60
        os.utime(made, (at, at))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "age").write_text(AGE)
    (tmp_path / "bin" / "age").chmod(0o755)
    (tmp_path / "recipients").mkdir()
    (tmp_path / "recipients" / "recipients.txt").write_text("age1somebody\n")
    return tmp_path


def run(production: Overlay, place: Path, address: str) -> "subprocess.CompletedProcess[str]":
    """The container's command with its variables, on another disk."""
    container = main_container(production.pods()["backup"])
    script = (
        container["command"][-1].replace("/backups", f"{place}/backups").replace("/recipients/", f"{place}/recipients/")
    )
    environment = production.environment(container, {"DATABASE_BACKUP_URL": address})
    path = f"{place / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    plain = {name: os.environ[name] for name in ("HOME", "LANG", "CAREAPP_TEST_SUPERUSER_URL") if name in os.environ}
    return subprocess.run(
        [*container["command"][:-1], script], cwd=ROOT, env={**plain, **environment, "PATH": path}, text=True,
        capture_output=True, check=False,
    )  # fmt: skip


def test_a_backup_is_whole_and_old_ones_go(production: Overlay, place: Path, database: TestDatabase) -> None:
    done = run(production, place, database.app.replace("care_app", "care_backup"))
    assert done.returncode == 0, done.stderr
    kept, new = sorted((place / "backups").iterdir(), reverse=True)
    assert kept.name == "care-kept.dump.age", "35 days are over for one, the unfinished one is gone"
    assert new.read_bytes().startswith(b"age-encryptionPGDMP")
    assert new.stat().st_mode & 0o777 == 0o600


def test_a_failed_one_leaves_nothing_that_looks_like_one(production: Overlay, place: Path) -> None:
    done = run(production, place, "postgresql+psycopg://care_backup@127.0.0.1:9/care")
    assert done.returncode != 0
    assert "There is no backup" in done.stderr
    whole = {one.name for one in (place / "backups").glob("*.age")}
    assert whole == {"care-kept.dump.age", "care-old.dump.age"}, "and no old one goes while no new one came"


def test_without_a_recipient_nothing_is_written(production: Overlay, place: Path, database: TestDatabase) -> None:
    (place / "recipients" / "recipients.txt").write_text("# nobody\n")
    assert run(production, place, database.app.replace("care_app", "care_backup")).returncode != 0
    assert not list((place / "backups").glob("care-20*.age"))
