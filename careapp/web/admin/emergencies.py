"""Pages of the review of emergency access: who opened which restricted record, why, and what the review said."""

from flask import Blueprint, Response, request
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.disclosure import emergency
from careapp.errors import Conflict, Forbidden, Invalid
from careapp.overviews.zones import get_zone_for_review
from careapp.surface.actors import current_actor, requires
from careapp.surface.step_up import recently_confirmed
from careapp.web.forms.disclosure import ReviewForm
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.refusals import said

bp = Blueprint("admin_emergencies", __name__)

ADDRESS, PAGE = "/admin/emergency-access", "admin/emergencies.html"


@bp.get("/admin/emergency-access")
@requires(Permission.EMERGENCY_REVIEW)
def emergencies() -> Response:
    """Emergency accesses, newest first; with `open` in the address, those nobody has reviewed."""
    return _page()


@bp.post("/admin/emergency-access/<row:access_id>/review")
@requires(Permission.EMERGENCY_REVIEW)
@recently_confirmed
def review(access_id: int) -> Response:
    """Note that it was looked at."""
    try:
        emergency.review(current_actor(), access_id, remark=ReviewForm().checked().remark)
    except (Conflict, Forbidden, Invalid) as refusal:
        return _page(refusal.status, alert=said(refusal))
    return see_other(ADDRESS, Notice(_("The review is saved.")))


def _page(status: int = 200, *, alert: str | None = None) -> Response:
    actor, only_open = current_actor(), "open" in request.args
    shown = emergency.list_emergencies(actor, only_open=only_open, cursor=request.args.get("cursor"))
    return page_or_fragment(
        PAGE, PAGE, status, title=_("Emergency access"), alert=alert, shown=shown, only_open=only_open,
        zone=get_zone_for_review(actor),
    )  # fmt: skip
