"""What clinics look like from outside."""

from careapp.views import Page, View


class ClinicView(View):
    """One clinic and the IANA zone its times are shown in."""

    locator: str
    name: str
    time_zone: str
    version: int


class ClinicDetails(ClinicView):
    """A clinic with what stands at the head of its prints: address (lines as on an envelope) and phone."""

    address: str | None
    phone: str | None


class ClinicPage(Page[ClinicView]):
    """A page of clinics."""
