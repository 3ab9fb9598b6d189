"""Reads of prescriptions; who may only know that they exist sees no medicine."""

from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db
from careapp.disclosure import reading
from careapp.episodes.service import readable_episode
from careapp.errors import found
from careapp.paging import DEFAULT_LIMIT, patients_in, read_page
from careapp.prescriptions.models import PRESCRIPTIONS
from careapp.prescriptions.service import prescription_rows
from careapp.prescriptions.views import PrescriptionView
from careapp.views import Page


@query(Permission.PRESCRIPTION_VIEW)
def get_prescription(actor: Actor, locator: str) -> PrescriptionView:
    """One prescription; raises NotFound and Restricted."""
    row = found(db.session.execute(prescription_rows(actor).where(PRESCRIPTIONS.locator == locator)).one_or_none())
    reading.require(actor, row)
    record_read("prescription.read", locator, patients=(row.party_locator,))
    return PrescriptionView.seen_by(actor, row)


@query(Permission.PRESCRIPTION_VIEW)
def list_prescriptions(
    actor: Actor, episode_locator: str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[PrescriptionView]:
    """The prescriptions of an episode, newest first; raises NotFound for an unknown episode, and
    Restricted."""
    episode_id = readable_episode(actor, episode_locator).id
    statement = prescription_rows(actor).where(PRESCRIPTIONS.episode_id == episode_id)
    page = read_page(
        statement,
        (PRESCRIPTIONS.issued_at, PRESCRIPTIONS.id),
        reading.each(PrescriptionView.seen_by, actor),
        of=("prescriptions", episode_locator),
        limit=limit,
        cursor=cursor,
        newest_first=True,
    )
    record_read("prescription.list", episode_locator, patients=patients_in(page.items))
    return page
