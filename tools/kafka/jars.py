"""The Java class path of the broker in pom.xml: resolved by Maven once, then kept under var/kafka/classpath."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
POM = Path(__file__).with_name("pom.xml")
CACHE = ROOT / "var" / "kafka" / "classpath"


class BrokerError(RuntimeError):
    """The broker cannot be started; the message says why and what to do."""


def program(name: str, install: str) -> str:
    """The full path of a program; BrokerError with what to install when this machine does not have it."""
    path = shutil.which(name)
    if path is None:
        raise BrokerError(f"This needs the program `{name}`, which was not found. Install {install}, then try again.")
    return path


def class_path() -> str:
    """The jars of pom.xml as Java wants them (paths joined by the system's separator).

    The first call for a given pom.xml downloads them into Maven's own store; other processes wait for it.
    """
    cached = CACHE / f"{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}.txt"
    with alone(CACHE / "lock"):
        if not _complete(cached):
            _resolve(cached)
        return cached.read_text().strip()


def _complete(cached: Path) -> bool:
    """Whether the kept class path still leads to files: Maven's store may have been emptied since."""
    return cached.exists() and all(Path(jar).exists() for jar in cached.read_text().strip().split(os.pathsep))


def _resolve(cached: Path) -> None:
    maven = program("mvn", "Maven (Debian and Ubuntu: apt install maven)")
    unfinished = cached.with_suffix(".unfinished")
    command = [maven, "-q", "-B", "-f", str(POM), "dependency:build-classpath", f"-Dmdep.outputFile={unfinished}"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        raise BrokerError(f"Maven could not fetch Kafka (is there a network?):\n{outcome.stdout}{outcome.stderr}")
    unfinished.replace(cached)


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold the lock file, so that of several test processes one asks Maven and the others find the answer."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
