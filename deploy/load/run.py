"""`make load`: run the plan for a bounded time against a server that may be loaded, with credentials made for it.

Against any machine but this one it has to be told so: a load test of somebody else's server is an attack on it.
"""

import argparse
import ipaddress
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
LOCUST = ROOT / ".venv-load" / "bin" / "locust"
LONGEST = 3600  # seconds
DEMO = {
    "LOAD_FRONT_DESK": "frontdesk@demo.clinic", "LOAD_CLINICIAN": "clinician@demo.clinic",
    "LOAD_PASSWORD": "careapp demo clinic",
}  # fmt: skip
NEEDED = (*DEMO, "LOAD_TOKEN", "LOAD_INTERNAL_KEY")


def main(arguments: list[str]) -> int:
    """Read what is asked for, refuse what must not be, and hand over to locust."""
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("--host", default="http://127.0.0.1:8000")
    parser.add_argument("--users", type=int, default=24)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--this-is-my-server", action="store_true", help="load a server that is not on this machine")
    given = parser.parse_args(arguments)
    if not 0 < given.seconds <= LONGEST:
        parser.error(f"--seconds is 1 to {LONGEST}")
    if not (is_here(given.host) or given.this_is_my_server):
        parser.error(f"{given.host} is not this machine; --this-is-my-server (ALLOW=1) says that it may be loaded")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **credentials(is_here(given.host))}
    if missing := [name for name in NEEDED if not environment.get(name)]:
        parser.error(f"set {', '.join(missing)} (docs/operations/load.md)")
    command = [str(LOCUST), "-f", str(Path(__file__).with_name("plan.py")), "--headless", "--only-summary"]
    command += ["--host", given.host.rstrip("/"), "--users", str(given.users), "--spawn-rate", "2"]
    command += ["--run-time", f"{given.seconds}s", "--stop-timeout", "10"]
    return subprocess.run(command, env=environment, check=False).returncode


def is_here(host: str) -> bool:
    """Whether an address is of this machine, by its numbers or the one name that always is."""
    name = urlsplit(host).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def credentials(here: bool) -> dict[str, str]:
    """Those of `make run`'s demo clinic, for a server on this machine, where the environment has no others."""
    if not here:
        return {}
    found = {name: value for name, value in DEMO.items() if not os.environ.get(name)}
    key = Path(os.environ.get("CAREAPP_VAR", ROOT / "var")) / "internal_key.secret"
    if not os.environ.get("LOAD_INTERNAL_KEY") and key.exists():
        found["LOAD_INTERNAL_KEY"] = f"demo:local:{key.read_text()}"
    if not os.environ.get("LOAD_TOKEN"):
        flask = [str(ROOT / ".venv" / "bin" / "flask"), "--app", "wsgi", "token", "--user", DEMO["LOAD_FRONT_DESK"]]
        done = subprocess.run(flask, cwd=ROOT, capture_output=True, text=True, check=False)
        found["LOAD_TOKEN"] = done.stdout.strip()
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
