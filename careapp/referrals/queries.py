"""Reads of referrals; who may only know that they exist sees neither reason nor outcome."""

from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db
from careapp.disclosure import reading
from careapp.episodes.service import readable_episode
from careapp.errors import found
from careapp.paging import DEFAULT_LIMIT, patients_in, read_page
from careapp.referrals.models import REFERRALS
from careapp.referrals.service import referral_rows
from careapp.referrals.views import ReferralView
from careapp.views import Page


@query(Permission.REFERRAL_VIEW)
def get_referral(actor: Actor, locator: str) -> ReferralView:
    """One referral; raises NotFound and Restricted."""
    row = found(db.session.execute(referral_rows(actor).where(REFERRALS.locator == locator)).one_or_none())
    reading.require(actor, row)
    record_read("referral.read", locator, patients=(row.party_locator,))
    return ReferralView.seen_by(actor, row)


@query(Permission.REFERRAL_VIEW)
def list_referrals(
    actor: Actor, episode_locator: str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[ReferralView]:
    """The referrals of an episode, newest first; raises NotFound for an unknown episode, and Restricted."""
    episode_id = readable_episode(actor, episode_locator).id
    statement = referral_rows(actor).where(REFERRALS.episode_id == episode_id)
    page = read_page(
        statement,
        (REFERRALS.created_at, REFERRALS.id),
        reading.each(ReferralView.seen_by, actor),
        of=("referrals", episode_locator),
        limit=limit,
        cursor=cursor,
        newest_first=True,
    )
    record_read("referral.list", episode_locator, patients=patients_in(page.items))
    return page
