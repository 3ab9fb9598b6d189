"""File locks of the kernel (flock): they end with the process that holds them, however it ends, so none is ever stale.

A forked child shares its parent's lock until both have closed it. Nothing here is inherited by another program.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from careapp.localdb.errors import LocalDatabaseError


def open_lock(path: Path) -> int:
    """Open the lock file, made when missing, and return its descriptor, on which nothing is locked yet."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise LocalDatabaseError(
            f"{path} belongs to another user. Run as that user, or remove {path.parent} to begin with an empty"
            " database."
        ) from error


def take(path: Path, *, shared: bool = False) -> int:
    """Wait for the lock; it is held until the returned descriptor is closed."""
    descriptor = open_lock(path)
    fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    return descriptor


def try_exclusive(descriptor: int) -> bool:
    """Take the lock of an open lock file if nobody holds it; never wait."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def release(descriptor: int) -> None:
    """Give the lock back and keep the file open."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_held(path: Path) -> bool:
    """Whether some process holds the lock exclusively."""
    descriptor = open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock for the length of a `with` block, after waiting for it."""
    descriptor = take(path)
    try:
        yield
    finally:
        os.close(descriptor)
