"""A crowd: many acts that begin at the same moment, each in a thread and an application context of its own."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy.engine import ExceptionContext

from careapp.commands import DEADLOCK
from careapp.errors import Refusal

PATIENCE = 60  # seconds after which a thread that hangs fails the test
MOMENT = 1  # seconds: longer than anything here takes that need not wait for somebody


class Crowd:
    """Runs acts at once; what each returned, or the refusal it ended in, comes back in the order given.

    `deadlocks` counts those the database had to break, which a retry hides from whoever called.
    """

    def __init__(self, app: APIFlask) -> None:
        self.app = app
        self.deadlocks = 0

    def notice(self, context: ExceptionContext) -> None:
        """Count a deadlock among the database's errors."""
        self.deadlocks += getattr(context.original_exception, "sqlstate", None) == DEADLOCK

    def __call__(self, acts: Sequence[Callable[[], Any]]) -> list[Any]:
        """Run all acts; an error that is no refusal is a fault, and is raised."""
        outcomes: list[Any] = [None] * len(acts)
        faults: list[BaseException] = []
        start = threading.Barrier(len(acts))

        def run(place: int) -> None:
            with self.app.app_context():
                start.wait(PATIENCE)
                try:
                    outcomes[place] = acts[place]()
                except Refusal as refusal:
                    outcomes[place] = refusal
                except BaseException as fault:
                    faults.append(fault)

        threads = [threading.Thread(target=run, args=(place,), daemon=True) for place in range(len(acts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
        if faults:
            raise faults[0]
        return outcomes


class Meanwhile:
    """Holds whoever has come through a function until another has acted, or for a moment where that one has to wait: so
    a race that is lost once in a thousand times is run as it is lost.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> None:
        self._reached, self._acted, function = threading.Event(), threading.Event(), getattr(where, name)

        def held(*args: Any, **kwargs: Any) -> Any:
            answer = function(*args, **kwargs)
            if not self._reached.is_set():
                self._reached.set()
                self._acted.wait(MOMENT)
            return answer

        monkeypatch.setattr(where, name, held)

    def do(self, act: Callable[[], Any]) -> Callable[[], Any]:
        """The act, done while the first one is held there."""

        def acting() -> Any:
            assert self._reached.wait(PATIENCE)
            try:
                return act()
            finally:
                self._acted.set()

        return acting


def refused(outcomes: Sequence[Any]) -> list[str]:
    """The codes of the refusals among outcomes."""
    return [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)]


def done(outcomes: Sequence[Any]) -> list[Any]:
    """What those returned that were not refused."""
    return [outcome for outcome in outcomes if not isinstance(outcome, Refusal)]
