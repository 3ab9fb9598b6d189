"""Events of providers."""

from pydantic import Field

from careapp.outbox import topics
from careapp.outbox.events import Event


class ProviderUpdated(Event):
    """A provider was entered, or changed: what is told of him, where he works, or his network status."""

    topic = topics.PROVIDER_UPDATED

    npi: str | None
    specialty: str
    status: str = Field(alias="networkStatus")
