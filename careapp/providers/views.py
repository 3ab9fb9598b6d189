"""What providers look like from outside."""

from typing import Annotated

from pydantic import Field

from careapp.providers.states import NETWORK
from careapp.views import Page, View, codes


class ProviderView(View):
    """One provider (design §6); `clinics` are the locators of the clinics he works at."""

    locator: str
    npi: str | None
    name: str
    specialty: str
    status: Annotated[str, codes(NETWORK.states)] = Field(alias="networkStatus")
    clinics: list[str]
    version: int


class ProviderPage(Page[ProviderView]):
    """A page of providers."""
