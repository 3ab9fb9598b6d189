"""Names of the files of one embedded PostgreSQL."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

# A socket's whole path must stay below 104 bytes (macOS; Linux allows 108); "/.s.PGSQL.5432" takes 14 of them.
LONGEST_SOCKET_DIRECTORY = 88
# libpq splits a host at commas, and PostgreSQL its list of socket directories at commas and quotes.
PLAIN_PATH = re.compile(r"[A-Za-z0-9_/. -]+")


@dataclass(frozen=True)
class Place:
    """The directory of one embedded PostgreSQL; everything in it belongs to this package."""

    directory: Path

    @classmethod
    def at(cls, directory: Path) -> Place:
        """The place in `directory`, by its real path, so that every way to name it means the same server."""
        return cls(Path(os.path.realpath(directory)))

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.directory / "data"

    @property
    def postmaster_file(self) -> Path:
        """PostgreSQL's own note of its running server: the process's number in line 1, its state in line 8."""
        return self.data / "postmaster.pid"

    @property
    def log(self) -> Path:
        """What the guard and the server say; the run before is kept beside it with `.1` added."""
        return self.directory / "server.log"

    @property
    def lease_lock(self) -> Path:
        """Held shared by every process that uses the server."""
        return self.directory / "lease.lock"

    @property
    def start_lock(self) -> Path:
        """Held by the one process that starts or stops the guard."""
        return self.directory / "start.lock"

    @property
    def guard_lock(self) -> Path:
        """Held by the guard as long as it lives; the file holds the number of its process, for people to read."""
        return self.directory / "guard.lock"

    @property
    def ready_lock(self) -> Path:
        """Held by the guard while the server takes connections and the database is set up."""
        return self.directory / "ready.lock"

    @property
    def stop_request(self) -> Path:
        """Asks the guard to stop by existing: no process is ever signalled by a number read from a file of ours."""
        return self.directory / "stop.request"

    @property
    def sockets(self) -> Path:
        """The directory of the Unix socket: inside the place, or under /tmp where the path is too long or unusual."""
        inside = self.directory / "socket"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_DIRECTORY and PLAIN_PATH.fullmatch(str(inside)):
            return inside
        # Not the directory of TMPDIR: processes with different environments must find the same one.
        return Path("/tmp") / f"careapp-{hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]}"

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the log, for an error message."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
