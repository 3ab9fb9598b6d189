"""Staff as other pages name them: who is behind a user's number, and which user a name or address belongs to."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import or_, select

from careapp.access import Actor, Permission, Role
from careapp.commands import query
from careapp.db import at_most, db
from careapp.identity.models import USERS
from careapp.views import View

FOUND_AT_ONCE = 20


class StaffName(View):
    """A member of staff by name; in the audit log he is `user:` and the number."""

    id: int
    name: str
    email: str
    roles: tuple[Role, ...]
    disabled_at: datetime | None

    @property
    def actor(self) -> str:
        """What the audit log calls him."""
        return f"user:{self.id}"


@query(Permission.AUDIT_VIEW)
def names_of_staff(actor: Actor, user_ids: Collection[int]) -> dict[int, str]:
    """The names behind users' numbers; who is not of this tenant is left out."""
    mine = select(USERS.id, USERS.name).where(USERS.tenant_id == actor.tenant_id, USERS.id.in_(user_ids))
    return {row.id: row.name for row in db.session.execute(mine)}


@query(Permission.AUDIT_VIEW)
def find_staff(actor: Actor, text: str) -> list[StaffName]:
    """Staff whose name or address contains what was typed, by name; at most FOUND_AT_ONCE, disabled ones too."""
    containing = or_(*(column.icontains(text.strip(), autoescape=True) for column in (USERS.name, USERS.email)))
    rows = db.session.execute(
        select(*(USERS[name] for name in StaffName.model_fields))
        .where(USERS.tenant_id == actor.tenant_id, containing)
        .order_by(USERS.name, USERS.id)
        .limit(at_most(FOUND_AT_ONCE))
    )
    return StaffName.of_each(rows)
