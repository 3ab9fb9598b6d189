"""Who may sign a prescription in an episode, and who most likely does."""

from collections.abc import Sequence

from sqlalchemy import select

from careapp.access import Actor, Permission
from careapp.commands import query
from careapp.db import at_most, db, table_of
from careapp.episodes.service import episode_id_of
from careapp.paging import MAX_LIMIT
from careapp.providers.models import PROVIDERS
from careapp.providers.queries import get_provider, list_providers
from careapp.providers.states import ACTIVE as PARTICIPATES
from careapp.providers.views import ProviderView
from careapp.scheduling.models import APPOINTMENTS, Appointment
from careapp.views import View


class Prescribers(View):
    """Who takes part in the network, by name, and the locator of the likeliest of them.

    That is the provider the actor is (`own`, None for who is none), else the one of the episode's last appointment; he
    is None where that one takes no part.
    """

    providers: Sequence[ProviderView]
    likeliest: str | None
    own: str | None


@query(Permission.PRESCRIPTION_WRITE)
def get_prescribers(actor: Actor, episode_locator: str) -> Prescribers:
    """The providers to choose from in an episode; raises NotFound for an unknown one."""
    episode_id = episode_id_of(actor, episode_locator)
    named = (PROVIDERS.locator, PROVIDERS.status)
    own = select(*named).where(PROVIDERS.tenant_id == actor.tenant_id, PROVIDERS.id == actor.provider_id)
    last = (
        select(*named)
        .join(
            table_of(Appointment),
            (APPOINTMENTS.tenant_id == PROVIDERS.tenant_id) & (APPOINTMENTS.provider_id == PROVIDERS.id),
        )
        .where(PROVIDERS.tenant_id == actor.tenant_id, APPOINTMENTS.episode_id == episode_id)
        .order_by(APPOINTMENTS.starts_at.desc(), APPOINTMENTS.id.desc())
        .limit(at_most(1))
    )
    him = db.session.execute(own if actor.provider_id is not None else last).one_or_none()
    likeliest = him.locator if him and him.status == PARTICIPATES else None
    providers = list(list_providers(actor, status=PARTICIPATES, limit=MAX_LIMIT).items)
    if likeliest and likeliest not in {one.locator for one in providers}:
        providers.insert(0, get_provider(actor, likeliest))
    return Prescribers(
        providers=providers, likeliest=likeliest, own=him.locator if him and actor.provider_id is not None else None
    )
