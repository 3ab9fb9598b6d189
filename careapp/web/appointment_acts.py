"""What is done to an appointment on a page, as its form says it; each page shows what came of it in its own way."""

from careapp.lifecycle import Transition
from careapp.scheduling import appointments, changes
from careapp.scheduling.views import AppointmentView
from careapp.surface.actors import current_actor
from careapp.web.forms.moves import CancelAppointmentForm, MoveForm, move_form


def make_move(locator: str, transition: Transition) -> AppointmentView:
    """Make a move that asks for a version and perhaps a reason. Raises Invalid, and what the command refuses."""
    sent = move_form(transition).checked()
    return appointments.act(current_actor(), locator, action=transition.name, version=sent.version, reason=sent.reason)


def call_off(locator: str) -> AppointmentView:
    """Cancel, with the reason and who called it off. Raises Invalid, and what the command refuses."""
    sent = CancelAppointmentForm().checked()
    return appointments.act(
        current_actor(), locator, action="cancel", version=sent.version, reason=sent.reason, category=sent.category
    )


def take_back(locator: str) -> AppointmentView:
    """Take the last move back. Raises Invalid, and what the command refuses."""
    sent = MoveForm().checked()
    return changes.undo(current_actor(), locator, version=sent.version, reason=sent.reason)
