"""Events of disclosure: that a record was closed or opened again, and that somebody declared an emergency."""

from datetime import datetime

from careapp.outbox import topics
from careapp.outbox.events import Event


class ConfidentialityChanged(Event):
    """A record was restricted, or is no longer."""

    topic = topics.PATIENT_CONFIDENTIALITY_CHANGED

    party_locator: str
    confidentiality: str
    changed_at: datetime


class EmergencyAccessDeclared(Event):
    """Somebody opened a restricted record in an emergency, for the span of time."""

    topic = topics.PATIENT_EMERGENCY_ACCESS

    party_locator: str
    started_at: datetime
    ends_at: datetime
