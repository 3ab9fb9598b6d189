"""Tenants by key, for credentials that name one: found once in a process, as a key is one tenant's for ever.

Whether somebody of the tenant is let in, whoever finds out who a request is from asks the database each time.
"""

from flask import current_app

from careapp.operations import tenants

KNOWN = "careapp.tenant_ids"


def tenant_id(key: str) -> int | None:
    """The id of the tenant with this key, or None; only those that exist are remembered."""
    known: dict[str, int] = current_app.extensions.setdefault(KNOWN, {})
    if key not in known:
        found = tenants.tenant_id_of(key)
        if found is None:
            return None
        known[key] = found
    return known[key]
