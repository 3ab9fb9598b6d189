"""The circuit breaker: when it opens, that one probe passes when half open, and that calls run side by side."""

import threading

import pytest

from careapp.errors import Upstream
from careapp.upstream import FAILURES_TO_OPEN, PAUSE, Breaker


class Broken(Exception):
    """What a failing call raises."""


class Clock:
    """Seconds a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(Broken), breaker.guard():
            raise Broken


def work(breaker: Breaker) -> None:
    with breaker.guard():
        pass


def opened() -> tuple[Breaker, Clock]:
    clock = Clock()
    breaker = Breaker(clock=clock)
    fail(breaker, FAILURES_TO_OPEN)
    return breaker, clock


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(clock=Clock())
    fail(breaker, FAILURES_TO_OPEN - 1)
    work(breaker)
    fail(breaker, FAILURES_TO_OPEN - 1)
    assert not breaker.open
    fail(breaker)
    assert breaker.open


def test_an_open_one_calls_nobody() -> None:
    breaker, clock = opened()
    clock.now = PAUSE - 0.1
    called = []
    with pytest.raises(Upstream), breaker.guard():
        called.append(True)
    assert called == []


def test_a_probe_that_works_closes_it() -> None:
    breaker, clock = opened()
    clock.now = PAUSE
    work(breaker)
    assert not breaker.open
    fail(breaker, FAILURES_TO_OPEN - 1)
    assert not breaker.open, "it counts from nought"


def test_a_probe_that_fails_opens_it_for_another_pause() -> None:
    breaker, clock = opened()
    clock.now = PAUSE
    fail(breaker)
    clock.now = 2 * PAUSE - 0.1
    with pytest.raises(Upstream):
        work(breaker)
    clock.now = 2 * PAUSE
    work(breaker)
    assert not breaker.open


def test_only_one_of_many_threads_is_the_probe() -> None:
    breaker, clock = opened()
    clock.now = PAUSE
    ready, leave = threading.Barrier(9), threading.Event()
    passed: list[int] = []
    refused: list[int] = []

    def call(number: int) -> None:
        ready.wait()
        try:
            with breaker.guard():
                passed.append(number)
                leave.wait(10)
        except Upstream:
            refused.append(number)
            if len(refused) == 7:
                leave.set()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    ready.wait()
    for thread in threads:
        thread.join()
    assert (len(passed), len(refused)) == (1, 7)
    assert not breaker.open


def test_calls_run_side_by_side() -> None:
    breaker = Breaker(clock=Clock())
    inside = threading.Barrier(8)  # broken unless all eight stand inside at once

    def call() -> None:
        with breaker.guard():
            inside.wait(10)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not inside.broken


def test_a_call_from_before_it_opened_does_not_close_it() -> None:
    breaker = Breaker(clock=Clock())
    with breaker.guard():
        fail(breaker, FAILURES_TO_OPEN)
    assert breaker.open
