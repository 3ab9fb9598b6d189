"""Keys of an identity provider that is slow, down, rotating, or being probed with unknown keys."""

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from careapp.errors import Unauthenticated, Upstream
from careapp.surface.jwks import FRESH, KEPT, PAUSE, KeySet


@pytest.fixture(scope="module")
def jwk() -> dict[str, Any]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))


class Provider:
    """An identity provider whose keys and health the test sets, with a clock of its own."""

    def __init__(self, jwk: dict[str, Any]) -> None:
        self.jwk, self.kids, self.down, self.fetches, self.now = jwk, ["first"], False, 0, 0.0
        self.behind: list[Callable[[], None]] = []
        self.keys = KeySet(self.fetch, clock=lambda: self.now, background=self.behind.append)

    def fetch(self) -> dict[str, Any]:
        self.fetches += 1
        if self.down:
            raise jwt.PyJWKClientConnectionError("down")
        return {"keys": [self.jwk | {"kid": kid, "use": "sig"} for kid in self.kids]}


@pytest.fixture
def provider(jwk: dict[str, Any]) -> Provider:
    return Provider(jwk)


def test_keys_are_fetched_once_and_used(provider: Provider) -> None:
    for _ in range(50):
        assert provider.keys.key("first").key_id == "first"
    assert provider.fetches == 1


def test_while_it_is_down_and_was_never_up_nobody_gets_in(provider: Provider) -> None:
    provider.down = True
    for _ in range(20):
        with pytest.raises(Upstream):
            provider.keys.key("first")
    assert provider.fetches == 1
    provider.down, provider.now = False, PAUSE
    assert provider.keys.key("first")


def test_an_outage_does_not_refuse_good_tokens(provider: Provider) -> None:
    provider.keys.key("first")
    provider.down, provider.now = True, FRESH + 1.0
    for _ in range(20):
        assert provider.keys.key("first")
    assert provider.fetches == 1, "the request itself never waits for the provider"
    for refresh in provider.behind:
        refresh()
    assert provider.fetches == 2, "and a failure is followed by a pause"
    provider.now = KEPT + 1.0
    with pytest.raises(Upstream):
        provider.keys.key("first")


def test_a_rotated_key_is_found_and_the_old_one_goes(provider: Provider) -> None:
    provider.keys.key("first")
    provider.kids, provider.now = ["second"], PAUSE
    assert provider.keys.key("second")
    with pytest.raises(Unauthenticated):
        provider.keys.key("first")


def test_unknown_keys_cost_one_fetch_in_thirty_seconds(provider: Provider) -> None:
    provider.keys.key("first")
    provider.now = PAUSE
    for number in range(50):
        with pytest.raises(Unauthenticated):
            provider.keys.key(f"unknown {number}")
    assert provider.fetches == 2


@pytest.mark.parametrize("change", [{"alg": "HS256"}, {"alg": "RS512"}, {"use": "enc"}, {"kid": None}])
def test_keys_for_anything_else_are_not_taken(jwk: dict[str, Any], change: dict[str, Any]) -> None:
    keys = KeySet(lambda: {"keys": [jwk | {"kid": "first"} | change]}, clock=lambda: 0.0)
    with pytest.raises(Upstream):
        keys.key("first")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://keys.example/jwks", "keys.example"])
def test_only_web_addresses_are_asked(url: str) -> None:
    with pytest.raises(ValueError, match="JWT_JWKS_URL"):
        KeySet.at(url)
