"""Providers and clinics over JSON."""

from typing import Annotated

from flask import Response
from pydantic import Field

from careapp.access import Permission
from careapp.api.blueprint import PREFIX, api
from careapp.api.moves import each_move
from careapp.clinics import queries as clinic_queries
from careapp.clinics import service as clinic_service
from careapp.clinics.views import ClinicPage, ClinicView
from careapp.providers import queries, service
from careapp.providers.states import NETWORK
from careapp.providers.views import ProviderPage, ProviderView
from careapp.surface.actors import current_actor, requires
from careapp.surface.answers import created, tagged
from careapp.surface.fields import Among, Line, Locator, Paged, Sent


class ProviderIn(Sent):
    """What enters a provider; the network status is PENDING until activated."""

    name: Line
    specialty: Annotated[str, Field(pattern=r"^[A-Z][A-Z_]{1,59}$")]
    npi: Annotated[str, Field(pattern=r"^[0-9]{10}$")] | None = None
    clinics: Annotated[list[Locator], Field(default_factory=list, max_length=50)]


class ProviderQuery(Paged):
    """What the directory can be narrowed by."""

    specialty: Line | None = None
    status: Annotated[str, Among(NETWORK.states)] | None = Field(None, alias="networkStatus")
    clinic: Locator | None = None


class ClinicIn(Sent):
    """What enters a clinic."""

    name: Line
    time_zone: Line


@api.post("/providers")
@requires(Permission.PROVIDER_MANAGE)
@api.input(ProviderIn)
@api.output(ProviderView, 201)
@api.doc(tags=["Providers"])
def create_provider(json_data: ProviderIn) -> Response:
    """Enter a provider."""
    actor, given = current_actor(), json_data.model_dump(exclude={"clinics"})
    return created(
        actor,
        lambda: service.create_provider(actor, clinic_locators=json_data.clinics, **given),
        f"{PREFIX}/providers",
    )


@api.get("/providers")
@requires(Permission.DIRECTORY_VIEW)
@api.input(ProviderQuery, location="query")
@api.output(ProviderPage)
@api.doc(tags=["Providers"])
def list_providers(query_data: ProviderQuery) -> Response:
    """List providers by name."""
    return tagged(queries.list_providers(current_actor(), **query_data.model_dump()))


@api.get("/providers/<locator>")
@requires(Permission.DIRECTORY_VIEW)
@api.output(ProviderView)
@api.doc(tags=["Providers"])
def get_provider(locator: str) -> Response:
    """Get a provider."""
    return tagged(queries.get_provider(current_actor(), locator))


@api.post("/clinics")
@requires(Permission.CLINIC_MANAGE)
@api.input(ClinicIn)
@api.output(ClinicView, 201)
@api.doc(tags=["Clinics"])
def create_clinic(json_data: ClinicIn) -> Response:
    """Enter a clinic."""
    actor = current_actor()
    return created(actor, lambda: clinic_service.create_clinic(actor, **json_data.model_dump()), f"{PREFIX}/clinics")


@api.get("/clinics")
@requires(Permission.DIRECTORY_VIEW)
@api.input(Paged, location="query")
@api.output(ClinicPage)
@api.doc(tags=["Clinics"])
def list_clinics(query_data: Paged) -> Response:
    """List clinics by name."""
    return tagged(clinic_queries.list_clinics(current_actor(), **query_data.model_dump()))


@api.get("/clinics/<locator>")
@requires(Permission.DIRECTORY_VIEW)
@api.output(ClinicView)
@api.doc(tags=["Clinics"])
def get_clinic(locator: str) -> Response:
    """Get a clinic."""
    return tagged(clinic_queries.get_clinic(current_actor(), locator))


each_move(NETWORK, "/providers", ProviderView, service.act, Permission.DIRECTORY_VIEW)
