"""Web: the pages; one file a domain, each view converts types and calls one function."""

from flask import Flask
from htmx_flask import Htmx

from careapp.web import (
    account,
    appointments,
    backchannel,
    board,
    calendar,
    confirm,
    dashboard,
    drafts,
    emergency,
    episodes,
    factors,
    federation,
    home,
    medicines,
    next_free,
    palette,
    patient_facts,
    patients,
    preferences,
    prescription_print,
    prescriptions,
    record_access,
    referral_board,
    referrals,
    registration,
    second_stage,
    sign_in,
    slots,
    spans,
    today,
    walk_in,
)
from careapp.web.admin import (
    audit,
    clients,
    clinics,
    emergencies,
    erasure,
    outbox,
    providers,
    sections,
    settings,
    users,
)
from careapp.web.assets import init_assets
from careapp.web.compression import init_compression
from careapp.web.context import init_context
from careapp.web.errors import init_errors
from careapp.web.language import init_language
from careapp.web.row_numbers import init_row_numbers

PAGES = (
    sign_in, federation, backchannel, home, today, walk_in, calendar, spans, next_free, slots, board, episodes,
    appointments, prescriptions, medicines, prescription_print, referrals, referral_board, registration, patients,
    patient_facts, dashboard, drafts, preferences, account, confirm, factors, second_stage, palette,
    sections, users, clinics, providers, settings, outbox, audit, record_access, emergency, emergencies,
    erasure, clients,
)  # fmt: skip


def register(app: Flask) -> None:
    """Put the pages into the application, with what their templates use and what answers their errors."""
    init_compression(app)
    Htmx(app)
    init_language(app)
    init_row_numbers(app)
    init_assets(app, changing=app.config["SETTINGS"].development)
    init_context(app)
    init_errors(app)
    for pages in PAGES:
        app.register_blueprint(pages.bp)
