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
