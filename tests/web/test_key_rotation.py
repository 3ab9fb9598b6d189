"""SECRET_KEY is renewed: what the key before has signed holds while it is listed, and not a request longer."""

from collections.abc import Callable

from careapp.access import Actor, Role
from tests.web.conftest import Desk
from tests.web.test_prescription_paper import NOT_CONFIRMED, code_on, prescribed, stranger, verify

__all__ = ["stranger"]  # a fixture

OLDEST, OLD, NEW = (f"{name} of more than thirty-two bytes" for name in ("the oldest key", "a key", "a newer key"))
UseKeys = Callable[..., None]


def test_a_session_and_an_open_form_hold_while_their_key_is_listed(
    use_keys: UseKeys, desk: Callable[..., Desk]
) -> None:
    use_keys(OLD)
    person, other, away = desk(Role.CLINICIAN), desk(Role.CLINICIAN), desk(Role.CLINICIAN)
    open_form = person.forms("/account")["/sign-out"]
    use_keys(NEW, OLD, OLDEST)
    assert other.get("/account")
    assert person.send(open_form).status_code == 303
    assert person.open("GET", "/account").status_code == 303, "signed out by the form"
    use_keys(NEW)
    assert other.get("/account"), "his cookie was signed anew meanwhile"
    assert away.open("GET", "/account").status_code == 303, "the old key is believed no longer"


def test_a_form_of_a_key_that_is_gone_is_refused_and_others_are_not(
    use_keys: UseKeys, desk: Callable[..., Desk]
) -> None:
    use_keys(OLD)
    old_form = desk(Role.CLINICIAN).forms("/account")["/sign-out"]
    use_keys(NEW)
    person = desk(Role.CLINICIAN)
    own = person.forms("/account")["/sign-out"]
    refused = person.open("POST", "/sign-out", data={**own.values, "csrf_token": old_form.values["csrf_token"]})
    assert refused.status_code == 400
    assert person.send(own).status_code == 303


def test_what_is_signed_meanwhile_is_signed_by_the_new_key(use_keys: UseKeys, desk: Callable[..., Desk]) -> None:
    use_keys(NEW, OLD)
    person = desk(Role.CLINICIAN)
    form = person.forms("/account")["/sign-out"]
    use_keys(NEW)
    assert person.send(form).status_code == 303


def test_a_code_on_paper_holds_while_its_key_is_listed(
    use_keys: UseKeys, doctor: Desk, stranger: Desk, god: Actor, desk: Callable[..., Desk]
) -> None:
    use_keys(OLD)
    one = prescribed(god)
    old_code = code_on(desk(Role.CLINICIAN), one.locator)
    use_keys(NEW, OLDEST, OLD)
    new_code = code_on(desk(Role.CLINICIAN), one.locator)
    assert new_code != old_code, "what is printed now is signed by the new key"
    for code in (old_code, new_code):
        assert NOT_CONFIRMED not in verify(stranger, god, one.locator, code).text
    assert NOT_CONFIRMED in verify(stranger, god, one.locator, old_code[::-1]).text
    use_keys(NEW, OLDEST)
    assert NOT_CONFIRMED in verify(stranger, god, one.locator, old_code).text
    assert NOT_CONFIRMED not in verify(stranger, god, one.locator, new_code).text
