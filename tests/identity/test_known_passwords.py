"""Passwords that others know: the built-in list, a file of breached ones, and what happens to who has one."""

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apiflask import APIFlask

from careapp.access import Actor, Role
from careapp.errors import Invalid
from careapp.identity import passwords, users
from careapp.identity.known_passwords import BadList, check_list, is_known, use_file
from tests.conftest import make_app
from tests.database import TestDatabase
from tests.identity.people import PASSWORD, a_user, peer
from tests.looking import execute, one
from tests.web.conftest import Desk

BREACHED = "the heron waits by the weir"
NEW = "eleven quiet boats at dawn"


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


@pytest.fixture
def a_list(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """a_list("…", "…") writes a file of these passwords among others, and has it asked until the test is over."""

    def write(*found: str, others: int = 500, end: str = "\n", count: bool = True) -> Path:
        chance = random.Random(7)
        hashes = sorted({*map(sha1, found), *(f"{chance.getrandbits(160):040X}" for _ in range(others))})
        counted = [f"{one}:{chance.choice((3, 42, 1_234_567))}" if count else one for one in hashes]
        path = tmp_path / "breached.txt"
        path.write_bytes((end.join(counted) + end).encode())
        use_file(path)
        return path

    yield write
    use_file(None)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("count", [True, False])
@pytest.mark.parametrize("others", [0, 1, 2, 3, 1000])
def test_each_line_of_the_file_is_found_and_nothing_else(
    a_list: Callable[..., Path], others: int, count: bool, end: str
) -> None:
    found = [f"{BREACHED} {number}" for number in range(20)]
    path = a_list(*found, others=others, end=end, count=count)
    assert check_list(path) == others + 20
    assert all(is_known(one) for one in found)
    assert not any(is_known(f"{BREACHED} {number}") for number in range(20, 220))


def test_the_first_and_the_last_line_are_found(a_list: Callable[..., Path]) -> None:
    several = sorted((f"{BREACHED} {number}" for number in range(50)), key=sha1)
    a_list(*several, others=0)
    assert is_known(several[0])
    assert is_known(several[-1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5" * 40 + ":1\n" + "4" * 40 + ":1\n", "Line 2 is not above"),
        ("5" * 40 + ":1\n" + "5" * 40 + ":1\n", "Line 2 is not above"),
        ("password:1\n", "Line 1 is not a SHA-1"),
        ("a" * 40 + "\n", "Line 1 is not a SHA-1"),
        ("5" * 40 + "\n" + "6" * 39 + "\n", "Line 2 is not a SHA-1"),
    ],
)
def test_a_list_out_of_order_is_named(tmp_path: Path, app: APIFlask, text: str, said: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(BadList, match=said):
        check_list(path)
    told = app.test_cli_runner().invoke(args=["passwords", "check-list", str(path)])
    assert told.exit_code == 1
    assert said in told.output


def test_the_command_counts_a_list_in_order(app: APIFlask, a_list: Callable[..., Path]) -> None:
    told = app.test_cli_runner().invoke(args=["passwords", "check-list", str(a_list(BREACHED, others=99))])
    assert told.output == "100 passwords, in order.\n"
    assert app.test_cli_runner().invoke(args=["passwords", "check-list"]).exit_code == 1, "no file is named"


@pytest.mark.parametrize("content", [None, "no list at all\n", ""])
def test_nothing_starts_with_a_list_that_is_none(database: TestDatabase, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit, match="BREACHED_PASSWORDS_FILE"):
        make_app(database, tmp_path, breached_passwords_file=path)


@pytest.mark.parametrize(
    "password",
    [
        "PasswordStandard", "1qaz2wsx3edc4rfv", "sunshineprincess", "Sunshine Princess 2026!", "football-baseball-99",
        "dragon1987superman", "123football456baseball",
        "Careapp Clinic 2026", "reception-password", "FrontDesk!hospital",
    ],
)  # fmt: skip
def test_frequent_ones_are_known_also_two_together(password: str) -> None:
    assert is_known(password)
    with pytest.raises(Invalid):
        passwords.check_new(password, email="ma.thandar@clinic.example")


@pytest.mark.parametrize("password", [PASSWORD, NEW, BREACHED, "careapp demo clinic", "sunshine princess river tower"])
def test_several_words_are_not(password: str) -> None:
    assert not is_known(password)


def test_a_made_password_is_never_known() -> None:
    assert not any(is_known(passwords.made()) for _ in range(300))


def test_a_breached_password_is_refused_when_it_is_chosen(
    app: APIFlask, admin: Actor, a_list: Callable[..., Path]
) -> None:
    user = a_user(admin)
    a_list(BREACHED)
    with pytest.raises(Invalid, match="Some fields"):
        users.set_password(admin, user.id, password=BREACHED)
    with pytest.raises(Invalid):
        a_user(admin, password=BREACHED)


def test_who_has_a_breached_password_chooses_another_one_first(
    app: APIFlask, admin: Actor, god: Actor, a_list: Callable[..., Path]
) -> None:
    user = a_user(admin, Role.CLINICIAN, password=BREACHED)
    browser = Desk(app, app.test_client())
    browser.client.environ_base["REMOTE_ADDR"] = peer()
    a_list(BREACHED)
    wrong = browser.send(browser.forms("/sign-in")["/sign-in"], email=user.email, password="the wrong words entirely")
    assert wrong.status_code == 422
    assert "list" not in wrong.text.partition("<main")[2], "the form tells nobody"
    entered = browser.send(browser.forms("/sign-in")["/sign-in"], email=user.email, password=BREACHED)
    assert (entered.status_code, entered.headers["Location"]) == (303, "/"), "as for any other password"
    for address in ("/", "/today", "/patients", "/account", "/preferences"):
        led = browser.open("GET", address)
        assert (led.status_code, led.headers["Location"].partition("?")[0]) == (303, "/account/password"), address
    led = browser.open("GET", "/patients", htmx=True)
    assert (led.status_code, led.headers["HX-Redirect"].partition("?")[0]) == (403, "/account/password")
    form = browser.forms("/account/password?next=/patients")["/account/password"]
    assert "strangers try" in browser.get("/account/password").text
    posted = browser.open("POST", "/patients", htmx=True, data={"csrf_token": form.values["csrf_token"]})
    assert posted.status_code == 403
    assert browser.send(form, old_password=BREACHED, new_password=BREACHED).status_code == 422
    done = browser.send(form, old_password=BREACHED, new_password=NEW)
    assert (done.status_code, done.headers["Location"]) == (303, "/patients")
    assert browser.open("GET", "/patients").status_code == 200
    assert one(god, "SELECT needs_new_password FROM users WHERE id = :id", id=user.id) is False


def test_it_holds_for_every_session_until_the_password_is_changed(app: APIFlask, god: Actor) -> None:
    user, password = a_user(god, Role.CLINICIAN), NEW
    browser = Desk(app, app.test_client())
    browser.client.environ_base["REMOTE_ADDR"] = peer()
    browser.send(browser.forms("/sign-in")["/sign-in"], email=user.email, password=PASSWORD)
    assert browser.open("GET", "/account").status_code == 200
    execute(god, "UPDATE users SET needs_new_password = true WHERE id = :id", id=user.id)
    assert browser.open("GET", "/account").status_code == 303
    users.set_password(god, user.id, password=password)
    assert one(god, "SELECT needs_new_password FROM users WHERE id = :id", id=user.id) is True, "who gave it knows it"
