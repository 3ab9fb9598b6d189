"""The rules of disclosure in words and as a pure function; condition.py, which says the same in SQL, is what decides.

Who asks, what stands between him and the patient, and the ground that opens the record: a property test holds the two
to each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from careapp.access import Actor, Permission, Purpose

# HL7 v3 Confidentiality: N (normal) and R (restricted). A RESTRICTED patient is still seen by everybody in care with
# name, birth date, contacts and the times, providers and states of appointments; what is clinical is not.
NORMAL, RESTRICTED = "NORMAL", "RESTRICTED"
CONFIDENTIALITIES = (NORMAL, RESTRICTED)
WITHHELD = "RESTRICTED"  # stands in place of a care type or a kind of referral that is not shown

PERMIT, DENY = "PERMIT", "DENY"  # FHIR Consent, provision.type
DECISIONS = (PERMIT, DENY)
PORTAL_SHARING = "PORTAL_SHARING"
SCOPES = (PORTAL_SHARING,)

RECENT = timedelta(days=90)  # how long care that was given makes a provider one of the care team
EMERGENCY_LASTS = timedelta(minutes=60)
SHORTEST_REASON = 10  # characters
MANY_A_DAY = 5  # emergency accesses of one person in a day, above which the review list says so


class Who(StrEnum):
    """What kind of reader asks."""

    PERSON = "PERSON"  # a user in care
    ADMINISTRATION = "ADMINISTRATION"  # a user who runs the clinic or reviews the log (HOPERAT)
    SERVICE = "SERVICE"  # a token of no local user
    PORTAL = "PORTAL"  # the member portal (PATRQT)
    SYSTEM = "SYSTEM"  # jobs, imports, the operator's commands (HSYSADMIN)


class Ground(StrEnum):
    """Why a record is open to somebody, the first that holds."""

    NORMAL = "NORMAL"
    SYSTEM = "SYSTEM"
    CONSENT = "CONSENT"
    MEMBER = "MEMBER"
    VISIT = "VISIT"
    PRESCRIBED = "PRESCRIBED"
    OPENED = "OPENED"
    EMERGENCY = "EMERGENCY"


LASTING = frozenset({Ground.MEMBER, Ground.VISIT, Ground.PRESCRIBED, Ground.OPENED})  # the care team


@dataclass(frozen=True)
class Kind:
    """What of a reader decides which relations to a patient he can have at all."""

    who: Who
    provides: bool = False
    treats: bool = False


@dataclass(frozen=True)
class Reader:
    """Who asks, as far as it matters: `treats` says that he holds the clinical permissions."""

    who: Who
    name: str
    user_id: int | None = None
    provider_id: int | None = None
    treats: bool = False

    @classmethod
    def of(cls, actor: Actor) -> Self:
        """The reader an actor is."""
        treats = actor.may(Permission.CLINICAL_READ)
        return cls(who_is(actor), actor.name, actor.user_id, actor.provider_id if treats else None, treats)

    @property
    def kind(self) -> Kind:
        """His kind; only a person in care has relations."""
        if self.who is not Who.PERSON:
            return Kind(self.who)
        return Kind(self.who, provides=self.provider_id is not None, treats=self.treats)


def who_is(actor: Actor) -> Who:
    """What kind of reader an actor is."""
    if actor.purpose is Purpose.HSYSADMIN:
        return Who.SYSTEM
    if actor.purpose is Purpose.PATRQT:
        return Who.PORTAL
    if actor.user_id is None:
        return Who.SERVICE
    return Who.ADMINISTRATION if actor.purpose is Purpose.HOPERAT else Who.PERSON


@dataclass(frozen=True)
class Membership:
    """Somebody named in the care team, as a user or as a provider."""

    user_id: int | None
    provider_id: int | None
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True)
class Visit:
    """An appointment of the patient. `placed` are those who booked or moved it, each with when."""

    provider_id: int
    is_open: bool
    cancelled: bool
    starts_at: datetime
    placed: Sequence[tuple[str, datetime]] = ()


@dataclass(frozen=True)
class Care:
    """A prescription (by a provider) or an episode that was opened (by an actor), with when and whether the episode is
    still open."""

    by: int | str
    at: datetime
    episode_open: bool


@dataclass(frozen=True)
class Emergency:
    """Emergency access of a user, until it is over or was ended."""

    user_id: int
    started_at: datetime
    ends_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Record:
    """What stands between a patient and whoever asks. `consent` is the newest directive on portal sharing."""

    restricted_at: datetime | None = None
    consent: str | None = None
    team: Sequence[Membership] = ()
    visits: Sequence[Visit] = ()
    prescriptions: Sequence[Care] = ()
    openings: Sequence[Care] = ()
    emergencies: Sequence[Emergency] = ()


def ground_for(reader: Reader, record: Record, now: datetime) -> Ground | None:
    """The ground on which this reader may see what is clinical in this record now, or None: it is withheld.

    The application asks condition.py instead; this is what tests hold it to.
    """
    restricted = record.restricted_at is not None
    if reader.who is Who.PORTAL:
        permitted = record.consent == PERMIT or (record.consent is None and not restricted)
        return (Ground.CONSENT if record.consent == PERMIT else Ground.NORMAL) if permitted else None
    if not restricted:
        return Ground.NORMAL
    if reader.who is Who.SYSTEM:
        return Ground.SYSTEM
    if reader.who is Who.SERVICE:
        return Ground.CONSENT if record.consent == PERMIT else None
    return _relation(reader, record, now) if reader.who is Who.PERSON else None


def _relation(reader: Reader, record: Record, now: datetime) -> Ground | None:
    """What makes a person one of those who care for the patient, or the emergency he declared."""
    checks = (
        (Ground.MEMBER, any(_is_member(reader, one, now) for one in record.team)),
        (Ground.VISIT, any(_is_visit(reader, record, one, now) for one in record.visits)),
        (Ground.PRESCRIBED, any(_prescribed(reader, one, now) for one in record.prescriptions)),
        (Ground.OPENED, any(_opened(reader, record, one, now) for one in record.openings)),
        (Ground.EMERGENCY, any(_in_emergency(reader, one, now) for one in record.emergencies)),
    )
    return next((ground for ground, holds in checks if holds), None)


def _is_member(reader: Reader, one: Membership, now: datetime) -> bool:
    his = (one.user_id is not None and one.user_id == reader.user_id) or (
        one.provider_id is not None and one.provider_id == reader.provider_id
    )
    return his and one.since <= now and (one.until is None or one.until > now)


def _is_visit(reader: Reader, record: Record, one: Visit, now: datetime) -> bool:
    """An open appointment, or one of the last 90 days that was not cancelled; none that he put there himself once the
    record was restricted, or a booking would open any record."""
    if reader.provider_id is None or one.provider_id != reader.provider_id:
        return False
    if not (one.is_open or (not one.cancelled and one.starts_at > now - RECENT)):
        return False
    return not any(who == reader.name and at >= (record.restricted_at or at) for who, at in one.placed)


def _prescribed(reader: Reader, one: Care, now: datetime) -> bool:
    return reader.provider_id is not None and one.by == reader.provider_id and _current(one, now)


def _opened(reader: Reader, record: Record, one: Care, now: datetime) -> bool:
    """Opened before the record was restricted: nobody opens it to himself by opening an episode."""
    before = record.restricted_at is None or one.at < record.restricted_at
    return reader.treats and one.by == reader.name and before and _current(one, now)


def _current(one: Care, now: datetime) -> bool:
    return one.episode_open or one.at > now - RECENT


def _in_emergency(reader: Reader, one: Emergency, now: datetime) -> bool:
    his = reader.treats and one.user_id == reader.user_id
    return his and one.started_at <= now < one.ends_at and one.ended_at is None
