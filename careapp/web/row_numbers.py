"""Numbers of rows in addresses: one too large for the database is not found, like any other that does not exist."""

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

LARGEST = 2**63 - 1  # PostgreSQL's bigint


class RowNumber(IntegerConverter):
    """`<row:user_id>` in a route."""

    def __init__(self, map: Map) -> None:
        super().__init__(map, max=LARGEST)


def init_row_numbers(app: Flask) -> None:
    """Let routes use `<row:…>`."""
    app.url_map.converters["row"] = RowNumber
