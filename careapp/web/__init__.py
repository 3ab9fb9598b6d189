"""Web: the pages; one file a domain, each view converts types and calls one function."""

from flask import Flask

from careapp.web import sign_in
from careapp.web.assets import init_assets


def register(app: Flask) -> None:
    """Put the pages into the application."""
    init_assets(app)
    app.register_blueprint(sign_in.bp)
