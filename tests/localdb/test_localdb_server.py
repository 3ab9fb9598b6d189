"""The embedded server when those who use or guard it are killed: it always ends, and committed data stays."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from careapp.localdb import Addresses, LocalDatabaseError, lease, libpq_url, locks, stop
from careapp.localdb.place import Place
from careapp.localdb.server import OPTIONS_VARIABLE, Server, programs

from .helpers import PROJECT, Holder, alive, wait_for

OWNER_ONLY = 0o700
StartHolder = Callable[..., Holder]


def guard_of(place: Place) -> int:
    return int(place.guard_lock.read_text())


def postmaster_of(place: Place) -> int:
    return int(place.postmaster_file.read_text().splitlines()[0])


def cluster_state(place: Place) -> str:
    """What PostgreSQL wrote about its last end: `shut down` only after a clean one."""
    command = [str(programs() / "pg_controldata"), str(place.data)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("Database cluster state"))


def write(place: Place) -> None:
    with psycopg.connect(libpq_url(Addresses.on_socket(place.sockets).owner)) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('kept')")


def read(place: Place) -> list[tuple[str]]:
    with psycopg.connect(libpq_url(Addresses.on_socket(place.sockets).app)) as connection:
        return connection.execute("SELECT word FROM kept").fetchall()


def test_two_processes_share_a_server_that_stops_cleanly_after_both_are_killed(
    place: Place, holder: StartHolder
) -> None:
    first = holder(place.directory)
    address = first.line()
    postmaster = postmaster_of(place)
    second = holder(place.directory)
    assert second.line() == address
    assert postmaster_of(place) == postmaster
    write(place)

    first.kill()
    assert read(place) == [("kept",)]
    second.kill()

    wait_for(lambda: not alive(postmaster), "the end of the server")
    wait_for(lambda: not locks.is_held(place.guard_lock), "the end of the guard")
    assert cluster_state(place) == "shut down"


def test_a_killed_guard_leaves_no_server_and_the_next_lease_finds_the_data(place: Place, holder: StartHolder) -> None:
    holder(place.directory).line()
    postmaster = postmaster_of(place)
    write(place)

    os.kill(guard_of(place), signal.SIGKILL)

    wait_for(lambda: not alive(postmaster), "the end of the server without its guard")
    holder(place.directory).line()
    assert postmaster_of(place) != postmaster
    assert read(place) == [("kept",)]


def test_calling_again_brings_a_stopped_server_back(place: Place) -> None:
    addresses = lease(place.directory)
    write(place)
    os.kill(guard_of(place), signal.SIGKILL)
    wait_for(lambda: not locks.is_held(place.ready_lock), "the end of the guard")

    assert lease(place.directory) == addresses
    assert read(place) == [("kept",)]


def test_killing_guard_and_server_together_loses_nothing(place: Place, holder: StartHolder) -> None:
    holder(place.directory).line()
    write(place)
    postmaster = postmaster_of(place)
    os.kill(guard_of(place), signal.SIGKILL)
    os.kill(postmaster, signal.SIGKILL)

    holder(place.directory).line()

    assert read(place) == [("kept",)]


def test_a_server_left_running_by_a_lost_guard_is_replaced(place: Place, holder: StartHolder) -> None:
    holder(place.directory).line()
    write(place)
    stop(place.directory)
    left = Server(place).start(not_ours=None)  # what a killed guard leaves where the kernel cannot help

    holder(place.directory).line()

    assert left.wait() == 0
    assert postmaster_of(place) != left.pid
    assert read(place) == [("kept",)]


@pytest.mark.parametrize("way", ["signal", "command"])
def test_asked_to_stop_it_stops_cleanly_though_in_use(place: Place, holder: StartHolder, way: str) -> None:
    holder(place.directory).line()
    if way == "signal":
        os.kill(guard_of(place), signal.SIGTERM)
        wait_for(lambda: not locks.is_held(place.guard_lock), "the end of the guard")
    else:
        command = [sys.executable, "-m", "careapp.localdb", "stop", str(place.directory)]
        subprocess.run(command, cwd=PROJECT, check=True)
    assert not place.postmaster_file.exists()
    assert cluster_state(place) == "shut down"


def test_a_forked_child_keeps_the_server_for_its_killed_parent(place: Place, holder: StartHolder) -> None:
    parent = holder(place.directory, "fork")
    child = int(parent.line())
    parent.line()
    try:
        parent.process.send_signal(signal.SIGKILL)
        parent.process.wait()
        descriptor = locks.open_lock(place.lease_lock)
        assert not locks.try_exclusive(descriptor)
    finally:
        os.kill(child, signal.SIGKILL)
    wait_for(lambda: locks.try_exclusive(descriptor), "the end of the lease")
    os.close(descriptor)


def test_eight_processes_start_at_once_on_an_empty_directory(place: Place, holder: StartHolder) -> None:
    holders = [holder(place.directory) for _ in range(8)]
    addresses = [one.line() for one in holders]
    assert len(set(addresses)) == 1
    for address in addresses:
        with psycopg.connect(libpq_url(address)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("care_app",)


@pytest.mark.parametrize("name", ["with a space", "with, comma 'quote' and ကို", "long" * 30])
def test_any_path_will_do(room: Path, holder: StartHolder, name: str) -> None:
    address = holder(room / name).line()
    with psycopg.connect(libpq_url(address)) as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("care, public",)
    assert stat.S_IMODE(Place.at(room / name).sockets.stat().st_mode) == OWNER_ONLY


def test_a_stale_number_of_a_stranger_is_neither_believed_nor_killed(place: Place, holder: StartHolder) -> None:
    holder(place.directory).line()
    write(place)
    remains = place.postmaster_file.read_text().splitlines()[1:]
    stop(place.directory)
    # Of the server's own user, whose processes PostgreSQL takes for a rival, and could signal.
    with subprocess.Popen(["sleep", "600"], **Server(place).account.popen_options()) as stranger:
        try:
            place.postmaster_file.write_text("\n".join([str(stranger.pid), *remains]) + "\n")
            place.postmaster_file.chmod(0o600)
            Server(place).account.own(place.postmaster_file)

            holder(place.directory).line()

            assert read(place) == [("kept",)]
            stop(place.directory)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_failed_start_shows_the_end_of_the_log_and_leaves_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OPTIONS_VARIABLE, "-c no_such_setting=1")
    with pytest.raises(LocalDatabaseError, match='unrecognized configuration parameter "no_such_setting"') as raised:
        lease(place.directory)
    assert "DATABASE_URL" in str(raised.value)
    assert not locks.is_held(place.guard_lock)
    assert not place.postmaster_file.exists()


@pytest.mark.skipif(
    os.geteuid() != 0, reason="NOT TESTED: only root hands the server to another user, who may be shut out"
)
def test_a_closed_parent_directory_is_named_and_stays_closed(room: Path) -> None:
    closed = room / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(LocalDatabaseError, match=f"cannot pass '{closed}'"):
        lease(closed / "pg")
    assert stat.S_IMODE(closed.stat().st_mode) == OWNER_ONLY
