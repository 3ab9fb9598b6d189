"""Web: the pages; one file a domain, each view converts types and calls one function."""

from flask import Flask
from htmx_flask import Htmx

from careapp.web import (
    appointments,
    board,
    calendar,
    episodes,
    home,
    patients,
    prescriptions,
    referrals,
    sign_in,
    slots,
)
from careapp.web.assets import init_assets
from careapp.web.context import init_context
from careapp.web.errors import init_errors

PAGES = (sign_in, home, board, episodes, appointments, prescriptions, referrals, calendar, slots, patients)


def register(app: Flask) -> None:
    """Put the pages into the application, with what their templates use and what answers their errors."""
    Htmx(app)
    init_assets(app)
    init_context(app)
    init_errors(app)
    for pages in PAGES:
        app.register_blueprint(pages.bp)
