"""Care teams and consent: who is named in a patient's care team, and what he permits the member portal."""

from typing import Any

from sqlalchemy import Select, literal, or_, select

from careapp import clock, commands
from careapp.access import Actor, Permission, Role
from careapp.commands import command, query, record_read
from careapp.db import at_most, db, guarded_update, insert, table_of
from careapp.disclosure import reading
from careapp.disclosure.models import CONSENTS, TEAM, CareTeamMember, ConsentDirective
from careapp.disclosure.people import PROVIDERS, USERS, name_of_actor
from careapp.disclosure.rules import DECISIONS, LASTING, NORMAL, PORTAL_SHARING
from careapp.disclosure.stewards import lock_record, read_record, require_steward
from careapp.disclosure.views import Candidate, Change, Directive, Member, RecordAccess
from careapp.errors import Forbidden, Invalid, Sentence, found
from careapp.lifecycle import HISTORY

PATIENT = "patient"  # what a change of confidentiality is kept under in the history
MOST_CANDIDATES = 500


@query(Permission.RECORD_RESTRICT)
def get_record_access(actor: Actor, locator: str) -> RecordAccess:
    """Who may see a record, for who decides about it; raises NotFound and Restricted."""
    record = read_record(actor, locator)
    require_steward(actor, record)
    record_read("patient.access", locator, patients=(locator,))
    return RecordAccess(
        locator=locator, confidentiality=record.confidentiality, members=_members(actor, record.id),
        candidates=_candidates(actor), consent=_consent(actor, record.id), last_change=_last_change(actor, record.id),
    )  # fmt: skip


@command(Permission.RECORD_RESTRICT)
def add_member(actor: Actor, locator: str, *, who: str, role: str) -> None:
    """Name somebody (`user:7` or `provider:12`) in the care team.

    Raises NotFound, Restricted, Invalid for nobody of the tenant or one who is in it already, and Forbidden for who
    would let himself into a restricted record.
    """
    record = lock_record(actor, locator)
    kind, number = _whom(actor, who)
    himself = number == (actor.user_id if kind == "user" else actor.provider_id)
    if record.confidentiality != NORMAL and himself and record.ground not in LASTING:
        raise Forbidden("You cannot add yourself to the care team of a restricted record. Ask somebody else to.")
    if is_member(actor, record.id, **{f"{kind}_id": number}):
        raise Invalid({"who": Sentence("He is in the care team already.")})
    enter_member(actor, record.id, role=role.strip(), **{f"{kind}_id": number})
    commands.record("patient.care_team.add", locator, patients=(locator,), member=f"{kind}:{number}")


@command(Permission.RECORD_RESTRICT)
def remove_member(actor: Actor, locator: str, *, member: int) -> None:
    """Take somebody out of the care team; that he was in it stays. Raises NotFound and Restricted."""
    record = lock_record(actor, locator)
    still = (TEAM.tenant_id == actor.tenant_id, TEAM.id == member, TEAM.patient_id == record.id, TEAM.until.is_(None))
    found(guarded_update(CareTeamMember, *still, until=clock.now(), removed_by=actor.name))
    reading.forget()
    commands.record("patient.care_team.remove", locator, patients=(locator,))


@command(Permission.RECORD_RESTRICT)
def record_consent(actor: Actor, locator: str, *, decision: str, scope: str = PORTAL_SHARING) -> None:
    """Keep what the patient permits or denies, from now on (FHIR Consent). Raises NotFound, Restricted and Invalid."""
    if decision not in DECISIONS:
        raise Invalid({"decision": Sentence("Choose one of the list.")})
    record = lock_record(actor, locator)
    insert(
        ConsentDirective, CONSENTS.id, tenant_id=actor.tenant_id, patient_id=record.id, scope=scope,
        decision=decision, since=clock.now(), recorded_by=actor.name,
    )  # fmt: skip
    reading.forget()
    commands.record("patient.consent", locator, patients=(locator,), scope=scope, decision=decision)


def is_member(actor: Actor, patient_id: int, **who: int) -> bool:
    """Whether this user (`user_id`) or provider (`provider_id`) is in the care team of a patient."""
    his = (TEAM[name] == number for name, number in who.items())
    return db.session.execute(_team(actor, patient_id).where(*his).limit(at_most(1))).one_or_none() is not None


def enter_member(actor: Actor, patient_id: int, *, role: str, **who: Any) -> None:
    """Store a member inside a command that records it."""
    insert(
        CareTeamMember, TEAM.id, tenant_id=actor.tenant_id, patient_id=patient_id, role=role, since=clock.now(),
        added_by=actor.name, **who,
    )  # fmt: skip
    reading.forget()


def _whom(actor: Actor, who: str) -> tuple[str, int]:
    """Kind and id of somebody of the tenant; raises Invalid for anybody else."""
    kind, _, number = who.partition(":")
    people = {"user": USERS, "provider": PROVIDERS}.get(kind)
    if people is not None and number.isascii() and number.isdecimal() and len(number) < 19:
        one = select(people.id).where(people.tenant_id == actor.tenant_id, people.id == int(number))
        if db.session.execute(one).one_or_none():
            return kind, int(number)
    raise Invalid({"who": Sentence("Choose one of the list.")})


def _team(actor: Actor, patient_id: int) -> Select[Any]:
    holds = (TEAM.tenant_id == actor.tenant_id, TEAM.patient_id == patient_id, TEAM.until.is_(None))
    return select(TEAM.id, TEAM.role, TEAM.since).select_from(table_of(CareTeamMember)).where(*holds)


def _members(actor: Actor, patient_id: int) -> list[Member]:
    user = select(USERS.name).where(USERS.tenant_id == TEAM.tenant_id, USERS.id == TEAM.user_id).scalar_subquery()
    mine = (PROVIDERS.tenant_id == TEAM.tenant_id, PROVIDERS.id == TEAM.provider_id)
    provider = select(PROVIDERS.name).where(*mine).scalar_subquery()
    named = _team(actor, patient_id).add_columns(user.label("user_name"), provider.label("provider_name"))
    rows = db.session.execute(named.order_by(TEAM.id)).all()
    return [Member.of(row, name=row.user_name or row.provider_name) for row in rows]


def _candidates(actor: Actor) -> list[Candidate]:
    """Staff who treat or work at the desk, and the providers of the network."""
    in_care = or_(*(literal(role) == USERS.roles.any_() for role in (Role.CLINICIAN, Role.FRONT_DESK)))
    staff = select(USERS.id, USERS.name).where(USERS.tenant_id == actor.tenant_id, USERS.disabled_at.is_(None), in_care)
    network = select(PROVIDERS.id, PROVIDERS.name).where(
        PROVIDERS.tenant_id == actor.tenant_id, PROVIDERS.status == "ACTIVE"
    )
    both = (("user", staff, USERS.name), ("provider", network, PROVIDERS.name))
    return [
        Candidate(key=f"{kind}:{row.id}", name=row.name)
        for kind, some, name in both
        for row in db.session.execute(some.order_by(name).limit(at_most(MOST_CANDIDATES)))
    ]


def _consent(actor: Actor, patient_id: int) -> Directive | None:
    who = name_of_actor(CONSENTS.tenant_id, CONSENTS.recorded_by).label("who")
    newest = select(CONSENTS.decision, CONSENTS.since, CONSENTS.recorded_by, who).where(
        CONSENTS.tenant_id == actor.tenant_id, CONSENTS.patient_id == patient_id, CONSENTS.scope == PORTAL_SHARING
    )
    row: Any = db.session.execute(newest.order_by(CONSENTS.id.desc()).limit(at_most(1))).one_or_none()
    return Directive.of(row, recorded_by=row.who or row.recorded_by) if row else None


def _last_change(actor: Actor, patient_id: int) -> Change | None:
    who = name_of_actor(HISTORY.tenant_id, HISTORY.actor).label("name")
    newest = select(HISTORY.action, HISTORY.at, HISTORY.actor, HISTORY.reason, who).where(
        HISTORY.tenant_id == actor.tenant_id, HISTORY.entity == PATIENT, HISTORY.entity_id == patient_id
    )
    row: Any = db.session.execute(newest.order_by(HISTORY.id.desc()).limit(at_most(1))).one_or_none()
    return Change.of(row, who=row.name or row.actor) if row else None
