"""The first page of each role."""

from flask import Blueprint, Response

from careapp.access import Permission
from careapp.surface.actors import current_actor, signed_in
from careapp.web.htmx import page_or_fragment, see_other

bp = Blueprint("home", __name__)

# What somebody begins his day with, by what he may; the first that fits.
HOMES = ((Permission.APPOINTMENT_VIEW, "/today"), (Permission.AUDIT_VIEW, "/admin/audit"))


@bp.get("/")
@signed_in
def home() -> Response:
    """Today's list for who gives or organises care, the audit for who looks after it; else a page that says so."""
    for permission, address in HOMES:
        if current_actor().may(permission):
            return see_other(address)
    return page_or_fragment("home/home.html", "home/home.html")
