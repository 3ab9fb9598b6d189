"""What the member portal reads: one episode with all in it, and all episodes of a member; never staff's notes."""

from typing import Any

from sqlalchemy import bindparam, select

from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db
from careapp.disclosure import reading
from careapp.episodes.models import EPISODES
from careapp.episodes.queries import list_episodes
from careapp.episodes.service import episode_rows
from careapp.episodes.views import EpisodeView
from careapp.errors import NotFound, found
from careapp.kept import keep
from careapp.patients.models import PATIENTS
from careapp.prescriptions.models import PRESCRIPTIONS
from careapp.prescriptions.service import prescription_rows
from careapp.prescriptions.views import PrescriptionView
from careapp.referrals.models import REFERRALS
from careapp.referrals.service import referral_rows
from careapp.referrals.views import ReferralView
from careapp.scheduling.appointments import appointment_rows
from careapp.scheduling.models import APPOINTMENTS
from careapp.scheduling.views import PortalAppointmentView
from careapp.views import Page

_MEMBER = keep(
    select(PATIENTS.id.label("patient_id"), PATIENTS.confidentiality).where(
        PATIENTS.tenant_id == bindparam("tenant"), PATIENTS.locator == bindparam("party")
    )
)


class PortalEpisodeView(EpisodeView):
    """An episode with its appointments, prescriptions and referrals."""

    appointments: list[PortalAppointmentView]
    prescriptions: list[PrescriptionView]
    referrals: list[ReferralView]


@query(Permission.PORTAL_READ)
def portal_episode(actor: Actor, locator: str) -> PortalEpisodeView:
    """One episode with everything in it; raises NotFound, also where the patient does not share it."""
    row = found(db.session.execute(episode_rows(actor).where(EPISODES.locator == locator)).one_or_none())
    _shared(actor, row)
    appointments = db.session.execute(
        appointment_rows(actor).where(APPOINTMENTS.episode_id == row.id).order_by(APPOINTMENTS.starts_at)
    ).all()
    prescriptions = db.session.execute(
        prescription_rows(actor).where(PRESCRIPTIONS.episode_id == row.id).order_by(PRESCRIPTIONS.id)
    ).all()
    referrals = db.session.execute(
        referral_rows(actor).where(REFERRALS.episode_id == row.id).order_by(REFERRALS.id)
    ).all()
    record_read("portal.episode", locator, patients=(row.party_locator,))
    return PortalEpisodeView.of(
        row,
        appointments=[PortalAppointmentView.of(appointment) for appointment in appointments],
        prescriptions=[PrescriptionView.seen_by(actor, prescription) for prescription in prescriptions],
        referrals=[ReferralView.seen_by(actor, referral) for referral in referrals],
    )


@query(Permission.PORTAL_READ)
def member_episodes(
    actor: Actor, party_locator: str, *, status: str | None = None, limit: int, cursor: str | None = None
) -> Page[EpisodeView]:
    """A member's episodes, newest first; raises NotFound for an unknown member, and for one who does not share them."""
    given = {"tenant": actor.tenant_id, "party": party_locator}
    _shared(actor, found(db.session.execute(_MEMBER, given).one_or_none()))
    return list_episodes(actor, party=party_locator, status=status, limit=limit, cursor=cursor)


def _shared(actor: Actor, row: Any) -> None:
    """Raise NotFound unless the patient's consent, or what holds without one, lets the portal see him."""
    if not reading.sees(actor, row):
        raise NotFound()
