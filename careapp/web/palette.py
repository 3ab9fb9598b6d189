"""The command palette: where to go, by keyboard, and the list of keys."""

from flask import Blueprint, Response
from flask_babel import lazy_gettext as _l

from careapp.access import Permission
from careapp.patients.queries import search_patients
from careapp.surface.actors import current_actor, requires, signed_in
from careapp.web.forms.finding import QuickFindForm, meant_by_now
from careapp.web.htmx import page_or_fragment

bp = Blueprint("palette", __name__)

FOUND_AT_ONCE = 8

# Places besides the menu: address, name, and who may go there.
PLACES = (
    ("/patients/new", _l("Register a patient"), Permission.PATIENT_REGISTER),
    ("/account", _l("Your account"), Permission.OWN_ACCOUNT),
    ("/preferences", _l("Preferences"), Permission.OWN_PREFERENCES),
    ("/keys", _l("Keyboard shortcuts"), Permission.OWN_PREFERENCES),
)


@bp.get("/palette")
@signed_in
def palette() -> Response:
    """All places of the actor, and a search for patients where he may see them."""
    actor = current_actor()
    places = [(address, name) for address, name, permission in PLACES if actor.may(permission)]
    return page_or_fragment("palette/page.html", "palette/_palette.html", places=places)


@bp.post("/palette")
@requires(Permission.PATIENT_VIEW)
def find() -> Response:
    """The patients somebody means; a POST, so that what was typed stands in no address."""
    wanted = (QuickFindForm().q.data or "").strip()
    searched = meant_by_now(wanted)
    found = search_patients(current_actor(), limit=FOUND_AT_ONCE, **searched).items if searched else []
    return page_or_fragment("palette/found.html", "palette/_found.html", found=found, wanted=wanted)


@bp.get("/keys")
@signed_in
def keys() -> Response:
    """The keys that do something, and where."""
    return page_or_fragment("palette/keys.html", "palette/_keys.html")
