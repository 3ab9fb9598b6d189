"""What a refusal says on a page: in words where the JSON surfaces have codes, in the reader's language."""

import re

from flask_babel import lazy_gettext as _l

from careapp.episodes.states import EPISODE
from careapp.errors import Invalid, Refusal
from careapp.prescriptions.states import PRESCRIPTION
from careapp.referrals.states import REFERRAL
from careapp.scheduling.states import APPOINTMENT, SLOT
from careapp.web.language import SOURCE, current_language
from careapp.web.words import words

STALE = _l("Not done: somebody else changed this since you opened the page. Look at it again, then decide.")
_STATES = {state for one in (EPISODE, SLOT, APPOINTMENT, PRESCRIPTION, REFERRAL) for state in one.states}
_STATE = re.compile(rf"\b({'|'.join(sorted(_STATES, key=len, reverse=True))})\b")

# The domain speaks English, with the names and times of the case at hand. In another language the rule is told.
RULES = {
    "BUFFER_VIOLATION": _l("The provider needs the time before or after another visit free."),
    "BUSY": _l("Somebody else is changing the same thing right now. Try again in a moment."),
    "EPISODE_HAS_OPEN_WORK": _l("The episode cannot be closed while something in it is open."),
    "EPISODE_NOT_OPEN": _l("The episode is not open any more."),
    "FORBIDDEN": _l("Your role does not allow this."),
    "FOREIGN_SITE": _l("This came from another site, so nothing was done."),
    "ILLEGAL_TRANSITION": _l("The present state does not allow this. Look at it again, then decide."),
    "EVENT_NOT_PARKED": _l("That event is not parked: it may be on its way."),
    "EVENT_PUBLISHED": _l("That event has left already."),
    "LAST_ADMINISTRATOR": _l("This is the last administrator who can sign in. Make somebody else one first."),
    "NOTHING_TO_UNDO": _l("This cannot be taken back any more."),
    "NOT_FOUND": _l("There is nothing here under that address."),
    "OWN_ACCOUNT": _l("You cannot do this to yourself. Ask another administrator."),
    "PATIENT_BUSY": _l("The patient has another visit at that time."),
    "PROVIDER_NOT_PARTICIPATING": _l("The provider does not take part in the network at present."),
    "RATE_LIMITED": _l("Too many tries. Wait a moment, then try again."),
    "RESTRICTED": _l("This record is restricted: it is open to the patient's care team, or in an emergency."),
    "SLOT_OVERLAP": _l("The provider has another slot at that time."),
    "SLOT_UNAVAILABLE": _l("This time is no longer free."),
    "UNAUTHENTICATED": _l("The address or the password is wrong."),
    "UPSTREAM_UNAVAILABLE": _l("The records cannot be reached right now. Try again in a moment."),
}


def said(refusal: Refusal) -> str:
    """What a refusal says, in one text, with states as words."""
    if isinstance(refusal, Invalid):
        return " ".join(dict.fromkeys(refusal.errors.values())) or refusal.detail
    if refusal.code == "STALE_VERSION":
        return str(STALE)
    if current_language() != SOURCE and refusal.code in RULES:
        return str(RULES[refusal.code])
    return _STATE.sub(lambda found: words(found[0]).lower(), refusal.detail)
