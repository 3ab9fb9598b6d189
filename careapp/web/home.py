"""The first page of each role."""

from flask import Blueprint, Response

from careapp.access import Permission
from careapp.surface.actors import current_actor, signed_in
from careapp.web.htmx import page_or_fragment, see_other

bp = Blueprint("home", __name__)


@bp.get("/")
@signed_in
def home() -> Response:
    """The board for who gives or organises care; for others a page that says what they will find here."""
    if current_actor().may(Permission.EPISODE_VIEW):
        return see_other("/episodes")
    return page_or_fragment("home/home.html", "home/home.html")
