"""`make run`: database, migrations, demo clinic, then web and jobs, until Ctrl-C or until one of them ends."""

import os
import secrets
import signal
import socket
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import load_dotenv

if TYPE_CHECKING:
    from careapp.config import Settings

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
HOST = "127.0.0.1"


def main() -> int:
    """Prepare everything, say where it is, and hand over to honcho."""
    os.chdir(ROOT)
    os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    sys.path.insert(0, str(ROOT))
    settings = settings_for_all()
    if port_taken(settings.port):
        print(f"Port {settings.port} is taken, perhaps by another `make run`. Stop it, or choose: PORT=8001 make run")
        return 1
    keep_database(settings)
    for command in (["db", "upgrade"], ["demo"]):
        subprocess.run([BIN / "flask", "--app", "wsgi", *command], check=True)
    send_demo_events(settings)
    print(f"\n  http://{HOST}:{settings.port}   Ctrl-C stops it.")
    print(portal_lines(settings), flush=True)
    # Without `.env`, which is read already: honcho would let it win over the environment.
    honcho = [sys.executable, "-m", "tools.processes", "start", "--env", os.devnull]
    processes = subprocess.Popen(honcho)
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # honcho ends what it started; only then does this end
        signal.signal(number, lambda *_: processes.terminate())
    return processes.wait()


def settings_for_all() -> "Settings":
    """The settings from environment and `.env`, made complete; what is started from here finds them as variables."""
    from careapp import config  # here, because only `main` makes it findable

    os.environ.setdefault("CAREAPP_ENV", "development")
    load_dotenv(Path.cwd() / ".env")
    settings = config.load()
    if not settings.internal_credentials():
        os.environ["INTERNAL_TOKENS"] = f"demo:{kept_secret(settings, 'internal_token')}"
    if not settings.internal_signing_keys():
        os.environ["INTERNAL_KEYS"] = f"demo:local:{kept_secret(settings, 'internal_key')}"
    os.environ["PORT"] = str(settings.port)
    return config.load()


def portal_lines(settings: "Settings") -> str:
    """How to call the portal's routes: with a bare token, and with a signature by a key that stands in no output."""
    path = f"/internal/members/PTY-{date.today().year}-000001/episodes"
    address = f"http://{HOST}:{settings.port}{path}"
    tenant, key_id, _ = settings.internal_signing_keys()[0]
    return (
        f"  Portal routes: curl -H 'X-Internal-Token: {settings.internal_credentials()[0][1]}' {address}\n"
        f"  Signed, with the key {key_id} of tenant {tenant}:"
        f" .venv/bin/python tools/signed.py {path} | curl -H @- {address}\n"
        f"  Its secret, where INTERNAL_KEYS names no other: {settings.var_dir / 'internal_key.secret'}\n"
    )


def port_taken(port: int) -> bool:
    """Whether something listens on the port already."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def kept_secret(settings: "Settings", name: str) -> str:
    """A secret between the portal and us on this checkout, made once."""
    path = settings.var_dir / f"{name}.secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text()


def send_demo_events(settings: "Settings") -> None:
    """Send the thousands of events a new demo clinic begins with; without a broker, to a file instead of the screen."""
    with (settings.var_dir / "demo-events.log").open("a") as log:
        subprocess.run([BIN / "flask", "--app", "wsgi", "outbox", "drain"], check=True, stdout=log, stderr=log)


def keep_database(settings: "Settings") -> None:
    """Hold the embedded PostgreSQL for as long as this process lives, unless another database is named."""
    from careapp import localdb

    if not settings.database_url:
        localdb.lease(settings.var_dir / "postgres")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
    except subprocess.CalledProcessError as error:
        sys.exit(f"`{' '.join(map(str, error.cmd))}` failed; its message stands above.")
