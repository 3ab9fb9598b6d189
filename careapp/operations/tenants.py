"""Tenants: making one, and knowing it by its key."""

import psycopg
from sqlalchemy import select

from careapp.db import db
from careapp.localdb import libpq_url
from careapp.operations.models import TENANTS


def create_tenant(owner_url: str, *, key: str, name: str, time_zone: str, buffer_minutes: int = 0) -> int:
    """Make a tenant with its settings, as the database's owner (the app role may not), and return its id.

    A tenant whose key is taken stays as it is; its id is returned.
    """
    with psycopg.connect(libpq_url(owner_url)) as connection:
        connection.execute(
            "INSERT INTO tenants (key, name, time_zone) VALUES (%s, %s, %s) ON CONFLICT (key) DO NOTHING",
            [key, name, time_zone],
        )
        row = connection.execute("SELECT id FROM tenants WHERE key = %s", [key]).fetchone()
        assert row is not None
        connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(row[0])])
        connection.execute(
            "INSERT INTO tenant_settings (tenant_id, buffer_minutes) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [row[0], buffer_minutes],
        )
    return int(row[0])


def tenant_id_of(key: str) -> int | None:
    """The id of the tenant with this key, None where there is none; asked before a tenant is bound."""
    found: int | None = db.session.execute(select(TENANTS.id).where(TENANTS.key == key)).scalar_one_or_none()
    db.session.rollback()
    return found
