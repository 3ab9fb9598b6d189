"""Forms that change something: posted twice, by a double click or a reload, they have one effect."""

import json
from collections.abc import Callable
from hashlib import sha256
from typing import NoReturn

from flask import request
from flask_babel import lazy_gettext as _l

from careapp import idempotency
from careapp.access import Actor
from careapp.errors import Invalid, Refusal
from careapp.idempotency import Answer
from careapp.web.forms.fields import CareForm, SubmissionField

NOT_CONTENT = frozenset({"csrf_token", "submission", "draft"})
SENT_BEFORE = _l(
    "This form was saved once already, with other entries. To save it as one more, press the button again."
)


def create_once(
    actor: Actor, form: CareForm, create: Callable[[], str], *, first: Callable[[], None] | None = None
) -> str:
    """Run `create`, which gives the address to go to. For a form saved before, give the first one's address.

    All that `create` does stands in one transaction. A refusal keeps nothing, so the corrected form can be sent. A form
    that was saved, changed (by the Back button) and sent again is refused once, and gets a number of its own. `first`
    is what has to be asked before the transaction opens, of a form that was not saved before.
    """
    route = f"{request.method} {request.url_rule}"
    if first and not idempotency.is_answered(actor, route, str(form.submission.data)):
        first()

    def answer() -> Answer:
        return Answer(303, {"Location": create()}, b"")

    try:
        given = idempotency.once(actor, route, str(form.submission.data), _content(), answer, _raise_again)
    except Invalid as refusal:
        if refusal.code != "IDEMPOTENCY_KEY_REUSED":
            raise
        form.submission.data = form.submission.default()
        raise Invalid({"form": str(SENT_BEFORE)}) from None
    return given.headers["Location"]


class _OnceForm(CareForm):
    submission = SubmissionField()


def act_once(actor: Actor, act: Callable[[], object]) -> bool:
    """Run `act`, of a form that holds `hidden(once=True)`, and say whether it ran: not if the form was sent before.

    A refusal keeps nothing. A form without a number, of a page from before there were any, runs whenever it is sent.
    Raises what create_once() raises, and Invalid for a number that is none.
    """
    if "submission" not in request.form:
        act()
        return True
    form, ran = _OnceForm(), []
    form.checked()

    def run() -> str:
        act()
        ran.append(True)
        return request.path

    create_once(actor, form, run)
    return bool(ran)


def _content() -> str:
    """What was sent, address included, as a short text to compare by; token and form number do not count.

    Nor does a password: of what is kept, nobody shall be able to try passwords by the million.
    """
    counted = (
        pair for pair in request.form.items(multi=True) if pair[0] not in NOT_CONTENT and "password" not in pair[0]
    )
    sent = sorted(counted)
    return sha256(json.dumps([request.path, sent]).encode()).hexdigest()


def _raise_again(refusal: Refusal) -> NoReturn:
    raise refusal
