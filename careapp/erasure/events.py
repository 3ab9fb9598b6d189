"""Events of erasure: which patient was erased and when, so that whoever has copies erases them, too."""

from datetime import datetime

from careapp.outbox import topics
from careapp.outbox.events import Event


class PatientErased(Event):
    """A patient was erased. A consumer erases what he keeps of this locator."""

    topic = topics.PATIENT_ERASED

    party_locator: str
    erased_at: datetime
