"""Forms of moves: the version the page showed, and what the move asks for."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext as _
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
    """When and where a referral will be seen to, one of them at least; the time is on the clock the page names."""

    version = VersionField()
    scheduled_for = LocalMomentField(_l("When"))
    facility = LineField(_l("Where"))

    def validate(self, extra_validators: Mapping[str, Sequence[Any]] | None = None) -> bool:
        """Whether all can be taken; not a booking of which nothing would be known."""
        valid: bool = super().validate(extra_validators)
        if valid and self.scheduled_for.data is None and self.facility.data is None:
            self.facility.errors = [_("Say when or where it is booked.")]
            return False
        return valid


class CompleteReferralForm(CareForm):
    """What came of a referral."""

    version = VersionField()
    outcome = WordsField(_l("Outcome"))


def move_form(transition: Transition) -> MoveForm:
    """The form of a move that takes a version and perhaps a reason."""
    return ReasonedMoveForm() if transition.needs_reason else MoveForm()
