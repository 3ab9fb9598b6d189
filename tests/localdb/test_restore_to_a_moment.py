"""The drill of a restore to a moment: a base backup, an archived log, and a mistake that is not in what comes back."""

import subprocess
from pathlib import Path

import psycopg
import pytest

from careapp.audit.verify import Report, reading, verify
from careapp.cli.doctor import walls
from careapp.db import db
from careapp.episodes.queries import get_episode
from careapp.errors import NotFound
from careapp.localdb import lease, libpq_url
from careapp.localdb.account import Account
from careapp.localdb.place import Place
from careapp.localdb.server import OPTIONS_VARIABLE, programs
from careapp.operations.tenants import create_tenant
from tests import factories as make
from tests.audit.sealing import seal
from tests.conftest import TestTenant, everything, make_app
from tests.database import TestDatabase, migrate
from tests.localdb.helpers import wait_for


def base_backup(live: TestDatabase, place: Place) -> None:
    """A copy of the running server, as docs/operations/backup.md says, laid out where another one will run on it."""
    account = Account.for_data(place.data)
    place.directory.mkdir()
    account.own(place.directory)
    address = libpq_url(live.superuser)
    command = [str(programs() / "pg_basebackup"), "-X", "stream", "-c", "fast", "-D", str(place.data), "-d", address]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **account.popen_options())
    assert done.returncode == 0, done.stderr


def recover(place: Place, archive: Path, moment: str) -> None:
    """Tell a copy to come up as the database was at a moment."""
    with (place.data / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"restore_command = 'cp {archive}/%f %p'\nrecovery_target_time = '{moment}'\n")
        settings.write("recovery_target_action = 'promote'\nhot_standby = off\n")  # nobody is let in before it is there
    signal = place.data / "recovery.signal"
    signal.touch()
    Account.for_data(place.data).own(signal)


def archived(live: TestDatabase) -> None:
    """Wait until all that was written so far is in the archive."""
    with psycopg.connect(libpq_url(live.superuser), autocommit=True) as connection:
        [(segment,)] = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn())").fetchall()
        connection.execute("SELECT pg_switch_wal()")

        def there() -> bool:
            return connection.execute(
                "SELECT coalesce(last_archived_wal >= %s, false) FROM pg_stat_archiver", [segment]
            ).fetchall() == [(True,)]

        wait_for(there, f"{segment} in the archive")


def test_what_happened_after_the_moment_is_not_there(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = room / "archive"
    archive.mkdir()
    Account.for_data(room / "live" / "data").own(archive)
    keeping = f"test ! -f {archive}/%f && cp %p {archive}/%f"
    monkeypatch.setenv(OPTIONS_VARIABLE, f"-c fsync=off -c archive_mode=on -c 'archive_command={keeping}'")
    at = lease(room / "live")
    live = TestDatabase("care", at.superuser, at.app, at.owner, at.relay)
    migrate(live.owner)
    app = make_app(live, room / "var")
    try:
        with app.app_context():
            god = everything(TestTenant(create_tenant(live.owner, key="t", name="T", time_zone="UTC"), "t"))
            before = make.an_episode(god).locator
            seal(live.relay, god.tenant_id)
            base_backup(live, Place.at(room / "restored"))
            since = make.an_episode(god).locator
            db.session.remove()
            with psycopg.connect(libpq_url(live.superuser)) as connection:
                [(moment,)] = connection.execute("SELECT clock_timestamp()::text").fetchall()
            mistake = make.an_episode(god).locator
            db.session.remove()
            archived(live)
            db.engine.dispose()
        recover(Place.at(room / "restored"), archive, moment)
        monkeypatch.setenv(OPTIONS_VARIABLE, "-c fsync=off")
        at = lease(room / "restored")
        restored = TestDatabase("care", at.superuser, at.app, at.owner, at.relay)
        with make_app(restored, room / "var").app_context():
            assert [get_episode(god, one).locator for one in (before, since)] == [before, since]
            with pytest.raises(NotFound):
                get_episode(god, mistake)
            make.an_episode(god)
            db.session.remove()
            db.engine.dispose()
        the_log_is_whole(restored, god.tenant_id)
    finally:
        archive.rename(room / "live" / "archive")
        (room / "var").rename(room / "live" / "var")


def the_log_is_whole(restored: TestDatabase, tenant_id: int) -> None:
    """The chain verifies and goes on, and no wall has fallen."""
    seal(restored.relay, tenant_id)
    report = Report("t")
    with reading(restored.relay) as connection:
        assert list(verify(connection, tenant_id, report)) == []
    assert (report.seals, report.waiting) == (2, 0), "sealed once before the backup and once after"
    with psycopg.connect(libpq_url(restored.owner)) as connection:
        assert walls.faults(connection) == []
