"""Polls answered from memory while somebody writes: whoever asks after a write is not told what was so before it."""

import threading
import time

import pytest

from careapp.access import Actor, Role
from careapp.overviews.board import get_board_mark
from careapp.surface import polls
from tests import factories as make
from tests.races.crowd import Crowd
from tests.web.conftest import HTMX, Desk, signed_in

SCREENS, WRITES = 6, 25


def poll(desk: Desk, seen: str) -> int:
    """How the board's poll of a browser is answered."""
    with desk.app.app_context():
        return desk.client.get("/episodes", headers={**HTMX, "X-Poll": "1", "X-Seen": seen}).status_code


def test_after_a_write_nobody_is_told_that_nothing_is_new(
    god: Actor, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, *others = [signed_in(crowd.app, god, Role.FRONT_DESK) for _ in range(SCREENS + 1)]
    shown, over, late = [get_board_mark(god)], threading.Event(), []
    ask = polls.Question.ask

    def slowly(question: polls.Question, actor: Actor) -> str | None:
        found = ask(question, actor)
        time.sleep(0.003)  # between the database's answer and what is kept of it, a write has time to end
        return found

    monkeypatch.setattr(polls.Question, "ask", slowly)

    def write() -> None:
        try:
            for _ in range(WRITES):
                shown[0] = before = get_board_mark(god)
                assert poll(writer, before) == 204
                make.an_episode(god)
                late.append(poll(writer, before))
        finally:
            over.set()

    def look(desk: Desk) -> int:
        unchanged = 0
        while not over.is_set():
            unchanged += poll(desk, shown[0]) == 204
        return unchanged

    counted = polls.POLLS.labels("memory")._value.get()
    unchanged = crowd([write, *(lambda desk=desk: look(desk) for desk in others)])[1:]
    assert late == [200] * WRITES
    assert all(unchanged), "each screen was told so in between"
    assert polls.POLLS.labels("memory")._value.get() > counted
