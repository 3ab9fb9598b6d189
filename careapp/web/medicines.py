"""Steps of filling in a prescription: finding a medicine, favourites, earlier orders, the sentence a dosage makes.

Each is a button of the one form, which comes back with all that was typed; nothing here issues a prescription.
"""

from collections.abc import Callable

from flask import Blueprint, Response, request
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.errors import Conflict, Invalid, found
from careapp.overviews.prescribing import find_medicines, get_order
from careapp.prescriptions.favourites import forget_favourite, keep_favourite
from careapp.surface.actors import current_actor, requires
from careapp.terminology.queries import find_medicine
from careapp.web.forms.fields import storable
from careapp.web.forms.prescriptions import PrescriptionForm
from careapp.web.htmx import is_htmx, page_or_fragment
from careapp.web.prescribing import Desk, address_of, dosage_of, number_in

bp = Blueprint("medicines", __name__)

FOUND, DOSAGE = "prescriptions/_found.html", "prescriptions/_dosage.html"


@bp.post("/episodes/<locator>/prescriptions/new/find")
@requires(Permission.PRESCRIPTION_WRITE)
def find(locator: str) -> Response:
    """Medicines for what is typed: for htmx the list alone, else the form with it."""
    if not is_htmx():
        desk = Desk.sent(locator)
        desk.search()
        return desk.page()
    typed = storable("medication", request.form.get("medication") or "").strip()
    matches = find_medicines(current_actor(), locator, typed)
    return page_or_fragment(
        FOUND, FOUND, found=matches, typed=typed, action=address_of(locator), coded=False, alone=True,
        focus_found=False,
    )  # fmt: skip


@bp.post("/episodes/<locator>/prescriptions/new/fill")
@requires(Permission.PRESCRIPTION_WRITE)
def fill(locator: str) -> Response:
    """Do what the pressed button says with the form as it was sent, and show it again."""
    desk = Desk.sent(locator)
    pressed, _colon, value = storable("press", request.form.get("press") or "show").partition(":")
    try:
        STEPS.get(pressed, _show)(desk, value)
    except (Conflict, Invalid) as refusal:
        return desk.page(refusal)
    return desk.page()


@bp.post("/medicines/sentence")
@requires(Permission.PRESCRIPTION_WRITE)
def dosage_sentence() -> Response:
    """The sentence the parts of a dosage make, and the quantity that takes; of nobody in particular."""
    form = PrescriptionForm()
    return page_or_fragment(DOSAGE, DOSAGE, form=form, **dosage_of(form))


def _show(desk: Desk, value: str) -> None:
    """Show what the form says so far: medicines to choose from, the sentence, the checks; what the Enter key does."""
    desk.search()
    desk.focus_found = True


def _medicine(desk: Desk, value: str) -> None:
    desk.form.choose(found(find_medicine(current_actor(), value)))


def _favourite(desk: Desk, value: str) -> None:
    number = number_in(value)
    desk.form.fill(found(next((one for one in desk.offered.favourites if one.id == number), None)))


def _repeat(desk: Desk, value: str) -> None:
    desk.form.fill(get_order(current_actor(), desk.locator, value))


def _clear(desk: Desk, value: str) -> None:
    desk.form.clear()


def _keep(desk: Desk, value: str) -> None:
    """Keep what the form says as a favourite."""
    form = desk.form
    sent = form.checked()
    directions, parts = form.directions()
    keep_favourite(
        current_actor(), medication=form.ordered(), dosage=directions, parts=parts, quantity=sent.quantity,
        refills=sent.refills,
    )  # fmt: skip
    _again(desk, _("Kept among your favourites."))


def _forget(desk: Desk, value: str) -> None:
    forget_favourite(current_actor(), number_in(value))
    _again(desk, _("Removed from your favourites."))


def _again(desk: Desk, done: str) -> None:
    """Read the favourites anew after a change, and say what was done."""
    desk.offered = Desk.sent(desk.locator).offered
    desk.done = done


STEPS: dict[str, Callable[[Desk, str], None]] = {
    "medicine": _medicine, "favourite": _favourite, "repeat": _repeat, "clear": _clear, "keep": _keep,
    "forget": _forget,
}  # fmt: skip
