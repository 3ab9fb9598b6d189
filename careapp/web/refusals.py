"""What a refusal says on a page: in words where the JSON surfaces have codes, in the reader's language."""

import re

from flask_babel import lazy_gettext as _l

from careapp.episodes.states import EPISODE
from careapp.errors import Invalid, Refusal
from careapp.prescriptions.states import PRESCRIPTION
from careapp.referrals.states import REFERRAL
from careapp.scheduling.states import APPOINTMENT, SLOT
from careapp.telemetry.metrics import count_refusal
from careapp.web.language import SOURCE, current_language, in_words_of_reader
from careapp.web.words import words

STALE = _l("Not done: somebody else changed this since you opened the page. Look at it again, then decide.")
_STATES = {state for one in (EPISODE, SLOT, APPOINTMENT, PRESCRIPTION, REFERRAL) for state in one.states}
_STATE = re.compile(rf"\b({'|'.join(sorted(_STATES, key=len, reverse=True))})\b")

# The domain speaks English, with the names and times of the case at hand. In another language the rule is told.
RULES = {
    "ADDRESS_TAKEN": _l(
        "Somebody signs in here with your e-mail address and a password. Ask an administrator which account is yours."
    ),
    "ALLERGY_KNOWN": _l("An allergy is recorded. End it first if it does not hold."),
    "ALREADY_ERASED": _l("This patient was erased already."),
    "ALREADY_SO": _l("The record is so already."),
    "BUFFER_VIOLATION": _l("The provider needs the time before or after another visit free."),
    "BUSY": _l("Somebody else is changing the same thing right now. Try again in a moment."),
    "DISABLED": _l("Your account here is disabled. Ask an administrator."),
    "EPISODE_HAS_OPEN_WORK": _l("The episode cannot be closed while something in it is open."),
    "EPISODE_NOT_OPEN": _l("The episode is not open any more."),
    "EPISODE_OPEN": _l("An episode is open. Close or cancel it first."),
    "EVENT_NOT_PARKED": _l("That event is not parked: it may be on its way."),
    "EVENT_PUBLISHED": _l("That event has left already."),
    "FACT_ENDED": _l("This was ended already."),
    "FORBIDDEN": _l("Your role does not allow this."),
    "FOREIGN_SITE": _l("This came from another site, so nothing was done."),
    "HAS_RECORD": _l("The patient has a clinical record: it is not erased as entered in error."),
    "HOLD_LIFTED": _l("This hold was lifted already."),
    "ILLEGAL_TRANSITION": _l("The present state does not allow this. Look at it again, then decide."),
    "INSUFFICIENT_SCOPE": _l("This token was given for other acts."),
    "LAST_ADMINISTRATOR": _l("This is the last administrator who can sign in. Make somebody else one first."),
    "LAST_FACTOR": _l("Your clinic asks for a second factor. Add another one before you remove this."),
    "LEGAL_HOLD": _l("A legal hold stands on this patient. It has to be lifted first."),
    "NOTHING_TO_UNDO": _l("This cannot be taken back any more."),
    "NOT_FOUND": _l("There is nothing here under that address."),
    "NOT_NEEDED": _l("This record is open to you. Nothing has to be declared."),
    "NO_ENROLMENT": _l("This has taken too long. Begin again."),
    "NO_PASSKEYS_HERE": _l("Passkeys work only under the main address of this site."),
    "NO_ROLE": _l("You are known there, but you have no role here. Ask whoever gives out roles to give you one."),
    "NO_USER": _l("This belongs to a person; sign in as one."),
    "NPI_TAKEN": _l("Another provider has this NPI."),
    "OTHER_TENANT": _l("You are known here as a member of another clinic. Ask an administrator to change that."),
    "OUTCOME_UNKNOWN": _l("It is not known whether this was done. Look before you do it again."),
    "OWN_ACCOUNT": _l("You cannot do this to yourself. Ask another administrator."),
    "PATIENT_BUSY": _l("The patient has another visit at that time."),
    "PATIENT_ERASED": _l("This patient was erased. Register him anew."),
    "PROVIDER_NOT_PARTICIPATING": _l("The provider does not take part in the network at present."),
    "RATE_LIMITED": _l("Too many tries. Wait a moment, then try again."),
    "RECORDS_KEPT": _l("The record has to be kept for longer."),
    "RESTRICTED": _l("This record is restricted: it is open to the patient's care team, or in an emergency."),
    "REVIEWED": _l("This was reviewed already."),
    "SLOT_OVERLAP": _l("The provider has another slot at that time."),
    "SLOT_UNAVAILABLE": _l("This time is no longer free."),
    "SOMEBODY_ELSE": _l("You signed in as somebody else. Sign out first, or confirm as the person you are here."),
    "TENANT_SUSPENDED": _l("Access for your organisation is suspended. Ask whoever runs this service for it."),
    "TOO_MANY_CLIENTS": _l("There are as many service clients as there can be."),
    "TOO_MANY_FAVOURITES": _l("You have as many favourites as there can be. Remove one first."),
    "TOO_MANY_PASSKEYS": _l("You have as many passkeys as there can be. Remove one first."),
    "UNAUTHENTICATED": _l("The address or the password is wrong."),
    "UPSTREAM_UNAVAILABLE": _l("The records cannot be reached right now. Try again in a moment."),
    "USED": _l("This sign-in was used already. Start again."),
}
NAMED_BESIDE = {"EPISODE_HAS_OPEN_WORK"}  # the page names the case at hand itself, with links, so the rule is enough


def said(refusal: Refusal) -> str:
    """What a refusal says, in one text, with states as words."""
    count_refusal(refusal)
    if isinstance(refusal, Invalid):
        return " ".join(dict.fromkeys(map(in_words_of_reader, refusal.errors.values()))) or refusal.detail
    if refusal.code == "STALE_VERSION":
        return str(STALE)
    if refusal.code in NAMED_BESIDE or (current_language() != SOURCE and refusal.code in RULES):
        return str(RULES[refusal.code])
    return _STATE.sub(lambda found: words(found[0]).lower(), refusal.detail)
