"""Pages of prescriptions: writing one, and its moves."""

from flask import Blueprint, Response

from careapp.access import Permission
from careapp.errors import Conflict, Invalid
from careapp.lifecycle import Transition
from careapp.overviews.prescribers import get_prescribers
from careapp.overviews.timeline import get_banner
from careapp.prescriptions import service
from careapp.prescriptions.queries import get_prescription
from careapp.prescriptions.states import PRESCRIPTION
from careapp.prescriptions.views import Medication, PrescriptionView
from careapp.surface.actors import current_actor, requires
from careapp.web.episode_answers import form_refused, moved
from careapp.web.forms.care import PrescriptionForm
from careapp.web.forms.fields import options
from careapp.web.forms.moves import move_form
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.moves import each_move
from careapp.web.submissions import create_once

bp = Blueprint("prescriptions", __name__)


@bp.get("/episodes/<locator>/prescriptions/new")
@requires(Permission.PRESCRIPTION_WRITE)
def prescription_form(locator: str) -> Response:
    """The form; the prescriber is who treats the patient, unless somebody else is chosen."""
    return _form_page(_form(locator, fresh=True), locator)


@bp.post("/episodes/<locator>/prescriptions/new")
@requires(Permission.PRESCRIPTION_WRITE)
def issue(locator: str) -> Response:
    """Write the prescription and go back to the episode."""
    actor, form = current_actor(), _form(locator)
    try:
        sent = form.checked()

        def create() -> str:
            service.issue(
                actor, locator, medication=Medication(text=sent.medication), dosage=sent.dosage,
                quantity=sent.quantity, refills=sent.refills, provider_locator=sent.provider_locator,
            )  # fmt: skip
            return f"/episodes/{locator}"

        return see_other(create_once(actor, form, create), Notice("The prescription is issued."))
    except (Conflict, Invalid) as refusal:
        return _form_page(form, locator, refusal)


@each_move(bp, "/prescriptions", PRESCRIPTION, Permission.PRESCRIPTION_VIEW)
def prescription_move(locator: str, transition: Transition) -> Response:
    """Make a move and show the episode as it is then."""

    def act() -> PrescriptionView:
        sent = move_form(transition).checked()
        return service.act(current_actor(), locator, action=transition.name, version=sent.version, reason=sent.reason)

    return moved(act, lambda: get_prescription(current_actor(), locator).episode_locator)


def _form(locator: str, *, fresh: bool = False) -> PrescriptionForm:
    """The form with its prescribers; a fresh one has the likeliest chosen."""
    prescribers = get_prescribers(current_actor(), locator)
    form = PrescriptionForm(formdata=None, provider_locator=prescribers.likeliest) if fresh else PrescriptionForm()
    form.provider_locator.choices = options((one.locator, one.name) for one in prescribers.providers)
    return form


def _form_page(form: PrescriptionForm, locator: str, refusal: Conflict | Invalid | None = None) -> Response:
    form_refused(form, refusal)
    episode, banner, _ = get_banner(current_actor(), locator)
    return page_or_fragment(
        "prescriptions/new.html", "prescriptions/_form.html", refusal.status if refusal else 200, title="Prescribe",
        form=form, episode=episode, banner=banner,
    )  # fmt: skip
