"""What providers look like from outside."""

from pydantic import Field

from careapp.views import Page, View


class ProviderView(View):
    """One provider (design §6); `clinics` are the locators of the clinics he works at."""

    locator: str
    npi: str | None
    name: str
    specialty: str
    status: str = Field(alias="networkStatus")
    clinics: list[str]
    version: int


class ProviderPage(Page[ProviderView]):
    """A page of providers."""
