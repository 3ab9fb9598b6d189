"""The audit log in words: each act as a sentence, and everybody in it by what people call him."""

from collections.abc import Collection, Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from careapp.operations.audit_search import AuditEntry
from careapp.overviews.lifecycles import LIFECYCLES
from careapp.web.words import WORDS, words

# What was done or seen. `who` and `about` are printed as they are called on pages.
SENTENCES = {
    "appointment.list": _l("%(who)s saw the appointments of %(about)s"),
    "appointment.read": _l("%(who)s opened %(about)s"),
    "appointment.same_day": _l("%(who)s saw what patients have on the day of %(about)s"),
    "audit.anchor": _l("%(who)s sent the newest seal of the log out"),
    "audit.export": _l("%(who)s exported the audit log"),
    "audit.retire": _l("%(who)s retired a month of the log, %(about)s"),
    "audit.search": _l("%(who)s searched the audit log"),
    "client.create": _l("%(who)s added the service client %(about)s"),
    "client.disable": _l("%(who)s disabled the service client %(about)s"),
    "client.enable": _l("%(who)s enabled the service client %(about)s"),
    "client.rotate": _l("%(who)s gave the service client %(about)s a new secret"),
    "client.token": _l("%(about)s fetched a token"),
    "clinic.change": _l("%(who)s changed clinic %(about)s"),
    "clinic.create": _l("%(who)s entered clinic %(about)s"),
    "day.list": _l("%(who)s saw the list of a day"),
    "demo.build": _l("%(who)s built the demo clinic"),
    "draft.read": _l("%(who)s came back to a draft of the form %(about)s"),
    "episode.board": _l("%(who)s saw the board"),
    "episode.list": _l("%(who)s saw a list of episodes"),
    "episode.page": _l("%(who)s opened the page of %(about)s"),
    "episode.read": _l("%(who)s opened %(about)s"),
    "factor.add": _l("%(who)s began to use a second factor"),
    "factor.begin": _l("%(who)s began to set up an authenticator app"),
    "factor.recovery_codes": _l("%(who)s made new recovery codes"),
    "factor.remove": _l("%(who)s gave up a second factor"),
    "import.bundle": _l("%(who)s imported a file from another system"),
    "keys.rotate": _l("%(who)s encrypted everything anew with the key %(about)s"),
    "outbox.event": _l("%(who)s looked at an event of %(about)s that had not left"),
    "outbox.list": _l("%(who)s saw events that had not left"),
    "outbox.retry": _l("%(who)s sent an event of %(about)s again"),
    "outbox.withhold": _l("%(who)s withheld the data of an event of %(about)s"),
    "patient.access": _l("%(who)s saw who may read the record of %(about)s"),
    "patient.care_team.add": _l("%(who)s added somebody to the care team of %(about)s"),
    "patient.care_team.remove": _l("%(who)s took somebody out of the care team of %(about)s"),
    "patient.consent": _l("%(who)s recorded what %(about)s consents to"),
    "patient.emergency_access": _l("%(who)s opened the restricted record of %(about)s in an emergency"),
    "patient.emergency_end": _l("%(who)s ended his emergency access to %(about)s"),
    "patient.emergency_list": _l("%(who)s saw the list of emergency accesses"),
    "patient.emergency_review": _l("%(who)s reviewed an emergency access to %(about)s"),
    "patient.erase": _l("%(who)s erased %(about)s"),
    "patient.fact.add": _l("%(who)s noted a condition or an allergy of %(about)s"),
    "patient.fact.end": _l("%(who)s ended a condition or an allergy of %(about)s"),
    "patient.facts": _l("%(who)s saw conditions and allergies of %(about)s"),
    "patient.hold": _l("%(who)s set a legal hold on %(about)s"),
    "patient.lift_hold": _l("%(who)s lifted a legal hold on %(about)s"),
    "patient.likely": _l("%(who)s was shown patients who may be the same person"),
    "patient.lift": _l("%(who)s opened the record of %(about)s to everybody in care again"),
    "patient.list": _l("%(who)s saw a list of patients"),
    "patient.page": _l("%(who)s opened the page of %(about)s"),
    "patient.read": _l("%(who)s opened the record of %(about)s"),
    "patient.register": _l("%(who)s registered %(about)s"),
    "patient.restrict": _l("%(who)s restricted the record of %(about)s"),
    "patient.search": _l("%(who)s searched for patients"),
    "patient.standing": _l("%(who)s looked at what keeps %(about)s from being erased"),
    "patient.update": _l("%(who)s changed the record of %(about)s"),
    "portal.episode": _l("%(who)s showed %(about)s to a member"),
    "prescription.check": _l("%(who)s had a prescription of %(about)s checked"),
    "prescription.checks": _l("%(who)s issued %(about)s after its check"),
    "prescription.earlier": _l("%(who)s saw earlier prescriptions of %(about)s"),
    "prescription.favourite": _l("%(who)s kept a medicine as a favourite"),
    "prescription.forget_favourite": _l("%(who)s gave up a favourite medicine"),
    "prescription.list": _l("%(who)s saw the prescriptions of %(about)s"),
    "prescription.print": _l("%(who)s opened the paper of %(about)s"),
    "prescription.read": _l("%(who)s opened %(about)s"),
    "prescription.verify": _l("%(who)s compared a paper with %(about)s"),
    "provider.change": _l("%(who)s changed provider %(about)s"),
    "referral.board": _l("%(who)s saw the board of referrals"),
    "referral.list": _l("%(who)s saw the referrals of %(about)s"),
    "referral.read": _l("%(who)s opened %(about)s"),
    "settings.change": _l("%(who)s changed the settings"),
    "slot.block_span": _l("%(who)s blocked the slots of a span of time"),
    "slot.bookings": _l("%(who)s saw who is booked in %(about)s"),
    "slot.calendar": _l("%(who)s saw the calendar"),
    "slot.to_call": _l("%(who)s saw whom to call about a blocked time"),
    "slot.unblock_span": _l("%(who)s unblocked the slots of a span of time"),
    "tenant.delete": _l("%(who)s began to delete the organisation"),
    "tenant.deleted": _l("%(who)s deleted the organisation"),
    "tenant.export": _l("%(who)s exported all rows of the organisation"),
    "tenant.resume": _l("%(who)s let the organisation in again"),
    "tenant.suspend": _l("%(who)s suspended the organisation"),
    "user.change": _l("%(who)s changed what %(about)s is and may do"),
    "user.change_password": _l("%(who)s changed his own password"),
    "user.confirm": _l("%(who)s confirmed who he is"),
    "user.create": _l("%(who)s added %(about)s to the staff"),
    "user.disable": _l("%(who)s disabled %(about)s"),
    "user.enable": _l("%(who)s enabled %(about)s"),
    "user.end_session": _l("%(who)s signed %(about)s out in one place"),
    "user.end_sessions": _l("%(who)s signed %(about)s out everywhere"),
    "user.federate": _l("%(who)s joined %(about)s to an account of its own"),
    "user.first_factor": _l("%(who)s gave the right password, before a second factor"),
    "user.remove_factors": _l("%(who)s removed all second factors of %(about)s"),
    "user.set_password": _l("%(who)s gave %(about)s a new password"),
    "user.set_preferences": _l("%(who)s changed his own preferences"),
    "user.sign_in": _l("%(who)s signed in"),
    "user.sign_out": _l("%(who)s signed out"),
}
MOVED = _l("%(who)s: %(about)s is now marked “%(move)s”")  # a move of a lifecycle
OTHERWISE = _l("%(who)s did “%(act)s” with %(about)s")
OTHERWISE_NOTHING = _l("%(who)s did “%(act)s”")
REFUSED = _l("%(who)s was refused “%(act)s” with %(about)s")
REFUSED_NOTHING = _l("%(who)s was refused “%(act)s”")
FAILED_SIGN_IN = _l("Somebody failed to sign in as %(about)s")

OTHERS = {
    "portal": _l("The member portal"),
    "nobody": _l("Somebody not signed in"),
    "import": _l("The import"),
    "cli": _l("The command line"),
    "jobs": _l("The jobs"),
    "demo": _l("The demo clinic"),
    "identity-provider": _l("The identity provider"),
}
PURPOSES = {
    "TREAT": _l("Care of the patient"),
    "ETREAT": _l("Care in an emergency"),
    "PATRQT": _l("The patient's own wish"),
    "HOPERAT": _l("Running the clinic"),
    "HSYSADMIN": _l("Keeping the system"),
}
WHY = {
    "FORBIDDEN": _l("the role does not allow it"),
    "RESTRICTED": _l("the record is restricted"),
    "NOT_FOUND": _l("there is no such thing for this user"),
    "STALE_VERSION": _l("somebody else had changed it"),
    "VALIDATION_FAILED": _l("something in it was wrong"),
    "NO_ROLE": _l("the identity provider gives no role here"),
    "TENANT_SUSPENDED": _l("the organisation is suspended"),
}


def actions() -> list[tuple[str, str]]:
    """Every act the log can be searched by, as (code, words), in the order of the words."""
    moves = {
        f"{entity}.{move}": f"{words(entity)}: {words(move)}"
        for entity, lifecycle in LIFECYCLES.items()
        for move in (one.name for one in lifecycle.transitions)
    }
    others = {code: act(code) for code in SENTENCES}
    return sorted((moves | others).items(), key=lambda pair: pair[1].casefold())


def act(code: str) -> str:
    """An act's code read out: `episode.page` is "Episode: page", `get_episode_page` is "Get episode page"."""
    entity, dot, rest = code.partition(".")
    told = rest.replace("_", " ").replace("-", " ") if dot else ""
    return f"{words(entity)}: {told}" if told else words(entity)


def user_ids(entries: Collection[AuditEntry]) -> set[int]:
    """The numbers of the users that entries speak of."""
    named = {text for one in entries for text in (one.actor, one.subject or "", one.on_behalf_of or "")}
    numbers = (text.removeprefix("user:") for text in named if text.startswith("user:"))
    return {int(number) for number in numbers if number.isdecimal() and len(number) < 19}


def who(name: str, names: Mapping[int, str]) -> str:
    """What people call an actor: a member of staff by name; his number where nobody of the tenant has it."""
    number = name.removeprefix("user:")
    if number != name and number.isdecimal() and int(number) in names:
        return names[int(number)]
    return str(OTHERS[name]) if name in OTHERS else name


def sentence(entry: AuditEntry, names: Mapping[int, str]) -> Markup:
    """One entry as a sentence. Names and locators in it are escaped."""
    about = entry.subject and who(entry.subject, names)
    staff = bool(entry.subject and entry.subject.startswith("user:"))
    called = Markup("<strong>%s</strong>" if staff else '<span class="locator">%s</span>')
    _entity, _dot, move = entry.action.partition(".")
    return Markup(str(_pattern(entry))) % {
        "who": Markup("<strong>%s</strong>") % who(entry.actor, names),
        "about": called % (about or "–"),
        "act": act(entry.action),
        "move": str(WORDS[move]) if move in WORDS else act(entry.action),
    }


def why(entry: AuditEntry) -> str:
    """Why something was refused; empty for what was not."""
    code = str(entry.detail.get("code") or "")
    return str(WHY[code]) if code in WHY else code.replace("_", " ").lower()


def _pattern(entry: AuditEntry) -> Any:
    if entry.outcome == "refused":
        if entry.action == "user.sign_in":
            return FAILED_SIGN_IN
        return REFUSED if entry.subject else REFUSED_NOTHING
    if entry.action in SENTENCES:
        return SENTENCES[entry.action]
    entity, _dot, move = entry.action.partition(".")
    if entity in LIFECYCLES and move in WORDS and entry.outcome == "done" and entry.subject:
        return MOVED
    return OTHERWISE if entry.subject else OTHERWISE_NOTHING
