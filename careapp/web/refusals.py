"""What a refusal says on a page: in words where the JSON surfaces have codes."""

import re

from careapp.episodes.states import EPISODE
from careapp.errors import Invalid, Refusal
from careapp.prescriptions.states import PRESCRIPTION
from careapp.referrals.states import REFERRAL
from careapp.scheduling.states import APPOINTMENT, SLOT
from careapp.web.words import words

STALE = "Not done: somebody else changed this since you opened the page. Look at it again, then decide."
_STATES = {state for one in (EPISODE, SLOT, APPOINTMENT, PRESCRIPTION, REFERRAL) for state in one.states}
_STATE = re.compile(rf"\b({'|'.join(sorted(_STATES, key=len, reverse=True))})\b")


def said(refusal: Refusal) -> str:
    """What a refusal says, in one text, with states as words."""
    if isinstance(refusal, Invalid):
        return " ".join(dict.fromkeys(refusal.errors.values())) or refusal.detail
    if refusal.code == "STALE_VERSION":
        return STALE
    return _STATE.sub(lambda found: words(found[0]).lower(), refusal.detail)
