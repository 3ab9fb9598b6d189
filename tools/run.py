"""`make run`: database, migrations, demo clinic, then web and jobs, until Ctrl-C or until one of them ends."""

import os
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
HOST = "127.0.0.1"


def main() -> int:
    """Prepare everything, say where it is, and hand over to honcho."""
    os.chdir(ROOT)
    os.environ.setdefault("CAREAPP_ENV", "development")
    os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    sys.path.insert(0, str(ROOT))
    port = int(os.environ.setdefault("PORT", "8000"))
    if port_taken(port):
        print(f"Port {port} is taken, perhaps by another `make run`. Stop that one, or choose: PORT=8001 make run")
        return 1
    os.environ.setdefault("INTERNAL_TOKENS", f"demo:{internal_token()}")
    keep_database()
    for command in (["db", "upgrade"], ["demo"]):
        subprocess.run([BIN / "flask", "--app", "wsgi", *command], check=True)
    send_demo_events()
    print(f"\n  http://{HOST}:{port}   Ctrl-C stops it.")
    print(f"  Portal routes: curl -H 'X-Internal-Token: {os.environ['INTERNAL_TOKENS'].split(':', 1)[1]}' ", end="")
    print(f"http://{HOST}:{port}/internal/members/PTY-…/episodes\n", flush=True)
    processes = subprocess.Popen([BIN / "honcho", "start"])
    for number in (signal.SIGINT, signal.SIGTERM):  # honcho ends what it started; only then does this end
        signal.signal(number, lambda *_: processes.terminate())
    return processes.wait()


def port_taken(port: int) -> bool:
    """Whether something listens on the port already."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def internal_token() -> str:
    """The portal's token of this checkout, made once."""
    path = Path(os.environ.get("CAREAPP_VAR", "var")) / "internal_token.secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text()


def send_demo_events() -> None:
    """Send the thousands of events a new demo clinic begins with; without a broker, to a file instead of the screen."""
    place = Path(os.environ.get("CAREAPP_VAR", "var")) / "demo-events.log"
    with place.open("a") as log:
        subprocess.run([BIN / "flask", "--app", "wsgi", "outbox", "drain"], check=True, stdout=log, stderr=log)


def keep_database() -> None:
    """Hold the embedded PostgreSQL for as long as this process lives, unless another database is named."""
    from careapp import config, localdb

    settings = config.load()
    if not settings.database_url:
        localdb.lease(settings.var_dir / "postgres")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
    except subprocess.CalledProcessError as error:
        sys.exit(f"`{' '.join(map(str, error.cmd))}` failed; its message stands above.")
