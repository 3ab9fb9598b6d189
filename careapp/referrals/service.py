"""Commands on referrals: refer, book, complete, cancel."""

from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Row, Select, literal, select

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.commands import command
from careapp.crypto import OfRow
from careapp.db import db, insert, table_of
from careapp.disclosure import reading
from careapp.episodes import service as episodes
from careapp.episodes.models import EPISODES, Episode
from careapp.lifecycle import check_version, move, remember
from careapp.outbox.events import Event
from careapp.patients.models import PATIENTS, Patient
from careapp.referrals.deadlines import due_at
from careapp.referrals.events import ReferralReferred
from careapp.referrals.models import REFERRALS, Referral
from careapp.referrals.states import OPEN, REFERRAL, REFERRED
from careapp.referrals.views import ReferralView


def referral_rows(actor: Actor) -> Select[Any]:
    """The tenant's referrals, with the locators of all they belong to."""
    return all_referrals(actor.tenant_id)


def all_referrals(tenant: int | BindParameter[int]) -> Select[Any]:
    """The same of the tenant that is given when the statement runs."""
    return (
        select(
            *REFERRALS, EPISODES.locator.label("episode_locator"), PATIENTS.locator.label("party_locator"),
            PATIENTS.confidentiality,
        )
        .join(table_of(Episode), (EPISODES.tenant_id == REFERRALS.tenant_id) & (EPISODES.id == REFERRALS.episode_id))
        .join(table_of(Patient), (PATIENTS.tenant_id == REFERRALS.tenant_id) & (PATIENTS.id == REFERRALS.patient_id))
        .where(REFERRALS.tenant_id == tenant)
    )  # fmt: skip


@command(Permission.REFERRAL_WRITE)
def refer(
    actor: Actor,
    episode_locator: str,
    *,
    type: str,
    reason: str,
    priority: str = "ROUTINE",
    facility: str | None = None,
) -> ReferralView:
    """Order something from a laboratory, imaging or a specialist. Raises NotFound, Restricted and Conflict
    EPISODE_NOT_OPEN."""
    episode = episodes.lock_episode(actor, episode_locator)
    reading.require(actor, episode)
    episodes.require_open(episode)
    known, now = {"episode_locator": episode.locator, "party_locator": episode.party_locator}, clock.now()
    known["confidentiality"] = episode.confidentiality
    row = insert(
        Referral, *REFERRALS, *(literal(value).label(name) for name, value in known.items()),
        tenant_id=actor.tenant_id, episode_id=episode.id, patient_id=episode.patient_id, type=type, reason=reason,
        priority=priority, facility=facility, referred_at=now, status_at=now,
        due_at=due_at(REFERRED, priority, since=now, scheduled_for=None),
    )  # fmt: skip
    episodes.count(actor, episode.id, open_referrals=1)
    remember(actor, REFERRAL, row, "refer")
    commands.publish(ReferralReferred.of(row, key=row.episode_locator))
    return ReferralView.seen_by(actor, row)


@command(Permission.REFERRAL_VIEW)  # move() asks for the permission of the move itself
def act(
    actor: Actor, locator: str, *, action: str, version: int | None = None, reason: str | None = None,
    scheduled_for: datetime | None = None, facility: str | None = None, outcome: str | None = None,
) -> ReferralView:  # fmt: skip
    """Book a referral (when, where), complete it (outcome) or cancel it (reason).

    Raises NotFound, Restricted, Conflict STALE_VERSION, EPISODE_NOT_OPEN or ILLEGAL_TRANSITION, and Forbidden.
    """
    episode, row = episodes.lock_inside(actor, referral_rows(actor).where(REFERRALS.locator == locator))
    reading.require(actor, row)
    episodes.require_open(episode)
    check_version(row, version)
    given = {"scheduled_for": scheduled_for, "facility": facility, "outcome": outcome and OfRow(outcome, row.id)}
    changed = _move(actor, row, action, reason, **{name: value for name, value in given.items() if value is not None})
    return ReferralView.seen_by(actor, row, **changed._mapping)


def cancel_open_referrals(actor: Actor, event: Event) -> None:
    """Reaction to a cancelled episode: cancel its referrals that are not completed."""
    statement = (
        referral_rows(actor).where(EPISODES.locator == event.subject, REFERRALS.status.in_(OPEN)).order_by(REFERRALS.id)
    )
    for row in db.session.execute(statement.with_for_update(of=table_of(Referral))).all():
        _move(actor, row, "cancel", None)


def open_referrals(actor: Actor, episode_id: int) -> list[dict[str, str]]:
    """The open referrals of an episode, as items that refuse its close."""
    rows = db.session.execute(
        select(REFERRALS.locator, REFERRALS.status)
        .where(REFERRALS.tenant_id == actor.tenant_id, REFERRALS.episode_id == episode_id, REFERRALS.status.in_(OPEN))
        .order_by(REFERRALS.id)
    ).all()
    return [{"kind": "referral", "locator": row.locator, "status": row.status} for row in rows]


def _move(actor: Actor, row: Row[Any], action: str, reason: str | None, **given: Any) -> Row[Any]:
    """One move of a referral whose episode is locked, with the episode's counter brought in line."""
    status, now = REFERRAL.transition(action).target, clock.now()
    due = due_at(status, row.priority, since=now, scheduled_for=given.get("scheduled_for", row.scheduled_for))
    changed = move(actor, REFERRAL, Referral, row, action, reason=reason, status_at=now, due_at=due, **given)
    episodes.count(actor, row.episode_id, open_referrals=int(changed.status in OPEN) - int(row.status in OPEN))
    return changed
