"""A PostgreSQL of the suite's own, with fsync on, on a small file system of its own where one can be mounted."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from careapp.localdb.addresses import Addresses, libpq_url
from careapp.localdb.bootstrap import bootstrap
from careapp.localdb.errors import LocalDatabaseError
from careapp.localdb.place import Place
from careapp.localdb.server import Server

DATABASE = "care_chaos"
DISK_MIB = 420
RESTART_SECONDS = 60.0


class Postgres:
    """The server: started, ended in each of PostgreSQL's ways, frozen, and its disk filled.

    `mounted` says whether the disk is its own: only root can mount one, and only then can it be filled.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.mounted = False
        self._place = Place.at(directory)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._mount()
        os.environ.pop("CAREAPP_LOCALDB_OPTIONS", None)  # tests turn fsync off with it
        try:
            self.start()
            bootstrap(Addresses.on_socket(self._place.sockets).superuser, database=DATABASE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGINT)
        if self.mounted:
            subprocess.run(["umount", "--lazy", self.directory], check=False)
            self.mounted = False

    @property
    def addresses(self) -> Addresses:
        """Addresses by the Unix socket, past every proxy."""
        return Addresses.on_socket(self._place.sockets, DATABASE)

    @property
    def superuser(self) -> str:
        """The superuser's address of the suite's database, as psycopg reads it."""
        return libpq_url(self.addresses.superuser).replace("/postgres?", f"/{DATABASE}?")

    @property
    def socket(self) -> Path:
        """The socket the proxy leads to."""
        return self._place.sockets / ".s.PGSQL.5432"

    @property
    def alive(self) -> bool:
        """Whether the server's first process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and return when it takes connections. Only the main thread may: the server ends with its starter."""
        server = Server(self._place)
        server.options = ["-c", "max_connections=100", "-c", "max_wal_size=96MB", "-c", "min_wal_size=32MB"]
        with (self.directory / "server.log").open("ab") as log, Redirected(log.fileno()):
            server.prepare()
            self._process = server.start(not_ours=server.stop_orphan())

    def stop(self, number: signal.Signals) -> None:
        """End it: SIGINT in order but at once, SIGQUIT without a checkpoint, SIGKILL as a crash."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(RESTART_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def restart(self, number: signal.Signals) -> None:
        """Stop and start."""
        self.stop(number)
        self.start()

    def keep_running(self) -> None:
        """Start it anew where it has ended by itself, as a supervisor would, until it stays."""
        deadline = time.monotonic() + RESTART_SECONDS
        while not self.alive and time.monotonic() < deadline:
            with suppress(LocalDatabaseError):
                self.start()

    def fill_disk(self) -> None:
        """Take every free block of its disk."""
        size = 32 << 20
        with (self.directory / "ballast").open("ab") as ballast:
            while size >= 4096:
                try:
                    os.posix_fallocate(ballast.fileno(), ballast.seek(0, os.SEEK_END), size)
                except OSError:
                    size //= 2

    def free_disk(self) -> None:
        """Give the blocks back."""
        (self.directory / "ballast").unlink(missing_ok=True)

    def _mount(self) -> None:
        """A file system in a file; where it cannot be mounted, the plain directory, emptied."""
        image = self.directory.with_suffix(".disk")
        shutil.rmtree(self.directory)
        self.directory.mkdir()
        if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
            return
        image.unlink(missing_ok=True)
        with image.open("wb") as file:
            file.truncate(DISK_MIB << 20)
        made = subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=False, capture_output=True)
        if made.returncode == 0:
            done = subprocess.run(["mount", "-o", "loop", image, self.directory], check=False, capture_output=True)
            self.mounted = done.returncode == 0


class Redirected:
    """Inside, what this process's children say goes to the file of that descriptor: the server takes over ours."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._kept: list[int] = []

    def __enter__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._kept = [os.dup(1), os.dup(2)]
        os.dup2(self._target, 1)
        os.dup2(self._target, 2)

    def __exit__(self, *_: object) -> None:
        for number, kept in zip((1, 2), self._kept, strict=True):
            os.dup2(kept, number)
            os.close(kept)
