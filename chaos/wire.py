"""One connection of a client, and what is wrong with an answer that came over it."""

import http.client
import json
import re
from typing import Any

PATIENCE = 30.0  # seconds for one answer; more than the application ever takes, so what is hit is a violation
HOST = "127.0.0.1"
AGAIN = frozenset({429, 503})
TRACE = re.compile(rb"Traceback|psycopg|sqlalchemy", re.I)


class Wire:
    """One kept-alive connection, made anew when it is lost."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, Any, bytes]:
        """Send and read the whole answer. Raises OSError or HTTPException where none comes."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(HOST, self._port, timeout=PATIENCE)
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self) -> None:
        """Forget the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def said(status: int, headers: Any, body: bytes) -> tuple[str, str]:
    """The code of a refusal, and what is wrong with the way it was said."""
    if status < 400:
        return "", ""
    if headers.get("Content-Type") != "application/problem+json":
        return "", "is no problem document"
    try:
        code = str(json.loads(body)["code"])
    except (ValueError, KeyError):
        return "", "is no readable problem document"
    waits = status in AGAIN or code == "BUSY"
    if waits and not headers.get("Retry-After"):
        return code, "says not when to try again"
    return code, "shows its insides" if TRACE.search(body) else ""


def wrong_page(body: bytes) -> str:
    """What is wrong with a page, whatever its status."""
    return "shows its insides" if TRACE.search(body) else ""
