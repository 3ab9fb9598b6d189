"""kustomize, which builds the manifests: the one in the path, else one made by Go once, kept under var/tools.

`python -m tools.kustomize` makes it, which `make test` does beforehand.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.kafka.jars import alone

ROOT = Path(__file__).resolve().parents[1]
VERSION = "v5.0.3"  # the last one that Debian 12's Go can make; later ones build the same from these files
PLACE = ROOT / "var" / "tools" / f"kustomize-{VERSION}"


class NoKustomize(RuntimeError):
    """There is no kustomize and none can be made; the message says what to install."""


def program() -> str:
    """The path of kustomize; the first call makes it, others wait. Raises NoKustomize."""
    if found := shutil.which("kustomize"):
        return found
    with alone(PLACE / "lock"):
        if not (PLACE / "kustomize").exists():
            _make()
    return str(PLACE / "kustomize")


def build(directory: Path) -> str:
    """The objects of a kustomization as YAML. Raises NoKustomize, or ValueError with what is wrong in it."""
    done = subprocess.run([program(), "build", str(directory)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr)
    return done.stdout


def _make() -> None:
    go = shutil.which("go")
    if go is None:
        raise NoKustomize("there is neither kustomize nor Go to make it with (Debian: apt install golang-go)")
    environment = {**os.environ, "GOBIN": str(PLACE), "GOFLAGS": "-trimpath"}
    command = [go, "install", f"sigs.k8s.io/kustomize/kustomize/v5@{VERSION}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoKustomize(f"Go could not make kustomize (is there a network?):\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    try:
        program()
    except NoKustomize as error:
        sys.exit(str(error))
