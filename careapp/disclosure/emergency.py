"""Emergency access ("break the glass"): a clinician opens one restricted record for an hour, says why, and is reviewed.

Everything he reads or does about that patient meanwhile stands in the log with the purpose ETREAT (HL7 PurposeOfUse).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, func, select

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.commands import command, query, record_read
from careapp.db import at_most, db, guarded_update, insert, table_of
from careapp.disclosure import reading
from careapp.disclosure.condition import PEOPLE
from careapp.disclosure.events import EmergencyAccessDeclared
from careapp.disclosure.models import EMERGENCIES, EmergencyAccess
from careapp.disclosure.people import USERS, name_of_actor
from careapp.disclosure.rules import EMERGENCY_LASTS, MANY_A_DAY, SHORTEST_REASON, Ground
from careapp.disclosure.stewards import hold_record, read_record
from careapp.disclosure.views import EmergencyEntry, EmergencyView
from careapp.errors import Conflict, Forbidden, Invalid, Sentence, found
from careapp.paging import DEFAULT_LIMIT, read_page
from careapp.views import Page

LONGEST_REASON = 1000


@command(Permission.EMERGENCY_ACCESS)
def declare(actor: Actor, locator: str, *, reason: str) -> EmergencyView:
    """Open a restricted record to the actor for an hour. While it is open to him already, that is what he gets.

    Raises NotFound, Invalid for a reason of fewer than ten characters, Conflict NOT_NEEDED where nothing is withheld
    from him and PATIENT_ERASED, and Forbidden for who is no user.
    """
    reason = " ".join(reason.split())
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        raise Invalid({"reason": Sentence("Say why in %(least)s characters or more.", least=SHORTEST_REASON)})
    if actor.user_id is None:
        raise Forbidden("Emergency access belongs to a person; sign in as one.")
    hold_record(actor, locator)
    record = read_record(actor, locator)
    row = _present(actor, record.id)
    if row is None:
        if record.ground is not None:
            raise Conflict("This record is open to you. Nothing has to be declared.", code="NOT_NEEDED")
        now = clock.now()
        row = insert(
            EmergencyAccess, EMERGENCIES.started_at, EMERGENCIES.ends_at, tenant_id=actor.tenant_id,
            patient_id=record.id, user_id=actor.user_id, reason=reason, started_at=now, ends_at=now + EMERGENCY_LASTS,
        )  # fmt: skip
        times = {"started_at": row.started_at, "ends_at": row.ends_at}
        commands.publish(EmergencyAccessDeclared.of(record, key=locator, party_locator=locator, **times))
        reading.forget()
    commands.current_unit().in_emergency.add(locator)
    commands.record("patient.emergency_access", locator, patients=(locator,))
    return EmergencyView.of(row, party_locator=locator)


@command(Permission.EMERGENCY_ACCESS)
def end(actor: Actor, locator: str) -> None:
    """Close the record again before the hour is over. Raises NotFound where it is not open to the actor so."""
    record = read_record(actor, locator)
    row = found(_present(actor, record.id))
    mine = (EMERGENCIES.tenant_id == actor.tenant_id, EMERGENCIES.id == row.id, EMERGENCIES.ended_at.is_(None))
    found(guarded_update(EmergencyAccess, *mine, ended_at=clock.now()))
    reading.forget()
    commands.current_unit().in_emergency.add(locator)
    commands.record("patient.emergency_end", locator, patients=(locator,))


@query(Permission.EMERGENCY_ACCESS)
def get_present(actor: Actor, locator: str) -> EmergencyView | None:
    """The emergency access by which the record is open to the actor now, or None; it shows nobody's data."""
    record = read_record(actor, locator)
    row = _present(actor, record.id) if record.ground == Ground.EMERGENCY else None
    return EmergencyView.of(row, party_locator=locator) if row else None


@query(Permission.EMERGENCY_REVIEW)
def list_emergencies(
    actor: Actor, *, only_open: bool = False, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[EmergencyEntry]:
    """Emergency accesses, newest first; `only_open` are those nobody has reviewed. Raises Invalid for a cursor."""
    statement = _entries(actor)
    if only_open:
        statement = statement.where(EMERGENCIES.reviewed_at.is_(None))
    keys = (EMERGENCIES.started_at, EMERGENCIES.id)
    of = ("emergency accesses", only_open)
    page = read_page(statement, keys, _shown, of=of, limit=limit, cursor=cursor, newest_first=True)
    record_read("patient.emergency_list", patients=tuple(sorted({one.party_locator for one in page.items})))
    return page


@command(Permission.EMERGENCY_REVIEW)
def review(actor: Actor, access: int, *, remark: str | None = None) -> None:
    """Note that somebody has looked at it. Raises NotFound, Conflict REVIEWED, and Forbidden for one's own."""
    row = found(db.session.execute(_entries(actor).where(EMERGENCIES.id == access)).one_or_none())
    if row.user_id == actor.user_id:
        raise Forbidden("Nobody reviews his own emergency access.")
    this = (EMERGENCIES.tenant_id == actor.tenant_id, EMERGENCIES.id == access, EMERGENCIES.reviewed_at.is_(None))
    reviewed: dict[str, Any] = {"reviewed_by": actor.name, "reviewed_at": clock.now(), "remark": remark}
    if guarded_update(EmergencyAccess, *this, **reviewed) is None:
        raise Conflict("This was reviewed already.", code="REVIEWED")
    commands.record("patient.emergency_review", row.party_locator, patients=(row.party_locator,))


def _present(actor: Actor, patient_id: int) -> Any:
    """The actor's own emergency access to a patient that holds now, or None."""
    now = clock.now()
    columns = (EMERGENCIES.id, EMERGENCIES.started_at, EMERGENCIES.ends_at)
    mine = (EMERGENCIES.tenant_id == actor.tenant_id, EMERGENCIES.user_id == actor.user_id)
    holds = (EMERGENCIES.started_at <= now, EMERGENCIES.ends_at > now, EMERGENCIES.ended_at.is_(None))
    statement = select(*columns).where(*mine, EMERGENCIES.patient_id == patient_id, *holds)
    return db.session.execute(statement.order_by(EMERGENCIES.ends_at.desc()).limit(at_most(1))).one_or_none()


def _entries(actor: Actor) -> Select[Any]:
    """Emergency accesses with the names of who had them and who reviewed them, and how many he had in a day."""
    before = table_of(EmergencyAccess).alias("before").c
    within = select(func.count()).where(
        before.tenant_id == EMERGENCIES.tenant_id, before.user_id == EMERGENCIES.user_id,
        before.started_at <= EMERGENCIES.started_at,
        before.started_at > EMERGENCIES.started_at - func.make_interval(0, 0, 0, 1),
    )  # fmt: skip
    name = select(USERS.name).where(USERS.tenant_id == EMERGENCIES.tenant_id, USERS.id == EMERGENCIES.user_id)
    return (
        select(
            table_of(EmergencyAccess), PEOPLE.c.locator.label("party_locator"),
            name.scalar_subquery().label("user_name"),
            name_of_actor(EMERGENCIES.tenant_id, EMERGENCIES.reviewed_by).label("reviewer_name"),
            within.correlate(table_of(EmergencyAccess)).scalar_subquery().label("within_a_day"),
        )
        .join(PEOPLE, (PEOPLE.c.tenant_id == EMERGENCIES.tenant_id) & (PEOPLE.c.id == EMERGENCIES.patient_id))
        .where(EMERGENCIES.tenant_id == actor.tenant_id)
    )  # fmt: skip


def _shown(rows: Sequence[Row[Any]]) -> list[EmergencyEntry]:
    return EmergencyEntry.of_each(rows, lambda row: {"too_many": row.within_a_day > MANY_A_DAY})
