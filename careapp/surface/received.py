"""Request bodies: taken in whole before the database is asked who sent them."""

from contextlib import suppress

from flask import request
from werkzeug.exceptions import HTTPException


def receive_body() -> None:
    """Take in what a client that has shown a good token or cookie sends, so that no transaction waits for a slow one.

    What is too long or was cut off is refused later, by what looks at it.
    """
    with suppress(HTTPException):
        request.get_data()
