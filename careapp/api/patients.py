"""Patients over JSON. What they are searched by travels in the body, never in an address."""

from typing import Annotated

from flask import Response
from pydantic import Field

from careapp.access import Permission
from careapp.api.blueprint import PREFIX, api
from careapp.paging import DEFAULT_LIMIT
from careapp.patients import queries, service
from careapp.patients.states import CONTACT_SYSTEMS, CONTACT_USES, GENDERS
from careapp.patients.views import ContactPoint, HumanName, Identifier, PatientPage, PatientView
from careapp.surface.actors import current_actor, requires
from careapp.surface.answers import answer_of, created, done_once, tagged
from careapp.surface.fields import Among, Cursor, Day, Limit, Line, Locator, Paged, Sent


class NameIn(Sent):
    """A name (FHIR HumanName). One of `family` and `given` is needed; many people have only given names."""

    family: Line | None = None
    given: Annotated[list[Line], Field(default_factory=list, max_length=10)]


class IdentifierIn(Sent):
    """A number another system knows the person by."""

    system: Line | None = None
    value: Line


class ContactIn(Sent):
    """A way to reach the person."""

    system: Annotated[str, Among(CONTACT_SYSTEMS)]
    value: Line
    use: Annotated[str, Among(CONTACT_USES)] | None = None


class PatientIn(Sent):
    """What registers a patient."""

    name: NameIn
    birth_date: Day | None = None
    gender: Annotated[str, Among(GENDERS)] = "unknown"
    identifiers: Annotated[list[IdentifierIn], Field(default_factory=list, max_length=20)]
    telecom: Annotated[list[ContactIn], Field(default_factory=list, max_length=20)]


class SearchIn(Sent):
    """What patients are searched by; at least one."""

    name: Line | None = None
    birth_date: Day | None = None
    locator: Locator | None = None
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None


@api.post("/patients")
@requires(Permission.PATIENT_REGISTER)
@api.input(PatientIn)
@api.output(PatientView, 201)
@api.doc(tags=["Patients"])
def register_patient(json_data: PatientIn) -> Response:
    """Register a patient."""
    actor, given = current_actor(), json_data
    return created(
        actor,
        lambda: service.register(
            actor, name=HumanName(**given.name.model_dump()), birth_date=given.birth_date, gender=given.gender,
            identifiers=[Identifier(**identifier.model_dump()) for identifier in given.identifiers],
            telecom=[ContactPoint(**contact.model_dump()) for contact in given.telecom],
        ),
        f"{PREFIX}/patients",
    )  # fmt: skip


@api.get("/patients")
@requires(Permission.PATIENT_VIEW)
@api.input(Paged, location="query")
@api.output(PatientPage)
@api.doc(tags=["Patients"])
def list_patients(query_data: Paged) -> Response:
    """List patients, newest first."""
    return tagged(queries.list_patients(current_actor(), **query_data.model_dump()))


@api.post("/patients/search")
@requires(Permission.PATIENT_VIEW)
@api.input(SearchIn)
@api.output(PatientPage)
@api.doc(tags=["Patients"])
def search_patients(json_data: SearchIn) -> Response:
    """Search patients by the beginnings of their names, birth date or locator."""
    actor = current_actor()
    return done_once(actor, lambda: answer_of(queries.search_patients(actor, **json_data.model_dump())))


@api.get("/patients/<locator>")
@requires(Permission.PATIENT_VIEW)
@api.output(PatientView)
@api.doc(tags=["Patients"])
def get_patient(locator: str) -> Response:
    """Get a patient."""
    return tagged(queries.get_patient(current_actor(), locator))
