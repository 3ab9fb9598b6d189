"""JSON blueprints: what is checked of each request before its view runs, and problem documents for what goes wrong."""

import re

from apiflask import APIBlueprint
from apiflask.exceptions import HTTPError
from flask import Response, current_app, request
from werkzeug.exceptions import BadRequest, LengthRequired, RequestEntityTooLarge, UnsupportedMediaType

from careapp.errors import Invalid
from careapp.surface.actors import current_actor
from careapp.surface.json_input import is_storable
from careapp.surface.problems import problem, problem_of

_OF_OURS = re.compile(r" or instance of \w+")
SAFE = ("GET", "HEAD", "OPTIONS")  # a body they carry means nothing and is not read


def check_request() -> None:
    """Refuse what no view may see: strangers first, then text that cannot be stored, bodies that are no JSON, and
    parameters that are sent twice or that the route does not have.
    """
    view = current_app.view_functions[request.endpoint or ""]
    if not getattr(view, "public", False):
        current_actor()
    texts = [request.path, *request.args.keys(), *request.args.values()]
    if not all(is_storable(text) for text in texts):
        raise BadRequest("The address holds NUL or half a character.")
    if request.method not in SAFE:
        check_body()
    if any(len(values) > 1 for _, values in request.args.lists()):
        raise Invalid({name: "Send this once." for name, values in request.args.lists() if len(values) > 1})
    if request.args and not any(location == "query" for _, location in getattr(view, "_spec", {}).get("args", ())):
        raise Invalid({name: "There is no such parameter here." for name in request.args})


def check_body() -> None:
    """Refuse a body that is no JSON, or that would be read only in part."""
    in_chunks = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    if (request.content_length or in_chunks) and request.mimetype != "application/json":
        raise UnsupportedMediaType("Send the body as application/json.")
    if in_chunks and not request.environ.get("wsgi.input_terminated"):
        raise LengthRequired(
            "Send the body with Content-Length, not in chunks."
        )  # Werkzeug takes such a body for empty, so its version and its reason would be lost
    if in_chunks and len(request.get_data()) == request.max_content_length:
        raise RequestEntityTooLarge()  # Werkzeug cuts off what comes in chunks and is longer


def refused_fields(error: HTTPError) -> Response:
    """APIFlask's refusal of a body or query, as one problem document that names each field."""
    places = (error.detail or {}).values()
    found = {field: " ".join(map(_in_plain_words, told)) for fields in places for field, told in fields.items()}
    if error.status_code != 422:
        return problem_of(BadRequest(error.message))
    return problem(Invalid({name.replace("_schema", "body"): text for name, text in found.items()}))


def _in_plain_words(message: str) -> str:
    """What pydantic says of a field, without the names it has for its own kinds of error and for our classes."""
    return _OF_OURS.sub("", message.removeprefix("Value error, ")).replace("valid dictionary", "object")


def protect(blueprint: APIBlueprint) -> None:
    """Give a blueprint these checks, and problem documents for everything that goes wrong in it."""
    blueprint.before_request(check_request)
    blueprint.register_error_handler(HTTPError, refused_fields)
    blueprint.register_error_handler(Exception, problem_of)
