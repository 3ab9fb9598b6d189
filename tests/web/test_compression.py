"""Pages and files travel compressed to browsers that take it, and stay what they are."""

import gzip

import pytest

from careapp.web.assets import asset
from tests.web.conftest import Desk

GZIP = {"Accept-Encoding": "gzip, br"}


def test_a_page_travels_compressed(front: Desk) -> None:
    answer = front.client.get("/preferences", headers=GZIP)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert b"<h1>" in gzip.decompress(answer.data)


def test_its_length_tells_nothing(front: Desk) -> None:
    lengths = {len(front.client.get("/sign-in", headers=GZIP, follow_redirects=True).data) for _ in range(20)}
    assert len(lengths) > 5


@pytest.mark.parametrize("name", ["app.css", "app.js"])
def test_a_file_travels_compressed_and_is_kept(front: Desk, name: str) -> None:
    with front.app.test_request_context():
        address = asset(name)
    with front.client.get(address) as plain, front.client.get(address, headers=GZIP) as packed:
        assert gzip.decompress(packed.data) == plain.data
        assert len(packed.data) < len(plain.data) / 2
        assert "max-age=31536000" in packed.headers["Cache-Control"]
        kept = {**GZIP, "If-None-Match": packed.headers["ETag"]}
    with front.client.get(address, headers=kept) as again:
        assert again.status_code == 304


def test_a_browser_that_does_not_ask_gets_it_plain(front: Desk) -> None:
    answer = front.client.get("/preferences")
    assert "Content-Encoding" not in answer.headers
