"""The episode page: patient, what stands open, the timeline of everything in the episode, read together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, select

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db
from careapp.disclosure import reading
from careapp.disclosure.scope import scope_of
from careapp.episodes.models import EPISODES
from careapp.episodes.service import EPISODE_ROWS
from careapp.episodes.states import OPEN
from careapp.episodes.views import EpisodeView
from careapp.errors import found
from careapp.kept import built_once, keep
from careapp.overviews.entries import Entry, asked_changes, changes_of, merged, part_of
from careapp.overviews.episode_items import (
    CHANGE,
    AppointmentRow,
    PrescriptionRow,
    ReferralRow,
    appointments_of,
    asked_items,
    kinds_for,
    named_appointments,
    prescriptions_of,
    referrals_of,
)
from careapp.overviews.marks import MINUTE, QUARTER, mark, mark_of_episode
from careapp.overviews.zones import episode_zone
from careapp.patients.models import FACTS, FIRST_PHONE, PATIENTS
from careapp.patients.states import NO_KNOWN_FOOD_ALLERGY, NONE_KNOWN
from careapp.prescriptions.states import ISSUED
from careapp.referrals.states import OPEN as OPEN_REFERRAL
from careapp.scheduling.changes import UNDO_WINDOW
from careapp.scheduling.models import APPOINTMENTS
from careapp.scheduling.states import ACTIVE
from careapp.transactions import Asked
from careapp.views import View

ENTRIES = 50  # of a timeline, on one page


class Banner(View):
    """Who the patient is and what must not be overlooked; on every page of an episode.

    `none_known` are the codes (SNOMED CT) of what somebody asked for and did not find, such as a drug allergy; with
    neither, nothing was ever recorded, or what is clinical is `withheld`.
    """

    party_locator: str
    name: str
    birth_date: date | None
    gender: str
    allergies: Sequence[str]
    none_known: Sequence[str]
    phone: str | None
    language: str | None
    confidentiality: str
    withheld: bool

    @property
    def medicine_allergies_unknown(self) -> bool:
        """Whether nobody has written down if there are allergies to medicines: that no food is one says nothing."""
        return not self.allergies and not set(self.none_known) - {NO_KNOWN_FOOD_ALLERGY}


@dataclass(frozen=True)
class EpisodePage:
    """Everything the episode page shows. Lists the actor may not know of are None, and so are their entries.

    `mark` is the state this is. `open_unseen` is how much else stands open, of kinds or at clinics that are not the
    actor's. `unfilled` prescriptions stand beside what is open: they refuse no close.
    """

    episode: EpisodeView
    banner: Banner
    zone: str
    mark: str
    open_appointments: tuple[AppointmentRow, ...]
    open_referrals: tuple[ReferralRow, ...]
    unfilled: tuple[PrescriptionRow, ...]
    open_unseen: int
    kinds: tuple[str, ...]
    entries: tuple[Entry, ...]
    next_cursor: str | None
    likely_provider: str | None

    @property
    def open_locators(self) -> frozenset[str]:
        """What stands in the list of open things, and of prescriptions not filled yet."""
        open_things: list[Any] = [*self.open_appointments, *self.open_referrals, *self.unfilled]
        return frozenset(one.locator for one in open_things)

    @property
    def undoable(self) -> frozenset[str]:
        """The appointments on the page whose last move this actor may take back now."""
        shown: list[Any] = [*self.open_appointments, *(entry.item for entry in self.entries)]
        return frozenset(one.locator for one in shown if getattr(one, "can_undo", False))

    def shows(self, locator: str) -> bool:
        """Whether the thing with this locator is on the page."""
        return locator in self.open_locators or locator in {
            entry.item.locator for entry in self.entries if entry.kind != CHANGE
        }


@query(Permission.EPISODE_VIEW)
def get_episode_mark(actor: Actor, locator: str) -> str:
    """The mark of an episode as it is now, by one look at the end of its history; it shows nobody's data."""
    now = clock.now()
    return _mark(db.session.execute(*_asked_mark(actor, locator, now)).one(), now)


@query(Permission.EPISODE_VIEW)
def get_episode_page(
    actor: Actor, locator: str, *, kind: str | None = None, cursor: str | None = None, limit: int = ENTRIES
) -> EpisodePage:
    """One episode with what stands open in it and a page of its timeline, of one kind or of all, as far as this actor
    may see it. Raises NotFound, Restricted, and Invalid for a cursor of no timeline."""
    of = ("timeline", locator, kind)
    part = part_of(of, kind, cursor, limit)
    now = clock.now()  # the mark first, so that what is changed meanwhile makes another
    marks, rows = db.session.execute_each([_asked_mark(actor, locator, now), _asked_episode(actor, locator)])
    row = found(rows.one_or_none())
    reading.require(actor, row)
    kinds = kinds_for(actor)
    asked = {kind: asked_items(actor, kind, row.id, part) for kind in kinds} | {"allergy": _asked_allergies(actor, row)}
    if CHANGE in part.kinds:
        asked[CHANGE] = asked_changes(actor, row.id, part)
    seen = dict(zip(asked, [one.all() for one in db.session.execute_each(list(asked.values()))], strict=True))
    appointments = appointments_of(actor, seen["appointment"], is_open=row.status == OPEN)
    prescriptions = prescriptions_of(actor, seen.get("prescription", ()))
    referrals = referrals_of(actor, seen.get("referral", ()))
    changes = changes_of(actor, seen.get(CHANGE, ()))
    entries, next_cursor = merged(of, part, appointments, prescriptions, referrals, changes)
    open_appointments = tuple(one for one in reversed(appointments) if one.status in ACTIVE)
    open_referrals = tuple(one for one in referrals if one.status in OPEN_REFERRAL)
    all_open = row.open_appointments + row.open_referrals  # what refuses a close; read first, so it may be the older
    record_read("episode.page", locator, patients=(row.party_locator,))
    return EpisodePage(
        episode=EpisodeView.of(row),
        banner=_banner(actor, row, seen["allergy"]),
        zone=row.zone,
        mark=_mark(marks.one(), now),
        open_appointments=open_appointments,
        open_referrals=open_referrals,
        unfilled=tuple(one for one in prescriptions if one.status == ISSUED),
        open_unseen=max(0, all_open - len(open_appointments) - len(open_referrals)),
        kinds=(*kinds, CHANGE),
        entries=tuple(entries),
        next_cursor=next_cursor,
        likely_provider=appointments[0].provider_locator if appointments else None,
    )


@query(Permission.EPISODE_VIEW)
def get_banner(actor: Actor, locator: str, *, whole: bool = True) -> tuple[EpisodeView, Banner, str]:
    """An episode, its patient and its zone (episode_zone), for the forms inside an episode; raises NotFound.

    Unless `whole`, a form needs no more than when and with whom; else this raises Restricted as well.
    """
    row = found(db.session.execute(*_asked_episode(actor, locator)).one_or_none())
    if whole:
        reading.require(actor, row)
    record_read("episode.read", locator, patients=(row.party_locator,))
    facts = db.session.execute(*_asked_allergies(actor, row)).all() if reading.sees(actor, row) else ()
    return EpisodeView.seen_by(actor, row), _banner(actor, row, facts), row.zone


@query(Permission.APPOINTMENT_VIEW)
def get_appointment_row(actor: Actor, locator: str) -> AppointmentRow:
    """One appointment with names and zone; raises NotFound."""
    row = found(db.session.execute(named_appointments(actor).where(APPOINTMENTS.locator == locator)).one_or_none())
    record_read("appointment.read", locator, patients=(row.party_locator,))
    return AppointmentRow.seen_by(actor, row)


def _asked_mark(actor: Actor, locator: str, now: datetime) -> Asked:
    return mark_of_episode(), {"tenant": actor.tenant_id, "locator": locator, "undoable_since": now - UNDO_WINDOW}


def _mark(row: Row[Any], now: datetime) -> str:
    """It depends on the clock besides: by the minute where who may look is decided anew at each look."""
    return mark(row, row.young, row.patient_version, int(now.timestamp()) // (MINUTE if row.restricted else QUARTER))


def _asked_episode(actor: Actor, locator: str) -> Asked:
    return _with_patient(actor.clinic_ids is not None), {**scope_of(actor), "locator": locator}


@built_once
def _with_patient(scoped: bool) -> Select[Any]:
    """An episode (`locator`) with its patient and its zone; built once."""
    statement = EPISODE_ROWS.add_columns(
        PATIENTS.given, PATIENTS.family, PATIENTS.birth_date, PATIENTS.gender, FIRST_PHONE, PATIENTS.language,
        episode_zone(scoped).label("zone"),
    )  # fmt: skip
    return statement.where(EPISODES.locator == bindparam("locator"))


_ALLERGIES = keep(
    select(FACTS.text, FACTS.code)
    .where(FACTS.tenant_id == bindparam("tenant"), FACTS.patient_id == bindparam("patient"))
    .where(FACTS.kind == "ALLERGY", FACTS.abated_at.is_(None))
    .order_by(FACTS.text)
)


def _asked_allergies(actor: Actor, row: Row[Any]) -> Asked:
    return _ALLERGIES, {"tenant": actor.tenant_id, "patient": row.patient_id}


def _banner(actor: Actor, row: Row[Any], facts: Sequence[Row[Any]]) -> Banner:
    """The patient of an episode's row, with the allergies that still hold (`facts`), none where he may not know."""
    known = list(dict.fromkeys(fact.text for fact in facts if fact.code not in NONE_KNOWN))
    none_known = list(dict.fromkeys(fact.code for fact in facts if fact.code in NONE_KNOWN))
    return Banner(
        party_locator=row.party_locator, name=" ".join((*row.given, row.family)).strip(), birth_date=row.birth_date,
        gender=row.gender, allergies=known, none_known=none_known, phone=row.phone,
        language=row.language, confidentiality=row.confidentiality, withheld=not reading.sees(actor, row),
    )  # fmt: skip
