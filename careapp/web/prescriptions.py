"""Pages of prescriptions: writing one, and its moves."""

from flask import Blueprint, Response
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.errors import Conflict, Invalid
from careapp.lifecycle import Transition
from careapp.prescriptions import service
from careapp.prescriptions.queries import get_prescription
from careapp.prescriptions.states import PRESCRIPTION
from careapp.prescriptions.views import PrescriptionView
from careapp.surface.actors import current_actor, requires
from careapp.web.episode_answers import moved
from careapp.web.forms.moves import move_form
from careapp.web.htmx import Notice, see_other
from careapp.web.moves import each_move
from careapp.web.prescribing import Desk
from careapp.web.submissions import create_once

bp = Blueprint("prescriptions", __name__)


@bp.get("/episodes/<locator>/prescriptions/new")
@requires(Permission.PRESCRIPTION_WRITE)
def prescription_form(locator: str) -> Response:
    """The form; the prescriber is who treats the patient, unless somebody else is chosen."""
    return Desk.opened(locator).page()


@bp.post("/episodes/<locator>/prescriptions/new")
@requires(Permission.PRESCRIPTION_WRITE)
def issue(locator: str) -> Response:
    """Write the prescription and go back to the episode; what the checks find asks for a reason first."""
    desk, issued = Desk.sent(locator), Notice(_("The prescription is issued."))
    actor, form = current_actor(), desk.form
    try:
        sent = form.checked()
        directions, parts = form.directions()

        def create() -> str:
            service.issue(
                actor, locator, medication=form.ordered(), dosage=directions, parts=parts, quantity=sent.quantity,
                refills=sent.refills, provider_locator=sent.provider_locator, interrupt=True, override=form.override(),
            )  # fmt: skip
            return f"/episodes/{locator}"

        return see_other(create_once(actor, form, create), issued)
    except (Conflict, Invalid) as refusal:
        return desk.page(refusal)


@each_move(bp, "/prescriptions", PRESCRIPTION, Permission.PRESCRIPTION_VIEW)
def prescription_move(locator: str, transition: Transition) -> Response:
    """Make a move and show the episode as it is then."""

    def act() -> PrescriptionView:
        sent = move_form(transition).checked()
        return service.act(current_actor(), locator, action=transition.name, version=sent.version, reason=sent.reason)

    return moved(act, lambda: get_prescription(current_actor(), locator).episode_locator)
