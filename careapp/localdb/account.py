"""The system user the server runs as. PostgreSQL refuses to run as root, so root hands it to an unprivileged user."""

from __future__ import annotations

import ctypes
import os
import pwd
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from careapp.localdb.errors import LocalDatabaseError

PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Prints the first directory or file on the way to its arguments that the user may not pass through or run.
FIND_BARRIER = 'for path; do [ -x "$path" ] || { printf %s "$path"; exit 1; }; done'


@dataclass(frozen=True)
class Account:
    """A system user by number; `switch` says whether programs must be handed over to it."""

    user: int
    group: int
    switch: bool

    @classmethod
    def for_data(cls, data: Path) -> Account:
        """Who runs the server on this data directory.

        Ourselves, unless we are root: then the owner of an existing data directory, else `postgres`, else `nobody`.
        Raises LocalDatabaseError when the data belongs to another user and we are not root.
        """
        owner = data.stat() if data.exists() else None
        if os.geteuid() != 0:
            if owner is not None and owner.st_uid != os.geteuid():
                raise LocalDatabaseError(
                    f"{data} belongs to user {owner.st_uid} and this is user {os.geteuid()}. Run as that user, or"
                    f" remove {data.parent} to begin with an empty database."
                )
            return cls(os.geteuid(), os.getegid(), switch=False)
        if owner is not None and owner.st_uid != 0:
            return cls(owner.st_uid, owner.st_gid, switch=True)
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid, switch=True)
        raise LocalDatabaseError(
            "PostgreSQL does not run as root, and this system has neither a user `postgres` nor `nobody` to run it as."
            " Run as an ordinary user, or set DATABASE_URL to use another PostgreSQL."
        )

    def own(self, path: Path) -> None:
        """Give a file or directory of ours to this user."""
        if self.switch:
            os.chown(path, self.user, self.group)

    def popen_options(self) -> dict[str, Any]:
        """Arguments for `subprocess` that run a program as this user, with no other groups."""
        options: dict[str, Any] = {"cwd": "/"}  # a directory that every user may enter
        if self.switch:
            options |= {"user": self.user, "group": self.group, "extra_groups": []}
        return options

    def check_reaches(self, *targets: Path) -> None:
        """Raise LocalDatabaseError naming what keeps this user from the targets; permissions are left as they are."""
        if not self.switch:
            return
        steps = [str(step) for target in targets for step in [*reversed(target.parents), target]]
        checked = subprocess.run(
            ["/bin/sh", "-c", FIND_BARRIER, "sh", *steps],
            **self.popen_options(),
            capture_output=True,
            text=True,
            check=False,
        )
        if checked.returncode != 0:
            raise LocalDatabaseError(
                f"As root, PostgreSQL is run as the system user {self.user}, who cannot pass {checked.stdout!r}. Run as"
                " an ordinary user, move the database or the program to a directory open to all, or allow passing with:"
                f" chmod o+x {shlex.quote(checked.stdout)}"
            )


def ends_with_parent(signal_number: signal.Signals) -> Callable[[], None] | None:
    """A `preexec_fn` by which the kernel sends the child this signal when its parent dies (Linux only, else None).

    It runs after the change of user, which would undo the arrangement.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def arrange() -> None:
        if libc.prctl(PR_SET_PDEATHSIG, int(signal_number)) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
        if os.getppid() != parent:  # it died before the arrangement stood
            os._exit(1)

    return arrange
