"""Signing in and out in the browser: cookies, CSRF, where one lands, and what a dead cookie is worth."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import html5lib
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from careapp import clock
from careapp.access import Actor, Role
from careapp.config import new_encryption_key
from careapp.identity import users
from careapp.surface.csrf import safe_next
from tests.database import TestDatabase
from tests.identity.people import PASSWORD, a_user, address
from tests.identity.surface_app import surface_app
from tests.identity.test_sign_in import PEERS

HTMX = {"HX-Request": "true", "HX-Current-URL": "http://localhost/who?day=2026-11-20"}


@pytest.fixture(scope="module")
def pages(database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with surface_app(database, tmp_path_factory.mktemp("var")) as app:
        yield app


@pytest.fixture
def browser(pages: Flask) -> FlaskClient:
    return new_browser(pages)


def new_browser(pages: Flask) -> FlaskClient:
    """A browser at a network address of its own, so that one test's failures do not make another wait."""
    client = pages.test_client()
    client.environ_base["REMOTE_ADDR"] = next(PEERS)
    return client


@pytest.fixture
def user(app: Flask, admin: Actor) -> users.UserView:
    return a_user(admin)


def token_in(page: TestResponse) -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', page.text)
    assert found
    return found[1]


def sign_in(browser: FlaskClient, email: str, password: str = PASSWORD, *, to: str = "") -> TestResponse:
    form = {"csrf_token": token_in(browser.get("/sign-in")), "email": email, "password": password, "next": to}
    return browser.post("/sign-in", data=form)


def cookie(browser: FlaskClient) -> str:
    found = browser.get_cookie("session")
    assert found
    return found.value


def test_the_page_is_valid_and_helps_password_managers(browser: FlaskClient) -> None:
    page = browser.get("/sign-in?next=/who")
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    html5lib.HTMLParser(strict=True).parse(page.text)
    assert 'autocomplete="username"' in page.text
    assert 'autocomplete="current-password"' in page.text
    assert '<input type="hidden" name="next" value="/who">' in page.text


def test_signed_out_one_is_led_to_sign_in_and_back(browser: FlaskClient, user: users.UserView) -> None:
    led = browser.get("/who?day=2026-11-20&all=1")
    assert (led.status_code, led.headers["Location"]) == (303, "/sign-in?next=/who%3Fday%3D2026-11-20%26all%3D1")
    form = browser.get(led.headers["Location"])
    assert 'value="/who?day=2026-11-20&amp;all=1"' in form.text
    signed = sign_in(browser, user.email, to="/who?day=2026-11-20&all=1")
    assert (signed.status_code, signed.headers["Location"]) == (303, "/who?day=2026-11-20&all=1")
    assert browser.get("/who").json["name"] == f"user:{user.id}"


def test_the_cookie_holds_no_name_and_scripts_cannot_read_it(
    pages: Flask, browser: FlaskClient, user: users.UserView
) -> None:
    header = sign_in(browser, user.email).headers["Set-Cookie"]
    assert "HttpOnly" in header
    assert "SameSite=Lax" in header
    assert "Path=/" in header
    assert "Domain" not in header
    with browser.session_transaction() as kept:
        assert set(kept) == {"tenant", "sid"}
    browser.get("/who")
    browser.get("/sign-in")
    with browser.session_transaction() as kept:
        assert set(kept) <= {"tenant", "sid", "csrf_token"}


def test_a_dead_cookie_is_nobody(pages: Flask, browser: FlaskClient, user: users.UserView) -> None:
    sign_in(browser, user.email)
    stolen = cookie(browser)
    form = {"csrf_token": browser_token(browser)}
    out = browser.post("/sign-out", data=form)
    assert (out.status_code, out.headers["Location"]) == (303, "/sign-in")
    assert out.headers["Clear-Site-Data"] == '"cache", "storage"'
    thief = new_browser(pages)
    thief.set_cookie("session", stolen)
    assert thief.get("/who").status_code == 303
    assert thief.get("/who", headers=HTMX).status_code == 401


def browser_token(browser: FlaskClient) -> str:
    """A token for this browser's cookie, as any page would print it."""
    refused = browser.post("/who", headers={"HX-Request": "true"})
    assert refused.status_code == 400
    return re.search(r'"value": "([^"]+)"', refused.headers["HX-Trigger"])[1]  # type: ignore[index]


def test_a_new_sign_in_ends_the_session_before_it(pages: Flask, browser: FlaskClient, user: users.UserView) -> None:
    sign_in(browser, user.email)
    before, token = cookie(browser), browser_token(browser)
    again = browser.post("/sign-in", data={"csrf_token": token, "email": user.email, "password": PASSWORD})
    assert again.status_code == 303
    old = new_browser(pages)
    old.set_cookie("session", before)
    assert old.get("/who").status_code == 303
    assert browser.get("/who").status_code == 200
    assert browser.post("/who", data={"csrf_token": token}).status_code == 400, "an old tab's token is old"


def test_a_cookie_from_before_sign_in_stays_nobodys(pages: Flask, browser: FlaskClient, user: users.UserView) -> None:
    browser.get("/sign-in")
    planted = cookie(browser)
    sign_in(browser, user.email)
    victim = new_browser(pages)
    victim.set_cookie("session", planted)
    assert victim.get("/who").status_code == 303


def test_disabling_ends_what_is_open(browser: FlaskClient, admin: Actor, user: users.UserView) -> None:
    sign_in(browser, user.email)
    users.disable(admin, user.id)
    assert browser.get("/who").status_code == 303


def test_signed_in_the_form_is_skipped(browser: FlaskClient, user: users.UserView) -> None:
    sign_in(browser, user.email)
    for to, lands in (("/who", "/who"), ("//evil.example", "/")):
        page = browser.get("/sign-in", query_string={"next": to})
        assert (page.status_code, page.headers["Location"]) == (303, lands)


def test_a_refusal_says_one_thing_and_never_the_password(browser: FlaskClient, user: users.UserView) -> None:
    pages = [sign_in(browser, email, "the wrong words entirely") for email in (user.email, address())]
    assert [page.status_code for page in pages] == [422, 422]
    said = {re.search(r"<li>(.*?)</li>", page.text)[1] for page in pages}  # type: ignore[index]
    assert said == {"The e-mail address or the password is not right."}
    for page in pages:
        html5lib.HTMLParser(strict=True).parse(page.text)
        assert "the wrong words entirely" not in page.text
        assert "<title>Error: " in page.text
    assert user.email in pages[0].text


def test_empty_fields_are_named(browser: FlaskClient) -> None:
    page = sign_in(browser, " ", "")
    assert page.status_code == 422
    assert page.text.count("Fill this in.") == 4  # beside each field and in the summary


def test_after_too_many_failures_the_page_says_how_long_to_wait(browser: FlaskClient, user: users.UserView) -> None:
    with clock.at(clock.now()):  # the wait is a second long, in which a machine may stand still
        for _ in range(5):
            assert sign_in(browser, user.email, "the wrong words entirely").status_code == 422
        page = sign_in(browser, user.email)
    assert page.status_code == 429
    assert page.headers["Retry-After"] == "1"
    assert "Too many tries. Wait 1 seconds" in page.text


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 303),
        ("POST", {}, 303),
        ("GET", HTMX, 401),
        ("POST", HTMX, 401),
    ],
)
def test_how_somebody_signed_out_is_answered(
    browser: FlaskClient, method: str, headers: dict[str, str], status: int
) -> None:
    data = {"csrf_token": token_in(browser.get("/sign-in"))} if method == "POST" else None
    answer = browser.open("/who?day=2026-11-20", method=method, headers=headers, data=data)
    assert answer.status_code == status
    page = "/sign-in?next=/who%3Fday%3D2026-11-20"
    if status == 303:
        assert answer.headers["Location"] == (page if method == "GET" else "/sign-in?next=/")
    elif method == "GET":
        assert answer.headers["HX-Redirect"] == page
    else:
        assert answer.headers["HX-Retarget"] == "#alerts"
        assert page.replace("&", "&amp;") in answer.text


def test_the_page_htmx_names_is_not_followed_to_another_site(browser: FlaskClient) -> None:
    headers = HTMX | {"HX-Current-URL": "https://evil.example//evil.example/x"}
    assert browser.get("/who", headers=headers).headers["HX-Redirect"] == "/sign-in?next=/"


def test_a_post_needs_the_token_of_its_session(pages: Flask, browser: FlaskClient, user: users.UserView) -> None:
    sign_in(browser, user.email)
    own = browser_token(browser)
    other = token_in(new_browser(pages).get("/sign-in"))
    for token in ("", "junk", other):
        assert browser.post("/who", data={"csrf_token": token}).status_code == 400
    assert browser.post("/who", data={"csrf_token": own, "typed": "a word"}).json["typed"] == "a word"
    assert browser.post("/who", headers={"X-CSRFToken": own}).status_code == 200


@pytest.mark.parametrize(
    ("site", "status"), [("same-origin", 200), ("none", 200), ("same-site", 403), ("cross-site", 403)]
)
def test_the_browsers_word_about_another_site_is_believed(
    browser: FlaskClient, user: users.UserView, site: str, status: int
) -> None:
    sign_in(browser, user.email)
    token = browser_token(browser)
    assert browser.post("/who", data={"csrf_token": token}, headers={"Sec-Fetch-Site": site}).status_code == status
    assert browser.get("/who", headers={"Sec-Fetch-Site": site}).status_code == 200


def test_staying_signed_in_needs_a_session(browser: FlaskClient, user: users.UserView) -> None:
    headers = {"HX-Request": "true", "X-CSRFToken": token_in(browser.get("/sign-in"))}
    assert browser.post("/session", headers=headers).status_code == 401
    sign_in(browser, user.email)
    headers["X-CSRFToken"] = browser_token(browser)
    assert browser.post("/session", headers=headers).status_code == 204


def test_signing_out_twice_is_no_error(browser: FlaskClient) -> None:
    assert browser.post("/sign-out", data={"csrf_token": token_in(browser.get("/sign-in"))}).status_code == 303


def test_changed_and_foreign_cookies_are_nobody(browser: FlaskClient, user: users.UserView) -> None:
    for kept in ({"tenant": 1}, {"sid": "x"}, {"tenant": "1", "sid": "x"}, {"tenant": 1, "sid": 2}, {"_user_id": "1"}):
        with browser.session_transaction() as written:
            written.clear()
            written.update(kept)
        assert browser.get("/who").status_code == 303
    browser.set_cookie("session", "eyJ0ZW5hbnQiOjF9.forged.forged")
    browser.set_cookie("remember_token", f"{user.id}|{'0' * 128}")
    assert browser.get("/who").status_code == 303


@pytest.mark.parametrize(
    "target",
    [
        None, "", "//evil.example", "///evil.example", "/\\evil.example", "\\/evil.example", "https://evil.example",
        "https:evil.example", "javascript:alert(1)", "/\t/evil.example", "/\n//evil.example", "\t//evil.example",
        " /who", "/who\r\nX: y", "/who\\..\\x", "evil.example", "/no/such/page", "/sign-out", "/%2f%2fevil.example",
        "http:///who", "/\x00who", "?next=/who", "#", "/[", "//[",
    ],
)  # fmt: skip
def test_nobody_is_sent_elsewhere(pages: Flask, target: str | None) -> None:
    with pages.test_request_context("/sign-in"):
        assert safe_next(target) == "/"


@pytest.mark.parametrize("target", ["/", "/who", "/who?day=2026-11-20&next=//x", "/who#row", "/who?q=%E1%80%80"])
def test_own_pages_are_led_to(pages: Flask, target: str) -> None:
    with pages.test_request_context("/sign-in"):
        assert safe_next(target) == target


def test_production_cookies_only_travel_over_https(
    database: TestDatabase, tmp_path_factory: pytest.TempPathFactory, user: users.UserView
) -> None:
    production = {"CAREAPP_ENV": "production", "secret_key": "x" * 40, "trusted_hosts": "localhost"}
    production["encryption_keys"] = new_encryption_key()
    with surface_app(database, tmp_path_factory.mktemp("var"), database_url=database.app, **production) as secure:
        page = secure.test_client().get("/sign-in", base_url="https://localhost")
    header = page.headers["Set-Cookie"]
    assert header.startswith("__Host-session=")
    assert "Secure" in header
    assert "Path=/" in header
    assert "Domain" not in header


def test_another_tenants_user_stays_in_his_own(
    pages: Flask, browser: FlaskClient, new_tenant: Callable[..., Any], actor_of: Callable[..., Actor]
) -> None:
    there = new_tenant()
    foreign = a_user(actor_of(Role.ADMIN, tenant=there))
    sign_in(browser, foreign.email)
    assert browser.get("/who").json["tenant"] == there.key
