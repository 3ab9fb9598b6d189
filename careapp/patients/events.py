"""Events of patients: that one was registered, and nothing about the person."""

from datetime import datetime

from careapp.outbox import topics
from careapp.outbox.events import Event


class PatientRegistered(Event):
    """A patient was entered."""

    topic = topics.PATIENT_REGISTERED

    party_locator: str
    created_at: datetime
