"""What templates run in: Flask's environment, in which all of them share one dict of globals and say all in ASCII."""

from collections.abc import Iterable, MutableMapping
from typing import Any

from flask.sansio.app import App
from flask.templating import Environment
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream


def in_ascii(html: str) -> str:
    """HTML that says the same with the numbers of signs beyond ASCII."""
    return html.encode("ascii", "xmlcharrefreplace").decode()


class InAscii(Extension):
    """What a template itself says in signs beyond ASCII, a dash or a dot between two things, it says by their numbers.

    One such sign has Python keep each letter of a piece of a page in two bytes, copy all of them whenever the piece is
    put into another, and write them one by one.
    """

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        """The template as it is read, before it is compiled."""
        for token in stream:
            if token.type == "data":
                yield Token(token.lineno, token.type, in_ascii(token.value))
            else:
                yield token


class Templates(Environment):
    """Flask's environment, in ASCII, with one dict of globals.

    Jinja gives each template a ChainMap over the environment's globals, and makes a set of its keys, one by one in
    Python, at each import that is reached: seventy times in a page of an episode.
    """

    def __init__(self, app: App, **options: Any) -> None:
        super().__init__(app, **options)
        self.add_extension(InAscii)

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """The environment's own globals, as no template of ours is loaded with others."""
        return {**self.globals, **d} if d else self.globals
