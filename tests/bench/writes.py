"""What changes something, asked for by a visitor: every call of the API, every form, and signing in."""

import base64
from collections.abc import Iterable

from careapp.access import Role
from careapp.identity import service_clients
from tests import factories as make
from tests.api.calls import CALLS
from tests.bench.visitor import Visitor
from tests.identity.people import PASSWORD
from tests.looking import one
from tests.rules import pages
from tests.rules.twice import SCENES, filled


def write(visitor: Visitor) -> None:
    """Every call of the API that changes something, and every form."""
    calls = [scene(visitor.actor) for name, scene in CALLS.items()]
    for call in calls:
        if call.method != "GET":
            visitor.program(call.method, call.path, call.body, **call.headers)
    for scene in SCENES.values():
        me = make.a_person(visitor.actor, *_all_but_auditor())
        form = scene(visitor.actor, me, visitor.database)
        browser, goes = pages.signed_in_as(visitor.app, me), form[1]
        answer = visitor.post(browser, goes, filled(visitor.app, browser, form))
        assert answer.status_code in (200, 303), (goes, answer.status, answer.text)


def sign_in(visitor: Visitor) -> None:
    """A person from the first page to the last, and a program that asks for its token."""
    me = make.a_person(visitor.actor, *_all_but_auditor())
    email = str(one(visitor.actor, "SELECT email FROM users WHERE id = :id", id=me.user_id))
    client, secret = service_clients.create_client(
        visitor.actor, name="Laboratory", roles=[Role.CLINICIAN], scopes=["patient.read"]
    )
    browser = visitor.app.test_client()
    for address, fields in (
        ("/sign-in", {"email": email, "password": PASSWORD}),
        ("/confirm", {"password": PASSWORD}),
        ("/session", {}),
        ("/drafts", {"draft": "/episodes/new", "reason": "Cough"}),
        ("/account/factors/app", {}),
        ("/account/factors/passkeys/options", {}),
        (f"/admin/users/{make.a_person(visitor.actor, Role.CLINICIAN).user_id}/remove-factors", {}),
        ("/sign-out", {}),
    ):
        visitor.post(browser, address, fields)
        if address == "/drafts":
            number = one(visitor.actor, "SELECT max(id) FROM form_drafts WHERE user_id = :id", id=me.user_id)
            visitor.read(browser, f"/drafts/{number}")
    pair = base64.b64encode(f"{client.client_id}:{secret}".encode()).decode()
    visitor.ask(visitor.app.test_client(), "POST", "/oauth/token", data={"grant_type": "client_credentials"},
                headers={"Authorization": f"Basic {pair}"})  # fmt: skip


def _all_but_auditor() -> Iterable[Role]:
    return [role for role in Role if role is not Role.AUDITOR]
