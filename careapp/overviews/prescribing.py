"""What the prescription form offers besides its fields: who signs, the clinician's favourites, what the patient had."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, bindparam, select

from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import at_most, db
from careapp.episodes.service import episode_id_of, readable_episode
from careapp.errors import found
from careapp.kept import built_once
from careapp.overviews.prescribers import Prescribers, get_prescribers
from careapp.prescriptions.favourites import list_favourites
from careapp.prescriptions.models import PRESCRIPTIONS
from careapp.prescriptions.service import prescription_rows
from careapp.prescriptions.states import VOID
from careapp.prescriptions.views import EarlierOrder, FavouriteView, Order
from careapp.terminology.queries import list_in_use, search_medicines
from careapp.terminology.views import Found, ListInUse
from careapp.views import View

READ, SHOWN = 60, 8  # of the patient's prescriptions: so many are looked at, so many different orders are offered


class Prescribing(View):
    """All that the form offers; `medicines` is the code list in use, None where none is loaded."""

    prescribers: Prescribers
    favourites: Sequence[FavouriteView]
    earlier: Sequence[EarlierOrder]
    medicines: ListInUse | None


@query(Permission.PRESCRIPTION_WRITE)
def get_prescribing(actor: Actor, episode_locator: str) -> Prescribing:
    """What the form in an episode offers; raises NotFound. Earlier orders are each there once, the newest first."""
    row = readable_episode(actor, episode_locator)
    given = {"the_tenant": actor.tenant_id, "the_patient": row.patient_id}
    orders: dict[tuple[Any, ...], EarlierOrder] = {}
    if actor.may(Permission.PRESCRIPTION_READ):
        for one in map(EarlierOrder.from_row, db.session.execute(_earlier(), given)):
            orders.setdefault((one.medication.text.casefold(), one.dosage), one)
    record_read("prescription.earlier", episode_locator, patients=(row.party_locator,))
    return Prescribing(
        prescribers=get_prescribers(actor, episode_locator),
        favourites=list_favourites(actor),
        earlier=list(orders.values())[:SHOWN],
        medicines=list_in_use(actor),
    )


@query(Permission.PRESCRIPTION_READ)
def get_order(actor: Actor, episode_locator: str, locator: str) -> Order:
    """What an earlier prescription of the episode's patient says, to be ordered again. Raises NotFound, also for
    another patient's prescription.
    """
    row = readable_episode(actor, episode_locator)
    statement = prescription_rows(actor).where(
        PRESCRIPTIONS.locator == locator, PRESCRIPTIONS.patient_id == row.patient_id
    )
    order = Order.from_row(found(db.session.execute(statement).one_or_none()))
    record_read("prescription.read", locator, patients=(row.party_locator,))
    return order


@query(Permission.PRESCRIPTION_WRITE)
def find_medicines(actor: Actor, episode_locator: str, text: str) -> Found:
    """Medicines to choose from in the form of an episode; raises NotFound for an episode that is not there."""
    episode_id_of(actor, episode_locator)
    return search_medicines(actor, text)


@built_once
def _earlier() -> Select[Any]:
    return (
        select(
            PRESCRIPTIONS.locator, PRESCRIPTIONS.issued_at, PRESCRIPTIONS.status, PRESCRIPTIONS.medication_text,
            PRESCRIPTIONS.medication_code, PRESCRIPTIONS.medication_system, PRESCRIPTIONS.dosage,
            PRESCRIPTIONS.dosage_parts, PRESCRIPTIONS.quantity, PRESCRIPTIONS.refills,
        )
        .where(PRESCRIPTIONS.tenant_id == bindparam("the_tenant"), PRESCRIPTIONS.patient_id == bindparam("the_patient"))
        .where(PRESCRIPTIONS.status != VOID)
        .order_by(PRESCRIPTIONS.issued_at.desc(), PRESCRIPTIONS.id.desc())
        .limit(at_most(READ))
    )  # fmt: skip
