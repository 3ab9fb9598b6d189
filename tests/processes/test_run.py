"""`make run`: it starts the clinic, says when its port is taken, and ends with all it started."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from careapp import localdb
from tests.conftest import ROOT
from tools.ports import free_port, port_taken

RUN = [sys.executable, str(ROOT / "tools" / "run.py")]


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """An environment with a free port and a place of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")  # two in one place would build the demo at once
    var = ROOT / "var" / "tests" / f"run-{worker}"
    return {**os.environ, "PORT": str(free_port()), "CAREAPP_VAR": str(var), "CAREAPP_ENV": "development"}


@pytest.fixture(scope="module")
def running(settings: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """The application as `make run` starts it."""
    process = subprocess.Popen(
        RUN, env=settings, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        answers(settings, process)
        yield process
    finally:
        stop(process)
        localdb.stop(Path(settings["CAREAPP_VAR"]) / "postgres")


def stop(process: "subprocess.Popen[str]") -> None:
    """End it and all it started, by force if need be: what is left would hold the database, and a pipe of ours."""
    started = descendants(process.pid)
    try:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        for pid in {*started, *descendants(process.pid), process.pid}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()
        raise


def answers(settings: dict[str, str], process: "subprocess.Popen[str]") -> None:
    """Wait until the sign-in page is there."""
    end = time.monotonic() + 240
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{settings['PORT']}/sign-in", timeout=2) as answer:
                assert b"Password" in answer.read()
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    told = process.stdout.read() if process.stdout and process.poll() is not None else "it still runs"
    pytest.fail(f"the application did not start: {told[-2000:]}")


def test_a_second_run_says_that_the_port_is_taken(running: "subprocess.Popen[str]", settings: dict[str, str]) -> None:
    second = subprocess.run(RUN, env=settings, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert "is taken" in second.stdout
    assert running.poll() is None


def test_a_signed_request_is_served_as_it_is_told(running: "subprocess.Popen[str]", settings: dict[str, str]) -> None:
    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=settings, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    told = run("-c", "from tools.run import portal_lines, settings_for_all; print(portal_lines(settings_for_all()))")
    [(program, path, address)] = re.findall(r"python (tools/signed\.py) (\S+) \| curl -H @- (\S+)", told)
    headers = dict(line.split(": ", 1) for line in run(program, path).splitlines())
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as answer:
        assert answer.status == 200
        assert b'"items"' in answer.read()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30)


def test_the_end_of_one_process_ends_all(running: "subprocess.Popen[str]", settings: dict[str, str]) -> None:
    victim = next(pid for pid in descendants(running.pid) if "jobs" in command_of(pid))
    os.kill(victim, signal.SIGKILL)
    running.wait(30)
    assert not port_taken(int(settings["PORT"]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_first_process_ends_all(settings: dict[str, str], number: signal.Signals) -> None:
    process = subprocess.Popen(RUN, env=settings, start_new_session=True, stdout=subprocess.PIPE, text=True)
    try:
        answers(settings, process)
        started = descendants(process.pid)
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        stop(process)
    end = time.monotonic() + 15
    while (left := [pid for pid in started if Path(f"/proc/{pid}").exists()]) and time.monotonic() < end:
        time.sleep(0.2)
    assert [command_of(pid) for pid in left] == []


def test_what_is_told_to_end_while_it_starts_ends() -> None:
    """As with Ctrl-C in the moment between the last line of `make run` and the first of its processes."""
    program = """
from tools.processes import Ending
processes = Ending()
for name in ("web", "jobs"):
    processes.add_process(name, "exec sleep 600")
processes.terminate()
processes.loop()
"""
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout.count("sending SIGTERM") == told.stdout.count("stopped (rc=-15)") == 2


def descendants(pid: int) -> list[int]:
    """The processes a process started, and theirs."""
    children: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has ended since
            children += map(int, path.read_text().split())
    return children + [grandchild for child in children for grandchild in descendants(child)]


def command_of(pid: int) -> str:
    """A process's command line; that of one that has ended is empty."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def test_production_refuses_to_start_without_its_secrets() -> None:
    bare = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    refused = subprocess.run(
        [sys.executable, "-c", "from careapp import create_app; create_app()"],
        env={**bare, "PYTHONPATH": str(ROOT)}, cwd="/", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    assert "SECRET_KEY" in refused.stderr
    assert "Traceback" not in refused.stderr
