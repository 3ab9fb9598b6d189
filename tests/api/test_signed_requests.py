"""Signed internal requests: the right one is served once, and anything changed on the way is refused alike."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import delete, text
from werkzeug.test import TestResponse

from careapp import clock
from careapp.access import Actor
from careapp.commands import system_transaction
from careapp.config import Settings
from careapp.db import db
from careapp.identity import nonces
from careapp.identity.models import SignInAttempts
from careapp.signing import HEADERS, KEY, NONCE, SIGNATURE, TIME, signed_headers
from careapp.surface.internal_credentials import CREDENTIALS, HEADER, KEYS, SigningKeys
from tests import factories as make
from tests.api.client import Api, is_problem
from tests.conftest import ROOT, TestTenant, everything
from tests.looking import one

SECRET, SECOND, FOREIGN = (f"{word} secret of more than thirty-two bytes" for word in ("first", "second", "foreign"))
NUMBER = "a-nonce-of-sixteen-or-more"
Send = Callable[..., TestResponse]


@pytest.fixture(autouse=True)
def no_failures_yet(app: APIFlask) -> None:
    """Forget the wrong credentials of other tests: all of them come from one network address."""
    with system_transaction(None):
        db.session.execute(delete(SignInAttempts))


@pytest.fixture
def keys(
    app: APIFlask, tenant: TestTenant, new_tenant: Callable[..., TestTenant], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, tuple[str, str]]]:
    """Two keys of this test's tenant and one of another; a token beside them."""
    held = {"one": (tenant.key, SECRET), "two": (tenant.key, SECOND), "other": (new_tenant().key, FOREIGN)}
    monkeypatch.setitem(app.extensions, KEYS, SigningKeys(held))
    return held


@pytest.fixture
def path(god: Actor) -> str:
    """An address with a query of two parts."""
    return f"/internal/members/{make.an_episode(god).party_locator}/episodes?status=OPEN&limit=5"


@pytest.fixture
def send(app: APIFlask, tenant: TestTenant, keys: dict[str, tuple[str, str]], path: str) -> Send:
    """send(method=…, path=…, body=…, headers={…}, tenant=…, …): signs the right request, sends what is said."""

    def go(
        method: str = "GET", to: str | None = None, body: bytes = b"", headers: dict[str, str | None] | None = None,
        signed: dict[str, Any] | None = None,
    ) -> TestResponse:  # fmt: skip
        right: dict[str, Any] = {"method": "GET", "path_with_query": path, "body": b""}
        right |= {"tenant": tenant.key, "key_id": "one", "secret": SECRET, **(signed or {})}
        sent = signed_headers(**right) | (headers or {})
        client = Api(app, {name: value for name, value in sent.items() if value is not None}, base="")
        return client.raw(method, to or path, body or None)

    return go


def test_a_signed_request_is_served(send: Send, path: str) -> None:
    answer = send()
    assert answer.status_code == 200, answer.text
    assert len(answer.json["items"]) == 1
    assert send(signed={"key_id": "two", "secret": SECOND}).json == answer.json, "the second key of a rotation"
    escaped = path.replace("/members/", "/%6Dembers/")
    assert send(to=escaped).json == answer.json, "the same address, written otherwise"


REFUSED: dict[str, dict[str, Any]] = {
    "another method": {"method": "OPTIONS"},
    "another path": {"to": "/internal/episodes/EPI-2026-000001"},
    "a path with a slash more": {"signed": {"path_with_query": "/internal//members"}},
    "no query": {"signed": {"path_with_query": "WITHOUT"}},
    "another body": {"body": b"{}"},
    "a body that is not sent": {"signed": {"body": b"{}"}},
    "another secret": {"signed": {"secret": SECOND}},
    "another key of the same tenant": {"headers": {KEY: "two"}},
    "another tenant's key": {"headers": {KEY: "other"}},
    "another tenant": {"signed": {"tenant": "other"}},
    "a key nobody has": {"signed": {"key_id": "three"}},
    "an empty key": {"signed": {"key_id": ""}},
    "another nonce": {"headers": {NONCE: NUMBER}},
    "a short nonce": {"signed": {"nonce": "short"}},
    "a nonce of other signs": {"signed": {"nonce": "sixteen letters, or more"}},
    "a long nonce": {"signed": {"nonce": "n" * 65}},
    "another time": {"headers": {TIME: "1"}},
    "a time in words": {"headers": {TIME: "now"}},
    "a time with a sign": {"headers": {TIME: "+1795238400"}},
    "a time in other digits": {"headers": {TIME: "\u0661\u0662"}},
    "no signature": {"headers": {SIGNATURE: ""}},
    "a signature of other signs": {"headers": {SIGNATURE: "\u00fc" * 64}},
    "a signature of zeros": {"headers": {SIGNATURE: "0" * 64}},
    **{f"without {name}": {"headers": {name: None}} for name in HEADERS},
    **{f"only {name}": {"headers": dict.fromkeys(set(HEADERS) - {name})} for name in HEADERS},
}


@pytest.mark.parametrize("change", REFUSED)
def test_whatever_is_changed_is_refused_with_the_same_words(send: Send, god: Actor, path: str, change: str) -> None:
    told = dict(REFUSED[change])
    if told.get("signed", {}).get("path_with_query") == "WITHOUT":
        told["signed"] = {"path_with_query": path.partition("?")[0]}
    refused = is_problem(send(**told), 401, "UNAUTHENTICATED")
    assert refused == is_problem(send(headers={SIGNATURE: "0" * 64}), 401)
    assert one(god, "SELECT count(*) FROM internal_nonces") == 0, "only what is signed rightly uses a nonce"


@pytest.mark.parametrize(
    "query",
    ["limit=5&status=OPEN", "status=OPEN&limit=6", "status=OPEN&limit=5&", "status=OPEN", "status=%4FPEN&limit=5"],
)
def test_the_query_is_signed_sign_by_sign(send: Send, path: str, query: str) -> None:
    is_problem(send(to=f"{path.partition('?')[0]}?{query}"), 401)


@pytest.mark.parametrize(("seconds", "status"), [(-59, 200), (59, 200), (-62, 401), (62, 401), (86400, 401)])
def test_it_is_good_for_a_minute_on_our_clock(send: Send, seconds: int, status: int) -> None:
    with clock.at(now := clock.now()):  # the last second of the minute passes while a machine stalls
        assert send(signed={"now": now + timedelta(seconds=seconds)}).status_code == status


def test_a_request_is_served_once(send: Send, app: APIFlask, tenant: TestTenant, path: str) -> None:
    sent = signed_headers("GET", path, b"", tenant=tenant.key, key_id="one", secret=SECRET)
    client = Api(app, sent, base="")
    assert client.get(path).status_code == 200
    is_problem(client.get(path), 401, "UNAUTHENTICATED")
    assert send(signed={"nonce": sent[NONCE], "key_id": "two", "secret": SECOND}).status_code == 401, "by any key"


def test_of_twenty_copies_at_once_one_is_served(app: APIFlask, keys: Any, tenant: TestTenant, path: str) -> None:
    client = Api(app, signed_headers("GET", path, b"", tenant=tenant.key, key_id="one", secret=SECRET), base="")
    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(lambda _: client.get(path).status_code, range(20)))
    assert sorted(answers) == [200, *[401] * 19]


def test_a_nonce_of_one_tenant_is_free_in_another(
    app: APIFlask, keys: dict[str, tuple[str, str]], send: Send, new_tenant: Callable[..., TestTenant]
) -> None:
    assert send(signed={"nonce": NUMBER}).status_code == 200
    other = new_tenant()
    keys["other"] = (other.key, FOREIGN)
    path = f"/internal/members/{make.an_episode(everything(other)).party_locator}/episodes"
    sent = signed_headers("GET", path, b"", tenant=other.key, key_id="other", secret=FOREIGN, nonce=NUMBER)
    assert Api(app, sent, base="").get(path).status_code == 200


def test_it_reads_the_tenant_of_its_key(send: Send, path: str, keys: dict[str, tuple[str, str]]) -> None:
    foreign = keys["other"][0]
    is_problem(send(signed={"tenant": foreign, "key_id": "other", "secret": FOREIGN}), 404, "NOT_FOUND")


def test_a_bad_signature_is_not_mended_by_a_token(
    app: APIFlask, send: Send, tenant: TestTenant, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.extensions, CREDENTIALS, [(tenant.key, sha256(b"TOKEN").digest())])
    assert Api(app, {HEADER: "TOKEN"}, base="").get(path).status_code == 200
    assert send(headers={HEADER: "TOKEN", SIGNATURE: "0" * 64}).status_code == 401
    held = app.extensions[KEYS]
    monkeypatch.setitem(app.extensions, KEYS, SigningKeys(held.by_id, only=True))
    assert Api(app, {HEADER: "TOKEN"}, base="").get(path).status_code == 401, "INTERNAL_REQUIRE_SIGNED"
    assert send(headers={HEADER: "wrong"}).status_code == 200


def test_old_nonces_go_and_young_ones_stay(send: Send, god: Actor) -> None:
    assert send(signed={"nonce": NUMBER}).status_code == 200
    assert send().status_code == 200
    with system_transaction(god.tenant_id):
        old = text("UPDATE internal_nonces SET seen_at = now() - interval '31 minutes' WHERE nonce = :nonce")
        db.session.execute(old, {"nonce": NUMBER})
    assert nonces.forget_old(god.tenant_id) == 1
    assert one(god, "SELECT count(*) FROM internal_nonces") == 1


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        ("demo:one", "is a list such as"),
        (f"demo::{SECRET}", "is a list such as"),
        (f"demo:one:{SECRET},other:one:{SECOND}", "one id twice"),
        ("demo:one:short", "shorter than 32 bytes"),
    ],
)
def test_bad_keys_stop_the_start(keys: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Settings(_env_file=None, CAREAPP_ENV="development", internal_keys=keys)


def test_signed_only_needs_keys() -> None:
    with pytest.raises(ValueError, match="needs INTERNAL_KEYS"):
        Settings(_env_file=None, CAREAPP_ENV="development", internal_require_signed=True)
    good = Settings(
        _env_file=None, CAREAPP_ENV="development", internal_require_signed=True,
        internal_keys=f"demo:one:{SECRET}, demo:two:{SECOND}:with-a-colon",
    )  # fmt: skip
    assert good.internal_signing_keys() == [("demo", "one", SECRET), ("demo", "two", f"{SECOND}:with-a-colon")]


def test_the_documented_example() -> None:
    """The example of docs/security/api-tokens.md, by which a caller in another language can check himself."""
    sent = signed_headers(
        "GET", "/internal/members/PTY-2026-000001/episodes?status=OPEN", b"", tenant="demo", key_id="portal-1",
        secret="an example secret never used 0123456789", now=datetime(2026, 11, 21, 12, tzinfo=UTC),
        nonce="AAAAAAAAAAAAAAAAAAAAAA",
    )  # fmt: skip
    page = (ROOT / "docs" / "security" / "api-tokens.md").read_text()
    for name, value in sent.items():
        assert f"{name}: {value}" in page
