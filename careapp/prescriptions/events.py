"""Events of prescriptions: which one, for whom, by whom; never what."""

from datetime import datetime

from careapp.outbox import topics
from careapp.outbox.events import Event


class _PrescriptionEvent(Event):
    episode_locator: str
    party_locator: str
    provider_locator: str
    status: str
    issued_at: datetime


class PrescriptionIssued(_PrescriptionEvent):
    """A medicine was ordered."""

    topic = topics.PRESCRIPTION_ISSUED


class PrescriptionFilled(_PrescriptionEvent):
    """A pharmacy handed the medicine out."""

    topic = topics.PRESCRIPTION_FILLED


class PrescriptionVoided(_PrescriptionEvent):
    """The order no longer holds."""

    topic = topics.PRESCRIPTION_VOIDED
    priority = "HIGH"
