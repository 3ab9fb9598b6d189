"""What somebody sees of his own account: who he is here, and where he is signed in."""

from sqlalchemy import select

from careapp.access import Actor, Permission, Role
from careapp.clinics.models import CLINICS
from careapp.commands import query
from careapp.config import Settings
from careapp.db import db
from careapp.identity.confirmation import user_of
from careapp.identity.models import USERS
from careapp.identity.session_list import SessionView, list_own_sessions
from careapp.overviews.zones import read_tenant_zone
from careapp.views import View


class Account(View):
    """A member of staff as he himself sees it; without clinics he works in all of them. `zone` is for the times."""

    name: str
    email: str
    roles: tuple[Role, ...]
    clinic_names: tuple[str, ...]
    sessions: tuple[SessionView, ...]
    zone: str


@query(Permission.OWN_ACCOUNT)
def get_account(actor: Actor, *, settings: Settings) -> Account:
    """The actor's own account with his live sessions."""
    mine = (USERS.tenant_id == actor.tenant_id, USERS.id == user_of(actor))
    user = db.session.execute(select(USERS.name, USERS.email).where(*mine)).one()
    clinics = select(CLINICS.name).where(CLINICS.tenant_id == actor.tenant_id, CLINICS.id.in_(actor.clinic_ids or ()))
    names = db.session.execute(clinics.order_by(CLINICS.name)).scalars() if actor.clinic_ids else ()
    return Account(
        name=user.name, email=user.email, roles=tuple(sorted(actor.roles)), clinic_names=tuple(names),
        sessions=tuple(list_own_sessions(actor, settings=settings)), zone=read_tenant_zone(actor),
    )  # fmt: skip
