"""The history of a run: every request a client meant to make, each try of it, and what came of it."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

DONE, REFUSED, UNKNOWN = "done", "refused", "unknown"


@dataclass
class Try:
    """One request on the wire. `status` 0: no answer came, so nobody knows whether it was carried out.

    `fault` says what was wrong with the answer itself: no problem document, no Retry-After, a stack trace. `request`
    is the number the application gave the request, by which its log knows it.
    """

    at: float
    seconds: float
    status: int
    code: str = ""
    fault: str = ""
    request: str = ""


@dataclass
class Intent:
    """What a client wanted done once. Its number travels in the request's text, so the stored thing names it."""

    number: str
    tenant: str
    kind: str
    method: str
    path: str
    body: dict[str, Any]
    key: str = ""
    tries: list[Try] = field(default_factory=list)
    outcome: str = UNKNOWN
    answer: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """What /readyz answered at a moment; 0 where nobody answered."""

    at: float
    status: int
    seconds: float


@dataclass
class Injected:
    """One fault of a run: when it began and ended, and how the application came through it (seconds)."""

    name: str
    began: float
    ended: float = 0.0
    went_red: bool = False
    must_go_red: bool = False
    in_order: bool = False  # a process was asked to end, which drops nothing that it has accepted
    told_within: float = 0.0  # seconds in which everybody is answered meanwhile; 0: no rule of its own
    books_within: float = 0.0  # the same, of bookings alone
    recovered_after: float | None = None
    refused: int = 0
    unanswered: int = 0
    done: int = 0


def keep(path: Path, intents: Iterable[Intent]) -> None:
    """Write the history, one line an intent."""
    with path.open("w") as file:
        for intent in intents:
            file.write(json.dumps(asdict(intent)) + "\n")
