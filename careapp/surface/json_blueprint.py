"""JSON blueprints: what is checked of each request before its view runs, and problem documents for what goes wrong."""

from apiflask import APIBlueprint
from apiflask.exceptions import HTTPError
from flask import Response, current_app, request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from careapp.errors import Invalid
from careapp.surface.actors import current_actor
from careapp.surface.json_input import is_storable
from careapp.surface.problems import problem, problem_of

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
    has_body = bool(request.content_length) or "chunked" in request.headers.get("Transfer-Encoding", "")
    if has_body and request.method not in SAFE and request.mimetype != "application/json":
        raise UnsupportedMediaType("Send the body as application/json.")
    if any(len(values) > 1 for _, values in request.args.lists()):
        raise Invalid({name: "Send this once." for name, values in request.args.lists() if len(values) > 1})
    if request.args and not any(location == "query" for _, location in getattr(view, "_spec", {}).get("args", ())):
        raise Invalid({name: "There is no such parameter here." for name in request.args})


def refused_fields(error: HTTPError) -> Response:
    """APIFlask's refusal of a body or query, as one problem document that names each field."""
    places = (error.detail or {}).values()
    found = {field: " ".join(messages) for fields in places for field, messages in fields.items()}
    if error.status_code != 422:
        return problem_of(BadRequest(error.message))
    return problem(Invalid({name.replace("_schema", "body"): text for name, text in found.items()}))


def protect(blueprint: APIBlueprint) -> None:
    """Give a blueprint these checks, and problem documents for everything that goes wrong in it."""
    blueprint.before_request(check_request)
    blueprint.register_error_handler(HTTPError, refused_fields)
    blueprint.register_error_handler(Exception, problem_of)
