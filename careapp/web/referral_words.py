"""How old a referral is and how it stands against its deadline, in words and a tone."""

from datetime import datetime, timedelta

from careapp import clock
from careapp.overviews.referrals import ReferralCard
from careapp.referrals.deadlines import Standing, standing
from careapp.referrals.states import BOOKED, REFERRED
from careapp.web.language import gettext as _
from careapp.web.language import ngettext

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
QUIET, DUE_SOON, OVERDUE = "quiet", "due-soon", "overdue"  # classes of the style sheet


def span(length: timedelta) -> str:
    """A length of time in its largest whole unit: minutes, hours, from a day on days."""
    if length >= DAY:
        return ngettext("%(num)s day", "%(num)s days", length // DAY)
    if length >= HOUR:
        return ngettext("%(num)s hour", "%(num)s hours", length // HOUR)
    return ngettext("%(num)s minute", "%(num)s minutes", max(length, timedelta()) // timedelta(minutes=1))


def standing_of(card: ReferralCard) -> tuple[str, str]:
    """What is said of a referral's age on its card, and the tone it is said in."""
    now = clock.now()
    stands = standing(card.status, card.priority, card.due_at, now)
    if card.status == REFERRED:
        return _not_booked(stands, now - card.referred_at, card.due_at, now)
    if card.status == BOOKED:
        return _no_report(stands, card.scheduled_for, now - card.status_at, now)
    return _("%(time)s ago", time=span(now - card.status_at)), QUIET


def _not_booked(stands: Standing, age: timedelta, due: datetime | None, now: datetime) -> tuple[str, str]:
    if stands is Standing.NOT_BOOKED:
        return _("%(time)s, overdue", time=span(age)), OVERDUE
    if stands is Standing.DUE_SOON and due:
        return _("%(time)s, %(left)s left", time=span(age), left=span(due - now)), DUE_SOON
    return span(age), QUIET


def _no_report(stands: Standing, on: datetime | None, booked: timedelta, now: datetime) -> tuple[str, str]:
    if on is None:
        text = _("booked %(time)s ago, no date", time=span(booked))
        return (_("%(text)s, overdue", text=text), OVERDUE) if stands is Standing.REPORT_MISSING else (text, QUIET)
    if stands is Standing.REPORT_MISSING:
        return _("%(time)s past, report missing", time=span(now - on)), OVERDUE
    if on <= now:
        return _("%(time)s past, report to come", time=span(now - on)), DUE_SOON
    return _("in %(time)s", time=span(on - now)), QUIET
