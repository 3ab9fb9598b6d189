"""Sending: how an answer is handed to the server."""

from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from flask import Response

from careapp.surface.headers import protected

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class WholeResponse(Response):
    """Has the headers that protect it, and hands a body that is all there over as a list. A server sends a list at
    once, and Werkzeug's iterator piece by piece through a channel, with another thread to wake for each.
    """

    def get_app_iter(self, environ: "WSGIEnvironment") -> Iterable[bytes]:
        """The body, and with it done what was to be done at its end."""
        pieces = super().get_app_iter(environ)
        if self.direct_passthrough or not self.is_sequence:
            return pieces
        with closing(pieces):  # type: ignore[type-var]  # Werkzeug's iterator can be closed
            return list(pieces)

    def get_wsgi_response(self, environ: "WSGIEnvironment") -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """Body, status and headers, the protecting ones among them."""
        body, status, headers = super().get_wsgi_response(environ)
        return body, status, protected(headers, secure=environ["wsgi.url_scheme"] == "https")
