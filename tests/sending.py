"""What a test sees go to the server past the driver: each entry is waited for once, whatever is sent in it."""

from typing import Any

import pytest

from careapp.prepared import Prepared

Sent = list[list[bytes]]


def watched(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The words of what is sent from now on, those that are sent at once together."""
    seen: Sent = []
    each, one, said = Prepared.ask_each, Prepared.ask, Prepared.say

    def ask_each(self: Prepared, asked: Any, *, before: Any = tuple, after: Any = tuple) -> Any:
        told: list[bytes] = []

        def first() -> Any:
            told.extend(words := before())
            return words

        def last() -> Any:
            seen.append([*told, *(words for words, _ in asked), *(words := after())])
            return words

        return each(self, asked, before=first, after=last)

    def ask(self: Prepared, words: bytes, values: Any) -> Any:
        seen.append([words])
        return one(self, words, values)

    def say(self: Prepared, words: bytes) -> None:
        seen.append([words])
        said(self, words)

    monkeypatch.setattr(Prepared, "ask_each", ask_each)
    monkeypatch.setattr(Prepared, "ask", ask)
    monkeypatch.setattr(Prepared, "say", say)
    return seen
