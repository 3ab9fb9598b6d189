"""How many fields a request may have: each costs a parser and whoever names what is wrong with it (ASVS 5.0 15.2.2).

A body is bounded in bytes, and a megabyte holds a hundred thousand fields; the framework counts the parts of multipart
bodies alone. Objects of JSON are counted in `json_input.py`.
"""

from io import BytesIO
from typing import IO, Any

from flask import Flask, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

MOST_FIELDS = 1_000  # of a form, of an address, of one object of JSON; no page of ours has a tenth of it
FORM = "application/x-www-form-urlencoded"
BETWEEN = b"&"


def init_many_fields(app: Flask) -> None:
    """Refuse forms with more fields by 413, whoever reads them, and addresses with more by 400, before any view.

    After the pages, which put a class of htmx's own in the place of Flask's requests.
    """
    app.request_class = type("CountedRequest", (app.request_class,), {"form_data_parser_class": _CountingParser})
    app.config["MAX_FORM_PARTS"] = MOST_FIELDS

    @app.before_request
    def count_parameters() -> None:
        if request.query_string.count(BETWEEN) >= MOST_FIELDS:
            raise BadRequest("The address has too many parameters.")


class _CountingParser(FormDataParser):
    def parse(self, stream: IO[bytes], mimetype: str, *rest: Any, **more: Any) -> Any:
        """The fields of a body. Raises RequestEntityTooLarge."""
        if mimetype == FORM:
            body = stream.read()
            if body.count(BETWEEN) >= MOST_FIELDS:
                raise RequestEntityTooLarge("The form has too many fields.")
            stream = BytesIO(body)
        return super().parse(stream, mimetype, *rest, **more)
