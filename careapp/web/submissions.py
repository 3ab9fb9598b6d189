"""Forms that create something: posted twice, by a double click or a reload, they make one record."""

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
from careapp.web.forms.fields import CareForm

NOT_CONTENT = frozenset({"csrf_token", "submission", "draft"})
SENT_BEFORE = _l(
    "This form was saved once already, with other entries. To save it as one more, press the button again."
)


def create_once(actor: Actor, form: CareForm, create: Callable[[], str]) -> str:
    """Run `create`, which gives the address to go to. For a form saved before, give the first one's address.

    All that `create` does stands in one transaction. A refusal keeps nothing, so the corrected form can be sent. A form
    that was saved, changed (by the Back button) and sent again is refused once, and gets a number of its own.
    """
    route = f"{request.method} {request.url_rule}"

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


def _content() -> str:
    """What was sent, address included, as a short text to compare by; token and form number do not count."""
    sent = sorted((name, value) for name, value in request.form.items(multi=True) if name not in NOT_CONTENT)
    return sha256(json.dumps([request.path, sent]).encode()).hexdigest()


def _raise_again(refusal: Refusal) -> NoReturn:
    raise refusal
