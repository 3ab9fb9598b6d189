"""Where the workers of a server meet: a directory of their own, and nobody else's."""

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
