"""Nonces of signed requests and of an identity provider's tokens: each is good once, whichever worker or host it
reaches first.
"""

from sqlalchemy import delete, func, text

from careapp import commands
from careapp.db import db, insert_unless_clash, table_of
from careapp.identity.client_models import InternalNonce

KEPT = "30 minutes"  # far longer than a signature or a token is good, so that clocks of two hosts may differ

_TABLE = table_of(InternalNonce)


def use(tenant_id: int, nonce: str) -> bool:
    """Whether this is the first request of the tenant with this nonce; of two at once, one is told so.

    In a transaction of its own, committed before the request is served: one that fails later has used its nonce up.
    """
    with commands.system_transaction(tenant_id):
        return take(tenant_id, nonce)


def take(tenant_id: int, nonce: str) -> bool:
    """The same in the present transaction: what fails has not used it up, and may be sent again."""
    return insert_unless_clash(InternalNonce, _TABLE.c.nonce, tenant_id=tenant_id, nonce=nonce) is not None


def forget_old(tenant_id: int) -> int:
    """Delete nonces whose signatures are long past, and return how many; jobs run it for each tenant."""
    old = _TABLE.c.seen_at < func.now() - text(f"interval '{KEPT}'")
    with commands.system_transaction(tenant_id):
        gone = db.session.execute(delete(_TABLE).where(_TABLE.c.tenant_id == tenant_id, old).returning(_TABLE.c.nonce))
        return len(gone.all())
