"""Anchors: the newest link of each chain as it is kept outside the database, and reading back what was kept."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Anchor:
    """The newest seal of a tenant's chain at some time: no tail can be cut off behind it unseen."""

    tenant: str
    n: int
    hash: str

    def line(self) -> str:
        """The anchor as a line of text."""
        return f"{self.tenant} {self.n} {self.hash}"


def read_anchors(text: str) -> list[Anchor]:
    """The anchors of a text: lines as `flask audit anchors` prints them, log lines, or events of care.audit.anchored.

    Raises ValueError with the number of a line that is none of these.
    """
    anchors: list[Anchor] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            anchors.append(_from_json(json.loads(line)) if line.lstrip().startswith("{") else _from_words(line.split()))
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"line {number} is no anchor") from None
    return anchors


def _from_words(words: list[str]) -> Anchor:
    tenant, n, sum_ = words
    return _checked(tenant, int(n), sum_)


def _from_json(found: dict[str, Any]) -> Anchor:
    told = found.get("data", found)
    return _checked(str(found["tenant"]), int(told["n"]), str(told["hash"]))


def _checked(tenant: str, n: int, sum_: str) -> Anchor:
    if n < 1 or len(bytes.fromhex(sum_)) != 32:
        raise ValueError("no anchor")
    return Anchor(tenant, n, sum_)
