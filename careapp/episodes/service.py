"""Commands on episodes: open, close, cancel; and the lock every change inside an episode begins with."""

from collections.abc import Callable
from typing import Any, NoReturn

from sqlalchemy import Integer, Row, Select, bindparam, literal, select

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.commands import command
from careapp.crypto import OfRow
from careapp.db import db, insert, table_of
from careapp.disclosure import reading
from careapp.episodes.events import EpisodeOpened
from careapp.episodes.models import EPISODES, Episode
from careapp.episodes.states import EPISODE, OPEN
from careapp.episodes.views import EpisodeView
from careapp.errors import Busy, Conflict, Invalid, Sentence, found
from careapp.kept import keep
from careapp.lifecycle import check_version, move, remember
from careapp.patients.models import PATIENTS, Patient

OpenItem = dict[str, str]
_open_work: list[Callable[[Actor, int], list[OpenItem]]] = []


def register_open_work(sources: tuple[Callable[[Actor, int], list[OpenItem]], ...]) -> None:
    """Set who is asked what still stands open in an episode; create_app calls it with reactions.OPEN_WORK."""
    _open_work[:] = sources


def open_work(actor: Actor, episode_id: int) -> list[OpenItem]:
    """Everything that refuses a close: items with `kind`, `locator` and `status`."""
    return [item for source in _open_work for item in source(actor, episode_id)]


_ROWS = select(*EPISODES, PATIENTS.locator.label("party_locator"), PATIENTS.confidentiality).join(
    table_of(Patient), (PATIENTS.tenant_id == EPISODES.tenant_id) & (PATIENTS.id == EPISODES.patient_id)
)
# Statements that every change runs are built once: building one takes longer than running it.
EPISODE_ROWS = _ROWS.where(EPISODES.tenant_id == bindparam("tenant"))  # what episode_rows() is to one request
_LOCK = EPISODE_ROWS.with_for_update(of=table_of(Episode))
_LOCK_LOCATOR: Select[Any] = keep(_LOCK.where(EPISODES.locator == bindparam("locator")))
_READ_LOCATOR: Select[Any] = keep(EPISODE_ROWS.where(EPISODES.locator == bindparam("locator")))
_COUNTERS = ("seen", "open_appointments", "open_referrals")
_COUNT = (
    table_of(Episode)
    .update()
    .values({name: EPISODES[name] + bindparam(f"more_{name}", type_=Integer) for name in _COUNTERS})
)
COUNT_ID = keep(_COUNT.where(EPISODES.tenant_id == bindparam("tenant"), EPISODES.id == bindparam("the_id")))
_WAS_LAST = keep(
    table_of(Episode)
    .update()
    .where(EPISODES.tenant_id == bindparam("tenant"), EPISODES.id == bindparam("the_id"))
    .values(last_provider_id=bindparam("the_provider"), last_clinic_id=bindparam("the_clinic"))
)
# Locks an OPEN episode and changes its counters in one go; the busiest commands begin with it as part of a statement.
CLAIM_OPEN = _COUNT.where(
    EPISODES.tenant_id == bindparam("tenant"), EPISODES.locator == bindparam("the_episode"), EPISODES.status == OPEN,
    PATIENTS.tenant_id == EPISODES.tenant_id, PATIENTS.id == EPISODES.patient_id,
).returning(EPISODES.id, EPISODES.locator, EPISODES.patient_id, PATIENTS.locator.label("party_locator"))  # fmt: skip


def episode_rows(actor: Actor) -> Select[Any]:
    """The actor's episodes, with the patient's locator: the one place that joins and scopes them."""
    return _ROWS.where(EPISODES.tenant_id == actor.tenant_id)


def lock_episode(actor: Actor, locator: str) -> Row[Any]:
    """The episode, locked until the transaction ends; the first lock of every change inside it. Raises NotFound.

    While this waited for the lock, its patient's record may have been restricted, so it is read after.
    """
    given = {"tenant": actor.tenant_id, "locator": locator}
    _locked, row = db.session.execute_each([(_LOCK_LOCATOR, given), (_READ_LOCATOR, given)])
    return found(row.one_or_none())


def lock_of(wanted: Select[Any]) -> Select[Any]:
    """The statement that locks the episode of the one wanted row; `wanted` has its `episode_id`."""
    row = wanted.subquery("wanted")
    return _LOCK.where(EPISODES.id == select(row.c.episode_id).scalar_subquery())


def lock_inside(
    actor: Actor, wanted: Select[Any], values: dict[str, Any] | None = None, *, lock: Select[Any] | None = None
) -> tuple[Row[Any], Row[Any]]:
    """The episode of the one wanted row, locked, and that row as it is since then; both are in the actor's scope.

    While this waited for the lock, the row may have changed, or have moved out of scope, so it is read after. `lock` is
    lock_of(wanted) where it was built before. Raises NotFound.
    """
    given = {"tenant": actor.tenant_id, **(values or {})}
    episode = found(db.session.execute(lock_of(wanted) if lock is None else lock, given).one_or_none())
    return episode, found(db.session.execute(wanted, given).one_or_none())


def claim(actor: Actor, locator: str, *, seen: int = 0, open_appointments: int = 0) -> dict[str, Any]:
    """The values of CLAIM_OPEN for this actor and episode: by how much its counters change."""
    more = _more(seen=seen, open_appointments=open_appointments)
    return {"tenant": actor.tenant_id, "the_episode": locator, **more}


def refuse_claim(actor: Actor, locator: str) -> NoReturn:
    """Say why CLAIM_OPEN found nothing: raises NotFound, Conflict EPISODE_NOT_OPEN, or Busy where it was just made."""
    require_open(lock_episode(actor, locator))
    raise Busy()


def episode_id_of(actor: Actor, locator: str) -> int:
    """The id behind an episode's locator; raises NotFound."""
    statement = select(EPISODES.id).where(EPISODES.tenant_id == actor.tenant_id, EPISODES.locator == locator)
    return int(found(db.session.execute(statement).one_or_none()).id)


def readable_episode(actor: Actor, locator: str) -> Row[Any]:
    """The episode, for what is read or written inside it; raises NotFound, and Restricted where it is not the actor's
    to read."""
    row = found(db.session.execute(episode_rows(actor).where(EPISODES.locator == locator)).one_or_none())
    reading.require(actor, row)
    return row


def require_open(episode: Row[Any]) -> None:
    """Raise Conflict EPISODE_NOT_OPEN unless the episode is OPEN: nothing new happens in a finished one."""
    if episode.status != OPEN:
        raise Conflict(
            f"{episode.locator} is {episode.status}. Open a new episode for new care.",
            code="EPISODE_NOT_OPEN",
            current=episode.status,
        )


def count(actor: Actor, episode_id: int, *, seen: int = 0, open_appointments: int = 0, open_referrals: int = 0) -> None:
    """Change the counters of a locked episode by these differences; its version stays."""
    if seen or open_appointments or open_referrals:
        more = {"seen": seen, "open_appointments": open_appointments, "open_referrals": open_referrals}
        db.session.execute(COUNT_ID, counted(actor, episode_id, **more))


def counted(actor: Actor, episode_id: int, **more: int) -> dict[str, Any]:
    """The values of COUNT_ID: by how much which counters change."""
    return {"tenant": actor.tenant_id, "the_id": episode_id, **_more(**more)}


def _more(*, seen: int = 0, open_appointments: int = 0, open_referrals: int = 0) -> dict[str, int]:
    return {"more_seen": seen, "more_open_appointments": open_appointments, "more_open_referrals": open_referrals}


def was_last(actor: Actor, episode_id: int, *, provider_id: int, clinic_id: int | None) -> None:
    """Note with whom and where a locked episode was last; its version stays. The board's filters go by it while no
    appointment is open."""
    given = {"the_provider": provider_id, "the_clinic": clinic_id}
    db.session.execute(_WAS_LAST, {"tenant": actor.tenant_id, "the_id": episode_id, **given})


def taken_up(actor: Actor, episode: Row[Any], provider_id: int) -> None:
    """Note who gave care in a locked episode before anybody was seen in it; nothing where somebody was."""
    if episode.last_provider_id is None:
        was_last(actor, episode.id, provider_id=provider_id, clinic_id=None)


@command(Permission.EPISODE_OPEN)
def open_episode(
    actor: Actor, *, party_locator: str, care_type: str, triage_session_locator: str | None = None,
    reason: str | None = None,
) -> EpisodeView:  # fmt: skip
    """Begin a course of care for a patient. Raises Invalid naming partyLocator when there is no such patient.

    The lock is the one the foreign key takes all the same; taken here, it waits for an erasure that runs now.
    """
    mine = (PATIENTS.tenant_id == actor.tenant_id, PATIENTS.locator == party_locator, PATIENTS.erased_at.is_(None))
    patient_id = db.session.execute(
        select(PATIENTS.id).where(*mine).with_for_update(read=True, key_share=True)
    ).scalar_one_or_none()
    if patient_id is None:
        raise Invalid({"partyLocator": Sentence("There is no patient with this locator.")})
    row = insert(
        Episode,
        *EPISODES,
        literal(party_locator).label("party_locator"),
        tenant_id=actor.tenant_id,
        patient_id=patient_id,
        care_type=care_type,
        reason=reason,
        triage_session_locator=triage_session_locator,
        opened_at=clock.now(),
    )
    remember(actor, EPISODE, row, "open")
    commands.publish(EpisodeOpened.of(row, key=row.locator))
    return EpisodeView.of(row)


@command(Permission.EPISODE_VIEW)  # move() asks for the permission to close
def close(actor: Actor, locator: str, *, summary: str, version: int | None = None) -> EpisodeView:
    """End an episode with its summary. Raises Invalid for an empty one, Restricted, and Conflict
    EPISODE_HAS_OPEN_WORK naming every open item."""
    if not summary.strip():
        raise Invalid({"summary": Sentence("Sum the episode up before it is closed.")})
    episode = lock_episode(actor, locator)
    reading.require(actor, episode)
    check_version(episode, version)
    if episode.status == OPEN and actor.may(Permission.EPISODE_CLOSE) and _has_open_work(episode):
        items = open_work(actor, episode.id)
        named = ", ".join(f"{item['kind']} {item['locator']} ({item['status']})" for item in items)
        raise Conflict(
            f"{locator} cannot be closed yet. Still open: {named}.", code="EPISODE_HAS_OPEN_WORK", openWork=items
        )
    changed = move(actor, EPISODE, Episode, episode, "close", summary=OfRow(summary, episode.id), closed_at=clock.now())
    return EpisodeView.of(changed, party_locator=episode.party_locator)


@command(Permission.EPISODE_VIEW)  # move() asks for the permission to cancel
def cancel(actor: Actor, locator: str, *, reason: str | None = None, version: int | None = None) -> EpisodeView:
    """Call an episode off; the reactions to its event cancel what is open in it, in the same transaction.

    Raises Restricted for who may not see what he would end.
    """
    episode = lock_episode(actor, locator)
    reading.require(actor, episode)
    check_version(episode, version)
    move(actor, EPISODE, Episode, episode, "cancel", reason=reason, closed_at=clock.now())
    return EpisodeView.of(found(db.session.execute(episode_rows(actor).where(EPISODES.id == episode.id)).one_or_none()))


def _has_open_work(episode: Row[Any]) -> bool:
    return bool(episode.open_appointments or episode.open_referrals)
