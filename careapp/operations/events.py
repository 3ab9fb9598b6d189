"""Events of the operation itself."""

from datetime import datetime

from careapp.outbox import topics
from careapp.outbox.events import Event


class AuditAnchored(Event):
    """The newest seal of a tenant's audit chain: kept elsewhere, it shows if the chain's tail is ever cut off."""

    topic = topics.AUDIT_ANCHORED

    n: int
    hash: str
    sealed_at: datetime


class TenantDeleted(Event):
    """A tenant was deleted, and all of its rows with it. A consumer forgets what he keeps of it."""

    topic = topics.TENANT_DELETED

    deleted_at: datetime
