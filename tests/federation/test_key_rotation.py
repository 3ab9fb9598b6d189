"""A sign-in that was begun under the key before: it ends well while that key is listed, and begins anew afterwards."""

from collections.abc import Callable

from tests.federation.conftest import Browser
from tests.federation.provider import HostileProvider
from tests.federation.test_hostile import refused

OLD, NEW = "a key of more than thirty-two bytes", "a newer key of more than thirty-two bytes"


def test_a_sign_in_ends_under_the_key_it_began_with(
    use_keys: Callable[..., None], browser: Browser, idp: HostileProvider
) -> None:
    use_keys(OLD)
    sent = browser.start()
    use_keys(NEW, OLD)
    other_tab = browser.start()  # writes the cookie anew, by the new key
    for begun in (sent, other_tab):
        assert browser.back(begun, idp.approve(begun)).status_code == 303
        assert browser.signed_in


def test_a_sign_in_of_a_key_that_is_gone_begins_anew(
    use_keys: Callable[..., None], browser: Browser, idp: HostileProvider
) -> None:
    use_keys(OLD)
    sent = browser.start()
    use_keys(NEW)
    refused(browser, browser.back(sent, idp.approve(sent)))
    assert browser.sign_in().status_code == 303
