"""Keys fetched over real HTTP from a server that hangs, fails, lies, is stopped and comes back."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from careapp.errors import Unauthenticated, Upstream
from careapp.surface import jwks
from careapp.surface.jwks import FRESH, KEPT, LARGEST_SET, PAUSE, KeySet
from tools.ports import free_port

SERVER = Path(__file__).with_name("keys_server.py")
PATIENCE_SECONDS = 60  # for what must happen at some time; nothing is measured with it
MOODS = ["error", "garbage", "deep", "empty", "huge", "redirect", "stopped", "hang"]


class Provider:
    """A process that serves keys, and the key set that fetches from it with a clock the test moves."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.now = folder, free_port(), 0.0
        self.behind: list[Callable[[], None]] = []
        self.publish("first")
        self.mood("good")
        self.start()
        self.keys = KeySet(self.fetch, clock=lambda: self.now, background=self.behind.append)

    def start(self) -> None:
        (self.folder / "asked").write_text("")
        self.process = subprocess.Popen([sys.executable, str(SERVER), str(self.port), str(self.folder)])
        wait_until(self.answers)

    def answers(self) -> bool:
        assert self.process.poll() is None, "it has ended"
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/ready", timeout=PATIENCE_SECONDS).status_code == 204
        except httpx.TransportError:
            return False

    def fetch(self) -> dict[str, Any]:
        """The document by address; one that never comes has the time it has in use, others a stalled machine's."""
        hangs = (self.folder / "mood").read_text() == "hang"
        return jwks._fetched(f"http://127.0.0.1:{self.port}/keys", jwks.TIMEOUT if hangs else PATIENCE_SECONDS)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def mood(self, mood: str) -> None:
        (self.folder / "mood").write_text(mood)

    def fail(self, mood: str) -> None:
        if mood == "stopped":
            self.stop()
        else:
            self.mood(mood)

    def mend(self) -> None:
        self.mood("good")
        if self.process.poll() is not None:
            self.start()

    def publish(self, *kids: str) -> None:
        own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
        waiting = self.folder / f"new.{os.getpid()}"
        waiting.write_text(json.dumps({"keys": [{**own, "kid": kid, "use": "sig"} for kid in kids]}))
        waiting.rename(self.folder / "jwks.json")

    def fetches(self) -> list[str]:
        return (self.folder / "asked").read_text().split()

    def refresh(self) -> None:
        """Do what the request left to be done behind it."""
        while self.behind:
            self.behind.pop()()


KEY = rsa.generate_private_key(65537, 2048)


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    made = Provider(tmp_path)
    yield made
    made.stop()


@pytest.mark.parametrize("mood", MOODS)
def test_good_tokens_outlive_an_outage_by_a_day_and_it_recovers_by_itself(provider: Provider, mood: str) -> None:
    assert provider.keys.key("first").key_id == "first"
    provider.fail(mood)
    for hour in range(24):
        provider.now = hour * 3600.0 + 60
        for _ in range(20):
            assert provider.keys.key("first")
        if hour < 3:
            provider.refresh()
        provider.behind.clear()
    provider.now = KEPT + 1.0
    with pytest.raises(Upstream):
        provider.keys.key("first")
    provider.mend()
    provider.now += PAUSE
    assert provider.keys.key("first")


@pytest.mark.parametrize("mood", MOODS)
def test_an_unknown_key_is_refused_and_starts_no_storm(provider: Provider, mood: str) -> None:
    provider.keys.key("first")
    provider.fail(mood)
    before, provider.now = len(provider.fetches()), PAUSE + 1.0
    for number in range(100):
        with pytest.raises(Unauthenticated):
            provider.keys.key(f"unknown-{number}")
    assert len(provider.fetches()) - before <= 1
    assert provider.keys.key("first"), "and the good ones go on"
    assert "/elsewhere" not in provider.fetches(), "no redirect is followed"


@pytest.mark.parametrize("mood", MOODS)
def test_without_any_key_yet_nobody_gets_in(provider: Provider, mood: str) -> None:
    provider.fail(mood)
    for _ in range(20):
        with pytest.raises(Upstream):
            provider.keys.key("first")
    assert len(provider.fetches()) <= 1
    provider.mend()
    provider.now += PAUSE
    assert provider.keys.key("first")


def test_a_crowd_of_requests_fetches_once(provider: Provider) -> None:
    found: list[Any] = []
    crowd = [threading.Thread(target=lambda: found.append(provider.keys.key("first"))) for _ in range(20)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join(PATIENCE_SECONDS)
    assert len(found) == 20
    assert provider.fetches() == ["/keys"]


def test_a_key_published_since_is_found_and_a_withdrawn_one_goes(provider: Provider) -> None:
    provider.keys.key("first")
    provider.publish("first", "second")
    provider.now = PAUSE + 1.0
    assert provider.keys.key("second")
    provider.publish("second")
    provider.now += FRESH + 1.0
    assert provider.keys.key("second")
    provider.refresh()
    provider.now += PAUSE
    with pytest.raises(Unauthenticated):
        provider.keys.key("first")


def test_a_set_of_a_sensible_size_is_enough() -> None:
    assert 64 * 1024 <= LARGEST_SET <= 1024 * 1024
