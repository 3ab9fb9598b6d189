"""Text that means something to SQL, LIKE, regular expressions, tsquery, format strings, drivers or terminals."""

import gzip
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from urllib.parse import quote, urlencode

from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from werkzeug.test import TestResponse

from careapp.db import db
from careapp.paging import encode_cursor

SIGNS = "'\";--/*$$:name%(x)s{}%s{0}\\%_*/)('||"  # whatever text reaches a statement as text breaks it by this
LISTS = (("clinics",), ("providers", None, None, None), ("episodes", {}), ("patients", {}), ("staff", None))
KEYS = (
    (SIGNS, 1), ("2026-01-01T00:00:00+00:00", 2**62), ("%", "%"), ("0001-01-01T00:00:00+23:59", 1), (1,), (1, 1),
    (SIGNS, SIGNS),
)  # fmt: skip
WILDCARDS = (
    "%", "_", "%ere%", "H_re", "He%", "\\", "*", "H.re", "[H]ere", "Here:*", "!Here", "Here | Zq", "' OR ''='",
)  # fmt: skip
IN_TURN = (
    "%", "a\x00b", "a\ud800", "9" * 30,
    "'", '"', "`", "\\", "\\'", "';--", "' OR '1'='1", "' OR 1=1 --", "x' UNION SELECT * FROM care.patients --",
    "1; SELECT pg_sleep(9)", "'||pg_sleep(9)||'", "1) OR (1=1", "$$", "$1", "$1$", "/*", "*/", ":name", "%s", "%(x)s",
    "%n", "{}", "{0.__class__}", "{{7*7}}", "${x}", "＇", "’", "%%%", "_", "*", "(?:", "(a+)+$", "&|!<->", "\x00",
    "\udc00a", "\u202e", "\u200f", "\ufeff", "\n", "\r\nX: y", "\x1b[2J", "\x7f", "-1", "0", "1e309", "NaN", "-0",
    "0x1F", "٣", "true", "null", "[]", "infinity", "epoch", "now", "2026-02-31", "9999-12-31", "0000-00-00",
    "x" * 10_000,
    "-9223372036854775809", "2147483648", "../../etc/passwd", "%00", "%27", "%2527", "PTY-2026-000001'--",
    "EPI-2026-9" + "9" * 20, "PTY-2026-000001\x00",
    *(encode_cursor(of, *keys) for of, keys in zip(cycle(LISTS), KEYS)),
)  # fmt: skip
LOCATOR = re.compile(r"[A-Z]{3}-\d{4}-\d{6,}")
LEAKS = ("psycopg", "sqlalchemy", "syntax error", "Traceback (most", "invalid input syntax", "SELECT care")
FAULTS = ("ProgrammingError", "DataError", "InternalError", "NotSupportedError", "InterfaceError")
_turn = cycle(IN_TURN)


def some(wanted: int) -> list[str]:
    """What goes everywhere, and the next few of all others in turn, so that each comes to many places of each kind.

    With ATTACKS=all (for a night), everything goes everywhere.
    """
    return [SIGNS, *(IN_TURN if os.environ.get("ATTACKS") == "all" else islice(_turn, wanted))]


def encoded(**parameters: str) -> str:
    """Parameters as an address or a form holds them, half characters included."""
    return urlencode(parameters, errors="surrogatepass")


def in_path(rule: str, value: str) -> str:
    """The rule's address with the value in place of what varies."""
    return re.sub(r"<[^>]+>", quote(value, safe="", errors="surrogatepass"), rule)


def in_header(value: str) -> str | None:
    """The value as a client can send it in a header; None for one that no server lets through."""
    if any(sign in value for sign in "\x00\r\n"):
        return None
    return value.encode("utf-8", "surrogatepass").decode("latin-1")


def said(answer: TestResponse) -> str:
    """The answer as text, unpacked: `*` in Accept-Encoding asks for gzip too."""
    return gzip.decompress(answer.data).decode() if answer.content_encoding == "gzip" else answer.text


def fine(answer: TestResponse, *where: object) -> None:
    """No fault, and nothing of the inside."""
    assert answer.status_code < 500, (*where, answer.status)
    text = said(answer) if answer.mimetype.startswith(("text/", "application/json", "application/problem")) else ""
    assert not [word for word in LEAKS if word in text], (*where, answer.status)


def shown(answer: TestResponse, sent: str = "") -> int:
    """How many things an answer names, but for those that were sent; 0 for one that is no list of ours."""
    if answer.mimetype == "application/pdf":
        return 0
    return len(set(LOCATOR.findall(said(answer))) - set(LOCATOR.findall(sent)))


@contextmanager
def no_bad_statement() -> Iterator[None]:
    """Fails where the database could not read a statement or a value, even if the application went on.

    What a constraint, a lock or a deadline refuses is no such thing.
    """
    bad: list[str] = []

    def note(context: ExceptionContext) -> None:
        name = type(context.original_exception).__name__
        if context.sqlalchemy_exception is not None and type(context.sqlalchemy_exception).__name__ in FAULTS:
            bad.append(f"{name}: {context.statement}")

    event.listen(db.engine, "handle_error", note)
    try:
        yield
    finally:
        event.remove(db.engine, "handle_error", note)
    assert bad == []
