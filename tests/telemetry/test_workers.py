"""Workers of a server: where they meet, a directory of their own and nobody else's, and when one ends another."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from careapp.telemetry import workers


def test_a_link_somebody_has_laid_leads_nowhere(tmp_path: Path) -> None:
    ours, shared = tmp_path / "ours", tmp_path / "shared"
    (ours / "letters").mkdir(parents=True)
    shared.mkdir()
    (shared / "place").symlink_to(ours, target_is_directory=True)
    with pytest.raises(PermissionError):
        workers._take_place(shared / "place")
    assert (ours / "letters").is_dir(), "what is not of a server is not removed"


def test_a_directory_of_our_own_is_taken(tmp_path: Path) -> None:
    (tmp_path / "place" / "1-1").mkdir(parents=True)
    worker = workers._take_place(tmp_path / "place")
    assert (worker.number, worker.place.parent) == (0, tmp_path / "place")
    assert not (tmp_path / "place" / "1-1").exists(), "what a server left that ended"


def computes(*times: float | None) -> Callable[[int], float | None]:
    """The processor time a worker has used at each look; the last one stays."""
    return lambda look: times[min(look, len(times)) - 1]


@pytest.mark.parametrize(
    ("used", "ended_at"),
    [
        pytest.param(computes(1.0), 7, id="halted as it showed itself"),
        pytest.param(computes(1.0, 1.2), 8, id="halted some time after it showed itself"),
        pytest.param(computes(1.0, None, 1.0), 9, id="halted, and the processor was busy when it was looked at"),
        pytest.param(lambda look: look / 10, 61, id="computes all the time"),
        pytest.param(lambda look: look // 5 / 10, 61, id="computes again and again"),
    ],
)
def test_a_worker_without_a_sign_is_ended_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: Callable[[int], float | None], ended_at: int
) -> None:
    """After 1.5 seconds without using the processor, or after fifteen; looks are a quarter of a second apart."""
    worker, ended, look = workers._take_place(tmp_path / "place"), [], 0
    monkeypatch.setattr(workers, "_processor_time", lambda pid, thread: used(look))
    monkeypatch.setattr(workers.os, "kill", lambda pid, number: ended.append(pid))
    for look in count(1):
        if worker._look_at(1, workers._SHOWN.pack(4711, 4712, 5)):
            break
        assert look < 100
    assert (look, ended) == (ended_at, [4711])


def test_a_worker_that_shows_itself_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = workers._take_place(tmp_path / "place")
    monkeypatch.setattr(workers, "_processor_time", lambda pid, thread: 1.0)
    assert [worker._look_at(1, workers._SHOWN.pack(4711, 4712, look // 5)) for look in range(200)] == [0] * 200
