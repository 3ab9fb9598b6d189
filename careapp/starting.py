"""Starting web: what would stop each worker is looked at once, before there is any, and said in a sentence.

`python -m careapp.starting granian --host … --port … wsgi:app` looks, and becomes that server. A server that
is started otherwise finds the same, but for the port, in each of its workers. Nothing heavy is imported: all this comes
on top of how long a start takes.
"""

import errno
import os
import socket
import sys

import psycopg

from careapp import config
from careapp.identity import known_passwords
from careapp.localdb import libpq_url
from careapp.operations.serving_role import UnsafeDatabase, refuse_unsafe

CONNECT_SECONDS = 5


def main(command: list[str]) -> None:
    """Look, and become the server. Raises SystemExit with what is wrong and what to do."""
    settings = config.load()
    known_passwords.use_file(settings.breached_passwords_file)
    host, port = (command[command.index(option) + 1] for option in ("--host", "--port"))
    refuse_taken(host, int(port))
    for name in ("database_url", "database_replica_url"):
        if address := getattr(settings, name):
            _refuse_role(name.upper(), address)
    os.execvp(command[0], command)


def refuse_taken(host: str, port: int) -> None:
    """Raise SystemExit where nobody can listen on this port now. One that was left a moment ago can be had."""
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            said = f"port {port} on {host} is taken; end what listens there, or set PORT to another"
        else:
            said = f"port {port} on {host} cannot be had ({error.strerror}); set PORT or HOST to others"
        raise SystemExit(f"careapp does not start: {said}.") from None


def _refuse_role(name: str, address: str) -> None:
    """Raise SystemExit for a role that must not serve. A database that does not answer may be back in a minute."""
    try:
        at = libpq_url(address)  # of a server without an encoding, names would come as bytes
        with psycopg.connect(at, connect_timeout=CONNECT_SECONDS, client_encoding="utf8") as connection:
            refuse_unsafe(connection)
    except UnsafeDatabase as error:
        raise SystemExit(f"careapp does not start: {name}: {error}.") from None
    except (ValueError, psycopg.ProgrammingError):
        raise SystemExit(
            f"careapp does not start: {name} is no address such as postgresql://care_app@db/care."
        ) from None  # without the text, which may quote a password
    except psycopg.OperationalError:
        return  # each worker says so, and checks its first connection


if __name__ == "__main__":
    main(sys.argv[1:])
