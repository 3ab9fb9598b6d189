"""Ports of this machine for the servers that tests start."""

import random
import socket

# Below the ports that Linux (32768 and up) and macOS (49152 and up) hand out to outgoing connections: a client that
# keeps calling a stopped server could otherwise be given the server's own port, and the restart would find it taken.
PORTS = range(20_000, 32_000)


def free_port(besides: int | None = None) -> int:
    """A port of this machine nobody listens on, and not `besides`; never one that outgoing connections are given."""
    return next(port for port in random.sample(PORTS, len(PORTS)) if port != besides and not port_taken(port))


def port_taken(port: int) -> bool:
    """Whether something on this machine listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
