"""Prescriptions over JSON."""

from typing import Annotated

from flask import Response
from pydantic import Field

from careapp.access import Permission
from careapp.api.blueprint import PREFIX, api
from careapp.api.moves import each_move
from careapp.prescriptions import queries, service
from careapp.prescriptions.states import PRESCRIPTION
from careapp.prescriptions.views import Medication, PrescriptionPage, PrescriptionView
from careapp.surface.actors import current_actor, requires
from careapp.surface.answers import created, tagged
from careapp.surface.fields import WHOLE, Line, Locator, Paged, Sent, Words


class MedicationIn(Sent):
    """A medicine as text, with a code where it was chosen from a coded list."""

    text: Line
    code: Line | None = None
    system: Line | None = None


class PrescriptionIn(Sent):
    """What issues a prescription."""

    medication: MedicationIn
    dosage: Words
    quantity: Annotated[int, Field(ge=1, le=100_000), WHOLE] | None = None
    refills: Annotated[int, Field(ge=0, le=99), WHOLE] | None = None
    provider_locator: Locator


@api.post("/episodes/<locator>/prescriptions")
@requires(Permission.PRESCRIPTION_WRITE)
@api.input(PrescriptionIn)
@api.output(PrescriptionView, 201)
@api.doc(tags=["Prescriptions"])
def issue(locator: str, json_data: PrescriptionIn) -> Response:
    """Issue a prescription, by a provider who takes part in the network (else 409 PROVIDER_NOT_PARTICIPATING).

    The safety checks run, and whatever they say, it is issued: nobody is there to be asked. What they say is stored
    with it and stands on the episode's page, not in the answer: have orders that came this way looked at there.
    """
    actor = current_actor()
    given = {**json_data.model_dump(), "medication": Medication(**json_data.medication.model_dump())}
    return created(actor, lambda: service.issue(actor, locator, **given), f"{PREFIX}/prescriptions")


@api.get("/episodes/<locator>/prescriptions")
@requires(Permission.PRESCRIPTION_VIEW)
@api.input(Paged, location="query")
@api.output(PrescriptionPage)
@api.doc(tags=["Prescriptions"])
def list_prescriptions(locator: str, query_data: Paged) -> Response:
    """List an episode's prescriptions, newest first."""
    return tagged(queries.list_prescriptions(current_actor(), locator, **query_data.model_dump()))


@api.get("/prescriptions/<locator>")
@requires(Permission.PRESCRIPTION_VIEW)
@api.output(PrescriptionView)
@api.doc(tags=["Prescriptions"])
def get_prescription(locator: str) -> Response:
    """Get a prescription."""
    return tagged(queries.get_prescription(current_actor(), locator))


each_move(PRESCRIPTION, "/prescriptions", PrescriptionView, service.act, Permission.PRESCRIPTION_VIEW)
