"""Every form sent twice, by a double click or a browser that sends it again, has one effect, and an answer for it."""

from typing import Any

import pytest
from apiflask import APIFlask
from werkzeug.test import TestResponse

from careapp.access import Actor, Role
from tests import factories as make
from tests.api.client import all_stored
from tests.database import TestDatabase
from tests.rules.pages import ask, csrf_token, page_address, rules, signed_in_as, without_numbers
from tests.rules.twice import SCENES, filled

# POSTs that look something up: a name must not stand in an address. They change nothing, whatever is sent.
LOOKED_UP = {
    "admin_erasure.found",
    "admin_audit.people", "admin_users.find", "medicines.dosage_sentence", "medicines.fill", "medicines.find",
    "palette.find", "patients.find", "prescription_print.verify_post", "registration.register_searched",
    "slots.find_patient", "today.search", "walk_in.find_somebody",
}  # fmt: skip
ELSEWHERE = {
    "sign_in.sign_in_post": "in tests/identity: the second one finds somebody signed in",
    "sign_in.sign_out": "ends a session that is ended",
    "sign_in.stay_signed_in": "says when the session was last used, each time anew: that is its effect",
    "confirm.confirm_post": "each proof is one of its own, and gives the session a new value",
    "drafts.keep": "says when the draft was kept, each time anew; there is one of it",
    "admin_users.remove_factors": "takes all there are; the second time there are none",
    **dict.fromkeys(
        (
            "confirm.by_code",
            "confirm.by_passkey",
            "second_stage.second_by_code",
            "second_stage.second_by_passkey",
            "second_stage.by_passkey",
            "factors.add_passkey",
            "factors.confirm_app",
            "factors.remove_app",
            "factors.remove_passkey",
        ),
        "a code or a challenge is good once, what is removed is gone: tests/identity, tests/web",
    ),
    **dict.fromkeys(
        (
            "factors.begin_app",
            "factors.passkey_options",
            "factors.new_codes",
            "confirm.passkey_options",
            "second_stage.second_options",
            "second_stage.passkey_options",
        ),
        "makes a secret or a challenge in place of the one before, shown this once",
    ),
    "backchannel.backchannel_logout": "no form; an order is taken once, see tests/federation",
}
REWRITTEN = {"preferences.save"}  # the row is written again, with the same values
RENEWED = {"account.change_password": 400}  # the form belongs to the session's former value
SHOWN_ONCE = {
    "admin_clients.add",
    "admin_clients.rotate",
    "admin_users.add",
    "admin_users.password",
}  # a secret: the second answer leads to the page, without it


def test_every_changing_route_is_here(app: APIFlask) -> None:
    assert {rule.endpoint for rule in rules(app, "POST")} == SCENES.keys() | LOOKED_UP | ELSEWHERE.keys()


@pytest.mark.parametrize("endpoint", sorted(SCENES))
def test_a_form_sent_twice_has_one_effect(app: APIFlask, god: Actor, database: TestDatabase, endpoint: str) -> None:
    me = make.a_person(god, *(role for role in Role if role is not Role.AUDITOR))
    client = signed_in_as(app, me)
    scene = SCENES[endpoint](god, me, database)
    goes, fields = scene[1], filled(app, client, scene)
    before = all_stored(database, texts=endpoint in REWRITTEN)
    first = ask(app, client, "POST", goes, data=fields)
    assert first.status_code in (200, 303), (first.status, first.text)
    after = all_stored(database, texts=endpoint in REWRITTEN)
    assert after != before, "the form did nothing, so nothing would be compared"
    again = ask(app, client, "POST", goes, data=fields)
    in_the_end = all_stored(database, texts=endpoint in REWRITTEN)
    assert in_the_end == after, {name for name, rows in in_the_end.items() if rows != after[name]}
    if endpoint in SHOWN_ONCE:
        assert again.status_code in (200, 303), again.text
    elif again.status_code not in (409, 422, RENEWED.get(endpoint)):
        assert told(again) == told(first)


def told(answer: TestResponse) -> tuple[Any, ...]:
    """What the browser is told, apart from what differs by chance."""
    return answer.status_code, answer.headers.get("Location"), without_numbers(answer.text)


@pytest.mark.parametrize("endpoint", sorted(LOOKED_UP))
def test_what_only_looks_changes_nothing(app: APIFlask, god: Actor, database: TestDatabase, endpoint: str) -> None:
    client = signed_in_as(app, make.a_person(god, *Role))
    [rule] = [one for one in rules(app, "POST") if one.endpoint == endpoint]
    address = page_address(rule, god)
    fields = {"csrf_token": csrf_token(app, client), "q": "Daw Hla", "version": "1", "medication": "amox"}
    before = all_stored(database)
    assert ask(app, client, "POST", address, data=fields).status_code in (200, 422)
    assert all_stored(database) == before
