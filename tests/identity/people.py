"""Users for tests: invented people with addresses nobody else has."""

import uuid
from typing import Any

from careapp.access import Actor, Role
from careapp.identity import users

PASSWORD = "seven red kites over Bagan"


def peer() -> str:
    """A network address no other test uses: failures of other tests count against theirs."""
    return f"2001:db8:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}::1"


def address() -> str:
    """A new e-mail address."""
    return f"{uuid.uuid4().hex[:12]}@clinic.example"


def a_user(admin: Actor, *roles: Role, **fields: Any) -> users.UserView:
    """A member of staff with the password above; a clinician unless told otherwise."""
    values = {"email": address(), "name": "Ma Thandar Test", "password": PASSWORD, "roles": roles or [Role.CLINICIAN]}
    return users.create_user(admin, **(values | fields))
