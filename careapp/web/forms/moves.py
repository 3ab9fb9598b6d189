"""Forms of moves: the version the page showed, and what the move asks for."""

from flask_babel import lazy_gettext as _l

from careapp.lifecycle import Transition
from careapp.scheduling.states import CANCEL_CATEGORIES
from careapp.web.forms.fields import CareForm, VersionField
from careapp.web.forms.typed import CodeField, LineField, LocalMomentField, WordsField


class MoveForm(CareForm):
    """A move that asks for nothing more."""

    version = VersionField()
    reason = WordsField(_l("Reason"))


class ReasonedMoveForm(MoveForm):
    """A move that pages ask a reason for (lifecycle.Transition.needs_reason)."""

    reason = WordsField(_l("Reason"), required=True)


class CancelAppointmentForm(ReasonedMoveForm):
    """Why an appointment is called off, and by whom."""

    category = CodeField(_l("Called off by"), CANCEL_CATEGORIES)


class CloseForm(CareForm):
    """The summary an episode is closed with; `held_open` by what its page then names: the close was refused for it."""

    held_open = False
    version = VersionField()
    summary = WordsField(_l("Summary"), required=True)


class BookReferralForm(CareForm):
    """When and where a referral will be seen to; the time is on the clock the page names."""

    version = VersionField()
    scheduled_for = LocalMomentField(_l("When"))
    facility = LineField(_l("Where"))


class CompleteReferralForm(CareForm):
    """What came of a referral."""

    version = VersionField()
    outcome = WordsField(_l("Outcome"))


def move_form(transition: Transition) -> MoveForm:
    """The form of a move that takes a version and perhaps a reason."""
    return ReasonedMoveForm() if transition.needs_reason else MoveForm()
