"""Nothing is stored that nobody asked for, and nothing answered that is not declared: fields on the way in and out."""

from collections.abc import Callable, Iterator

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from careapp.access import Actor, Role
from careapp.web.forms.fields import CareForm
from tests.api.calls import CALLS
from tests.api.client import speaking_for
from tests.api.test_good_calls import FIELDS, PREFIXES
from tests.looking import one, rows
from tests.rules.pages import ask, page_address, rules
from tests.rules.test_routes import API, CARE, WHO_MAY
from tests.web.checks import Form, forms_of, parsed

MARK, NUMBER = "Zqmassassignment", "987654321"
# What the server sets, in the words of columns and of JSON; the value of each is looked for in every table afterwards.
SERVER_SET = {
    **dict.fromkeys(("tenant_id", "tenantId", "id", "booked", "seen", "open_referrals", "provider_id"), NUMBER),
    **dict.fromkeys(
        ("locator", "status", "stage", "author", "actor", "created_by", "createdAt", "created_at", "password_hash",
         "confidentiality", "restricted_at", "added_by", "recorded_by", "reviewed_by", "medication_system", "roles[]"),
        MARK,
    ),
}  # fmt: skip
OWN_WORDS = {"form_drafts"}  # a draft keeps a form as it was typed, for its author alone; it becomes nothing by itself


def every_form(app: APIFlask, god: Actor, client: FlaskClient) -> Iterator[Form]:
    """The forms of every page somebody may open, each about something new."""
    for rule in rules(app, "GET"):
        answer = ask(app, client, "GET", page_address(rule, god))
        if answer.status_code == 200 and answer.mimetype == "text/html":
            yield from (one for one in forms_of(parsed(answer.text)) if one.action != "/sign-out")


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.CLINICIAN, Role.ADMIN])
def test_what_is_added_to_a_form_is_not_stored(
    app: APIFlask, god: Actor, browser: Callable[[Role], FlaskClient], role: Role
) -> None:
    client, sent, taken = browser(role), 0, 0
    for form in list(every_form(app, god, client)):
        added = {name: value for name, value in SERVER_SET.items() if name not in form.values}
        answer = ask(app, client, "POST", form.action, data={**form.values, **added})
        assert answer.status_code < 500, form.action
        sent, taken = sent + 1, taken + (answer.status_code == 303)
    assert sent > 20
    assert taken > 5, "some of them must have been good, or this proves nothing"
    tables = rows(
        god,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'care' AND table_type = 'BASE TABLE'",
    )
    for name in {row.table_name for row in tables} - OWN_WORDS:
        statement = f"SELECT count(*) FROM {name} t WHERE t::text LIKE :mark OR t::text LIKE :number"
        assert one(god, statement, mark=f"%{MARK}%", number=f"%{NUMBER}%") == 0, name


def test_no_form_has_a_field_that_only_the_server_sets() -> None:
    def below(form: type[CareForm]) -> Iterator[type[CareForm]]:
        for one_form in form.__subclasses__():
            yield one_form
            yield from below(one_form)

    never = set(SERVER_SET) - {"actor"}  # which the audit log is searched by
    found = {form.__name__ for form in below(CareForm) if never & set(vars(form))}
    assert found == {"FindErasureForm"}, "which finds a patient by his number and stores nothing"


@pytest.mark.parametrize(("name", "role"), [(name, role) for name in API for role in sorted(WHO_MAY.get(name, CARE))])
def test_an_answer_holds_the_declared_fields_whoever_asks(
    app: APIFlask, god: Actor, actor_of: Callable[..., Actor], name: str, role: Role
) -> None:
    call = CALLS[name](god)
    answer = speaking_for(app, actor_of(role)).send(call.method, call.path, call.body, **call.headers)
    assert answer.status_code == call.status, answer.text
    for found in answer.json.get("items", [answer.json]):
        assert set(found) == set(FIELDS[PREFIXES[found["locator"][:3]]].split()), found
