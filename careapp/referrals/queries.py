"""Reads of referrals; who may only know that they exist sees neither reason nor outcome."""

from datetime import datetime

from sqlalchemy import tuple_

from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db
from careapp.episodes.service import episode_id_of, found
from careapp.paging import DEFAULT_LIMIT, decode_cursor, page_of
from careapp.referrals.service import RF, referral_rows
from careapp.referrals.views import ReferralView
from careapp.views import Page


@query(Permission.REFERRAL_VIEW)
def get_referral(actor: Actor, locator: str) -> ReferralView:
    """One referral; raises NotFound."""
    row = found(db.session.execute(referral_rows(actor).where(RF.locator == locator)).one_or_none())
    record_read("referral.read", locator, patients=(row.party_locator,))
    return ReferralView.seen_by(actor, row)


@query(Permission.REFERRAL_VIEW)
def list_referrals(
    actor: Actor, episode_locator: str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[ReferralView]:
    """The referrals of an episode, newest first; raises NotFound for an unknown episode."""
    episode_id = episode_id_of(actor, episode_locator)
    statement = referral_rows(actor).where(RF.episode_id == episode_id)
    if cursor is not None:
        statement = statement.where(tuple_(RF.created_at, RF.id) < tuple_(*decode_cursor(cursor, datetime, int)))
    rows = db.session.execute(statement.order_by(RF.created_at.desc(), RF.id.desc()).limit(limit + 1)).all()
    record_read("referral.list", episode_locator, patients=tuple({row.party_locator for row in rows}))
    return page_of(rows, limit, lambda row: ReferralView.seen_by(actor, row), lambda row: (row.created_at, row.id))
