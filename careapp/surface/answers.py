"""Answers of the JSON surfaces: views as bytes with their ETag, versions a change was based on, POSTs done once."""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import TypeVar

from flask import Response, request
from pydantic import BaseModel

from careapp import idempotency
from careapp.access import Actor
from careapp.errors import Invalid, VersionRequired
from careapp.idempotency import Answer
from careapp.surface.problems import problem

V = TypeVar("V", bound=BaseModel)
ENTITY_TAG = re.compile(r'^"([1-9][0-9]{0,8})"$', re.ASCII)
KEY = re.compile(r"^[\x21-\x7e]{1,255}$")


def answer_of(view: BaseModel, status: int = 200, location: str | None = None) -> Answer:
    """A view as it goes out: JSON, its version as ETag, and where a new thing is found."""
    headers = {"Content-Type": "application/json"}
    version = getattr(view, "version", None)
    if version is not None:
        headers["ETag"] = f'"{version}"'
    if location:
        headers["Location"] = location
    return Answer(status, headers, view.model_dump_json(by_alias=True).encode())


def respond(answer: Answer) -> Response:
    """An answer as Flask sends it."""
    return Response(answer.body, answer.status, answer.headers)


def tagged(view: BaseModel) -> Response:
    """A view with status 200 and its ETag."""
    return respond(answer_of(view))


def done_once(actor: Actor, work: Callable[[], Answer], *, first: Callable[[], None] | None = None) -> Response:
    """Run what changes something, at most once where the client sent an Idempotency-Key (design §6).

    The version a change was based on belongs to the request: the same key with another one is another request. `first`
    is what has to be asked before the transaction opens; for an answer that is only given again, nobody is asked.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        if first:
            first()
        return respond(work())
    if not KEY.match(key):
        raise Invalid({"Idempotency-Key": "Send 1 to 255 visible ASCII characters."})
    route = f"{request.method} {request.url_rule}"
    based_on = request.headers.get("If-Match", "")
    told = (request.method.encode(), request.full_path.encode(), based_on.encode(), request.get_data())
    seen = sha256(b"\n".join(told)).hexdigest()
    if first and not idempotency.is_answered(actor, route, key):
        first()
    return respond(idempotency.once(actor, route, key, seen, work, lambda refusal: _kept(problem(refusal))))


def created(
    actor: Actor, make: Callable[[], V], path: str, *, first: Callable[[], None] | None = None
) -> Response:  # fmt: skip
    """Make something by a POST: 201, its ETag, and its Location under `path`. `first` is as for done_once()."""

    def work() -> Answer:
        view = make()
        return answer_of(view, 201, f"{path}/{view.locator}")  # type: ignore[attr-defined]

    return done_once(actor, work, first=first)


def expected_version(in_body: int | None, *, optional: bool) -> int | None:
    """The version the client based its change on: If-Match, else `version` in the body.

    Raises Invalid for an If-Match that is no version of ours or contradicts the body, VersionRequired where a version
    is needed and none was sent.
    """
    header = request.headers.get("If-Match")
    if header is not None:
        tag = ENTITY_TAG.match(header)
        if not tag:
            raise Invalid({"If-Match": 'Send the ETag you were given, such as "3".'})
        if in_body not in (None, int(tag[1])):
            raise Invalid({"version": "If-Match names another version."})
        return int(tag[1])
    if in_body is None and not optional:
        raise VersionRequired()
    return in_body


def _kept(response: Response) -> Answer:
    """A problem document in the form in which answers are kept."""
    return Answer(response.status_code, {"Content-Type": str(response.content_type)}, response.get_data())
