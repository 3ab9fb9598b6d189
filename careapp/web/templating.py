"""What templates run in: Flask's environment, in which all of them share one dict of globals."""

from collections.abc import MutableMapping
from typing import Any

from flask.templating import Environment


class SharedGlobals(Environment):
    """Jinja gives each template a ChainMap over the environment's globals, and makes a set of its keys, one by one in
    Python, at each import that is reached: seventy times in a page of an episode.
    """

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """The environment's own globals, as no template of ours is loaded with others."""
        return {**self.globals, **d} if d else self.globals
