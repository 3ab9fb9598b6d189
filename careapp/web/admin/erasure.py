"""Pages of erasure: one patient by number, the holds on him, and forgetting him for good."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.erasure import holds
from careapp.erasure.erase import erase_patient
from careapp.erasure.standing import get_standing
from careapp.errors import Conflict, Invalid, NotFound
from careapp.operations.settings import get_settings
from careapp.surface.actors import current_actor, requires
from careapp.surface.step_up import recently_confirmed
from careapp.web.forms.erasure import EraseForm, FindErasureForm, HoldForm, LiftForm
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.refusals import said
from careapp.web.submissions import act_once

bp = Blueprint("admin_erasure", __name__)

PAGE = "admin/erasure.html"


@bp.get("/admin/erasure")
@requires(Permission.PATIENT_ERASE)
def find() -> Response:
    """The form that finds a patient by number."""
    return page_or_fragment(PAGE, PAGE, form=FindErasureForm(formdata=None), shown=None)


@bp.post("/admin/erasure")
@requires(Permission.PATIENT_ERASE)
def found() -> Response:
    """Go to the patient with that number."""
    form = FindErasureForm()
    try:
        locator = form.checked().locator.upper()
        get_standing(current_actor(), locator)
    except (Invalid, NotFound) as refusal:
        form.refuse(refusal if isinstance(refusal, Invalid) else Invalid({"locator": _("There is no such patient.")}))
        return page_or_fragment(PAGE, PAGE, 422, title=_("Erasure"), form=form, shown=None)
    return see_other(f"/admin/erasure/{locator}")


@bp.get("/admin/erasure/<locator>")
@requires(Permission.PATIENT_ERASE)
def patient(locator: str) -> Response:
    """What keeps a patient from being erased, and the forms."""
    return _page(locator)


@bp.post("/admin/erasure/<locator>/hold")
@requires(Permission.PATIENT_ERASE)
def hold(locator: str) -> Response:
    """Set a hold."""
    form = HoldForm()

    def act() -> None:
        holds.set_hold(current_actor(), locator, reason=form.checked().reason)

    return _act(locator, act, _("The hold is set."), hold_form=form)


@bp.post("/admin/erasure/<locator>/lift")
@requires(Permission.PATIENT_ERASE)
@recently_confirmed
def lift(locator: str) -> Response:
    """Lift a hold."""

    def act() -> None:
        holds.lift_hold(current_actor(), locator, hold_id=LiftForm().checked().hold_id)

    return _act(locator, act, _("The hold is lifted."))


@bp.post("/admin/erasure/<locator>/erase")
@requires(Permission.PATIENT_ERASE)
@recently_confirmed
def erase(locator: str) -> Response:
    """Forget the patient for good, once his number was typed again."""
    form = EraseForm()

    def act() -> None:
        sent = form.checked()
        if sent.typed.upper() != locator:
            raise Invalid({"typed": _("This is not the number of this patient. Nothing was erased.")})
        erase_patient(
            current_actor(), locator, category=sent.category, reason=sent.reason, version=sent.version
        )  # fmt: skip

    return _act(locator, act, _("The patient is erased."), erase_form=form)


def _act(locator: str, act: Callable[[], None], text: str, **forms: Any) -> Response:
    """Do it and show the patient as he is then. A refusal keeps what was typed."""
    try:
        act_once(current_actor(), act)
    except Invalid as refusal:
        for form in forms.values():
            form.refuse(refusal)
        return _page(locator, 422, alert=None if forms else said(refusal), **forms)
    except Conflict as refusal:
        return _page(locator, 409, alert=said(refusal), **forms)
    return see_other(f"/admin/erasure/{locator}", Notice(text))


def _page(locator: str, status: int = 200, *, alert: str | None = None, **forms: Any) -> Response:
    actor = current_actor()
    shown = get_standing(actor, locator)
    context = {
        "form": FindErasureForm(formdata=None), "hold_form": HoldForm(formdata=None),
        "erase_form": EraseForm(formdata=None, version=shown.version), **forms,
    }  # fmt: skip
    context["erase_form"].version.data = shown.version  # what he sees now is what he decides on
    return page_or_fragment(
        PAGE, PAGE, status, title=_("Erasure"), alert=alert, shown=shown, zone=get_settings(actor).time_zone, **context
    )
