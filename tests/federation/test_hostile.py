"""A provider, or somebody in its name, that sends what it must not: each is refused, and nobody is signed in."""

import hashlib
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from careapp import localdb
from careapp.surface.oidc import way
from careapp.surface.oidc.provider import Provider
from tests.conftest import TestTenant
from tests.database import TestDatabase
from tests.federation.conftest import CALLBACK, Browser
from tests.federation.provider import (
    HostileProvider,
    ec_key,
    other_key,
    rsa_key,
    signed_with_the_public_key,
    unsigned,
)
from tests.looking import one

Sign = Callable[[HostileProvider], Callable[[dict[str, Any]], str]]

UNFINISHED = "This sign-in could not be finished"
DOWN = "The identity provider does not answer at the moment."

LATER = int(time.time()) + 86400  # much later than these tests run, however long others take before them

WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "somebody-else"},
    "no audience": {"aud": None},
    "an audience beside us": {"aud": ["careapp", "somebody-else"], "azp": "careapp"},
    "meant for another client": {"azp": "somebody-else"},
    "another nonce": {"nonce": "of another sign-in"},
    "no nonce": {"nonce": None},
    "a nonce that is no text": {"nonce": 7},
    "expired": {"exp": int(time.time()) - 60},
    "never expires": {"exp": None},
    "expiry as a text": {"exp": str(LATER)},
    "from the future": {"iat": LATER},
    "from yesterday": {"iat": int(time.time()) - 86400},
    "no time": {"iat": None},
    "not yet": {"nbf": LATER},
    "wrong at_hash": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "at_hash that is no text": {"at_hash": 7},
    "nobody": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject with a NUL": {"sub": "a\0b"},
    "a subject that is a number": {"sub": 7},
    "an endless subject": {"sub": "x" * 300},
    "a logout token": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
}

WRONG_SIGNATURES: dict[str, Sign] = {
    "alg none": lambda idp: unsigned,
    "HS256 with the public key": lambda idp: signed_with_the_public_key,
    "another key under our kid": lambda idp: lambda said: idp.sign(said, key=other_key()),
    "an unknown kid": lambda idp: lambda said: idp.sign(said, kid="unheard"),
    "the EC key's kid": lambda idp: lambda said: idp.sign(said, kid="second"),
    "an algorithm that is not fixed": lambda idp: lambda said: idp.sign(said, algorithm="RS512"),
    "a PS256 key used for RS256": lambda idp: lambda said: idp.sign(said, kid="third"),
    "crit": lambda idp: lambda said: idp.sign(said, crit=["x"], x=1),
    "typ of an access token": lambda idp: lambda said: idp.sign(said, typ="at+jwt"),
    "typ of a logout token": lambda idp: lambda said: idp.sign(said, typ="logout+jwt"),
    "cut short": lambda idp: lambda said: idp.sign(said)[:-8],
    "one letter changed": lambda idp: lambda said: idp.sign(said).replace(".", ".e", 1),
    "no token": lambda idp: lambda said: "",
    "not a token": lambda idp: lambda said: "<html>",
    "an endless token": lambda idp: lambda said: idp.sign(said | {"more": "x" * 20_000}),
}


def refused(browser: Browser, answer: Any, status: int = 400, why: str = UNFINISHED) -> None:
    assert answer.status_code == status, answer.text
    assert why in answer.text
    assert 'href="/sign-in/oidc' in answer.text, "the page offers another try"
    assert not browser.signed_in


@pytest.mark.parametrize("wrong", WRONG_CLAIMS)
def test_a_claim_that_does_not_hold(browser: Browser, wrong: str) -> None:
    refused(browser, browser.sign_in(**WRONG_CLAIMS[wrong]))


@pytest.mark.parametrize("wrong", WRONG_SIGNATURES)
def test_a_signature_that_does_not_hold(browser: Browser, idp: HostileProvider, wrong: str) -> None:
    refused(browser, browser.sign_in(sign=WRONG_SIGNATURES[wrong](idp)))


@pytest.mark.parametrize(
    ("algorithm", "kid", "key"), [("RS256", "first", rsa_key), ("ES256", "second", ec_key), ("PS256", "third", rsa_key)]
)
def test_each_fixed_algorithm_is_good(
    browser: Browser, idp: HostileProvider, algorithm: str, kid: str, key: Callable[[], Any]
) -> None:
    answer = browser.sign_in(sign=lambda said: idp.sign(said, key(), algorithm, kid))
    assert answer.status_code == 303
    assert browser.signed_in


def test_a_state_is_good_once_and_only_in_its_browser(
    browser: Browser, new_browser: Callable[[], Browser], idp: HostileProvider
) -> None:
    sent = browser.start()
    thief = new_browser()
    refused(thief, thief.back(sent, idp.approve(sent)))
    assert browser.back(sent, idp.approve(sent)).status_code == 303
    browser.post("/sign-out")
    refused(browser, browser.back(sent, idp.approve(sent)))


def test_a_nonce_is_taken_once_even_where_the_cookie_was_kept(browser: Browser, idp: HostileProvider) -> None:
    sent = browser.start()
    kept = browser.client.get_cookie("oidc")
    assert kept
    browser.back(sent, idp.approve(sent))
    browser.client.delete_cookie("session")
    browser.client.set_cookie("oidc", kept.value)
    refused(browser, browser.back(sent, idp.approve(sent)), 403, "This sign-in was used already. Start again.")


@pytest.mark.parametrize(("seconds", "in_time"), [(590, True), (602, False)])
def test_a_state_ends_after_ten_minutes(
    browser: Browser, idp: HostileProvider, monkeypatch: pytest.MonkeyPatch, seconds: int, in_time: bool
) -> None:
    sent, began = browser.start(), time.time()
    later = SimpleNamespace(
        time=lambda: began + seconds
    )  # for the started sign-ins alone: tokens have times of their own
    monkeypatch.setattr("careapp.surface.oidc.started.time", later)
    answer = browser.back(sent, idp.approve(sent))
    if in_time:
        assert answer.status_code == 303
        assert browser.signed_in
    else:
        refused(browser, answer)


def test_a_code_of_another_sign_in_does_not_pass(
    browser: Browser, new_browser: Callable[[], Browser], idp: HostileProvider
) -> None:
    victim = new_browser()
    stolen = idp.approve(victim.start())
    refused(browser, browser.back(browser.start(), stolen))


def test_the_cookie_holds_no_secret_of_the_sign_in(browser: Browser) -> None:
    sent = browser.start()
    kept = browser.client.get_cookie("oidc")
    assert kept
    assert kept.http_only
    assert kept.same_site == "Lax"
    body = kept.value.partition(".")[0]
    text = urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
    assert sent["state"] in text
    assert sent["nonce"] not in text
    for word in text.replace('"', ",").split(","):
        challenge = urlsafe_b64encode(hashlib.sha256(word.encode()).digest()).rstrip(b"=").decode()
        assert challenge != sent["code_challenge"]


def test_tabs_stand_side_by_side(browser: Browser, idp: HostileProvider) -> None:
    first, second = browser.start("/sign-in/oidc?next=/today"), browser.start("/sign-in/oidc?next=/episodes")
    assert browser.back(first, idp.approve(first)).headers["Location"] == "/today"
    assert browser.back(second, idp.approve(second)).headers["Location"] == "/episodes"


def test_an_answer_of_another_provider_is_refused(browser: Browser, idp: HostileProvider) -> None:
    sent = browser.start()
    refused(browser, browser.back(sent, idp.approve(sent), iss="https://evil.example"))
    sent = browser.start()
    assert browser.back(sent, idp.approve(sent), iss=idp.url).status_code == 303


def test_a_provider_that_names_itself_has_to(browser: Browser, idp: HostileProvider) -> None:
    idp.discovery = {"authorization_response_iss_parameter_supported": True}
    sent = browser.start()
    refused(browser, browser.back(sent, idp.approve(sent)))
    sent = browser.start()
    assert browser.back(sent, idp.approve(sent), iss=idp.url).status_code == 303


@pytest.mark.parametrize(
    "query",
    [
        "", "state=", "code=x", "state=unheard&code=x", "state=a&state=b&code=x", "state=%00",
        "state=%ED%A0%BD&code=x", "state=" + "x" * 5000,
    ],
)  # fmt: skip
def test_answers_that_are_none(browser: Browser, query: str) -> None:
    browser.start()
    refused(browser, browser.get(f"{CALLBACK}?{query}"))


def test_a_doubled_code_is_refused(browser: Browser, idp: HostileProvider) -> None:
    sent = browser.start()
    refused(browser, browser.get(f"{CALLBACK}?state={sent['state']}&code={idp.approve(sent)}&code=x"))


def test_what_the_provider_says_of_a_refusal_is_not_repeated(browser: Browser) -> None:
    sent = browser.start()
    said = {"state": sent["state"], "error": "access_denied", "error_description": "Call +95 1 234567 <b>now</b>"}
    answer = browser.get(CALLBACK, query_string=said)
    refused(browser, answer, 403, "Clinic ID did not sign you in.")
    assert "234567" not in answer.text


def _redirect(idp: HostileProvider, form: dict[str, str]) -> Any:
    return 307, {"Location": f"{idp.url}/elsewhere"}, b""


def _huge(idp: HostileProvider, form: dict[str, str]) -> Any:
    return 200, {"Content-Type": "application/json"}, b'{"id_token": "' + b"x" * 1_000_000 + b'"}'


def _deep(idp: HostileProvider, form: dict[str, str]) -> Any:
    return 200, {"Content-Type": "application/json"}, b"[" * 100_000


def _page(idp: HostileProvider, form: dict[str, str]) -> Any:
    return 200, {"Content-Type": "text/html"}, b"<html>Sign in to the hotel's network</html>"


def _list(idp: HostileProvider, form: dict[str, str]) -> Any:
    return 200, {"Content-Type": "application/json"}, b"[]"


def _fault(idp: HostileProvider, form: dict[str, str]) -> Any:
    return 500, {}, b"fault"


def _nothing(idp: HostileProvider, form: dict[str, str]) -> Any:
    return 200, {"Content-Type": "application/json"}, b"{}"


def _half(idp: HostileProvider, form: dict[str, str]) -> Any:
    return 200, {"Content-Type": "application/json", "Content-Length": "500"}, b"{"


TOKEN_ANSWERS = [
    (_redirect, 400), (_huge, 503), (_deep, 400), (_page, 400), (_list, 400), (_fault, 503), (_nothing, 400),
    (_half, 503),
]  # fmt: skip


@pytest.mark.parametrize(("said", "status"), TOKEN_ANSWERS, ids=lambda one: getattr(one, "__name__", str(one)))
def test_a_token_endpoint_that_misbehaves(browser: Browser, idp: HostileProvider, said: Any, status: int) -> None:
    idp.special["/token"] = said
    answer = browser.sign_in()
    refused(browser, answer, status, DOWN if status == 503 else UNFINISHED)
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert "/elsewhere" not in idp.asked


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys"])
@pytest.mark.parametrize("said", [_redirect, _huge, _deep, _page, _list, _fault, _nothing, _half])
def test_what_is_published_misbehaves(browser: Browser, idp: HostileProvider, path: str, said: Any) -> None:
    idp.special[path] = said
    answer = browser.sign_in() if path == "/keys" else browser.get("/sign-in/oidc")
    refused(browser, answer, 503, "at the moment")
    assert "/elsewhere" not in idp.asked


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"}, {"issuer": None}, {"token_endpoint": None}, {"token_endpoint": 7},
        {"authorization_endpoint": "javascript:alert(1)"}, {"jwks_uri": "file:///etc/passwd"},
        {"end_session_endpoint": "javascript:alert(1)"},
    ],
)  # fmt: skip
def test_a_document_that_does_not_hold(browser: Browser, idp: HostileProvider, document: dict[str, Any]) -> None:
    idp.discovery = document
    refused(browser, browser.get("/sign-in/oidc"), 503, DOWN)


def test_a_token_endpoint_that_never_answers_holds_no_transaction(
    browser: Browser, idp: HostileProvider, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(way, "WHOLE", 5.0)
    open_ones: list[int] = []
    started = time.monotonic()

    def hang(_: HostileProvider, form: dict[str, str]) -> Any:
        open_ones.append(open_transactions(database))
        while time.monotonic() - started < 60 and not done:
            time.sleep(0.05)
        return None

    done: list[bool] = []
    idp.special["/token"] = hang
    answer = browser.sign_in()
    done.append(True)
    refused(browser, answer, 503, DOWN)
    assert open_ones == [0]


def test_while_it_is_asked_where_it_is_no_transaction_is_open(
    browser: Browser, idp: HostileProvider, use: Callable[..., Provider], database: TestDatabase
) -> None:
    """Whoever confirms there who he is has a session, which was looked up just before."""
    open_ones: list[int] = []

    def look(_: HostileProvider, form: dict[str, str]) -> None:
        open_ones.append(open_transactions(database))

    assert browser.sign_in().status_code == 303
    use(idp.url)  # of which nothing is known yet
    idp.special["/.well-known/openid-configuration"] = look
    browser.start("/sign-in/oidc?again=1")
    assert open_ones == [0]


def open_transactions(database: TestDatabase) -> int:
    """How many sessions hold a transaction open while they do nothing."""
    with psycopg.connect(localdb.libpq_url(database.superuser)) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state LIKE 'idle in transaction%%'",
            [database.name],
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/no/such", "/sign-out"],
)
def test_nobody_is_led_elsewhere(browser: Browser, idp: HostileProvider, target: str) -> None:
    sent = browser.start(f"/sign-in/oidc?next={target}")
    assert browser.back(sent, idp.approve(sent)).headers["Location"] == "/"
    assert browser.get(f"/sign-in/oidc?next={target}").headers["Location"] == "/"


def test_no_other_site_begins_a_session_for_somebody(browser: Browser) -> None:
    led = browser.get("/sign-in/oidc?next=/today", headers={"Sec-Fetch-Site": "cross-site"})
    assert (led.status_code, led.headers["Location"]) == (303, "/sign-in?next=/today"), "he has to press the button"
    for ours in ("same-origin", "none"):
        assert "state=" in browser.get("/sign-in/oidc", headers={"Sec-Fetch-Site": ours}).headers["Location"]


def test_the_way_back_is_our_own_address(browser: Browser) -> None:
    assert browser.start()["redirect_uri"] == f"http://localhost{CALLBACK}"
    assert browser.get("/sign-in/oidc", base_url="http://evil.example").status_code == 400


def test_many_wrong_answers_have_to_wait(browser: Browser, idp: HostileProvider) -> None:
    for _ in range(20):
        assert browser.get(f"{CALLBACK}?state=x&code=y").status_code == 400
    sent = browser.start()
    assert browser.back(sent, idp.approve(sent)).status_code == 429
    assert not browser.signed_in


def test_a_refusal_is_in_the_log_of_its_tenant(browser: Browser, god: Any, tenant: TestTenant) -> None:
    browser.sign_in(realm_access={"roles": ["nothing-here"]})
    row = one(god, "SELECT detail->>'code' FROM audit_event WHERE action = 'user.sign_in' AND outcome = 'refused'")
    assert row == "NO_ROLE"
