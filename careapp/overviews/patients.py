"""The patient page: who it is, what is known, and all episodes, read together."""

from collections.abc import Sequence

from careapp.access import Actor, Permission
from careapp.commands import query
from careapp.episodes.queries import list_episodes
from careapp.episodes.views import EpisodeView
from careapp.overviews.zones import read_tenant_zone
from careapp.patients.queries import get_patient, list_facts
from careapp.patients.views import FactView, PatientView
from careapp.views import Page, View


class PatientChart(View):
    """A patient, his allergies, his conditions, and his episodes; days are those of the tenant's zone.

    Conditions are clinical: they are None for who does not treat patients.
    """

    patient: PatientView
    allergies: Sequence[FactView]
    conditions: Sequence[FactView] | None
    episodes: Page[EpisodeView]
    zone: str


@query(Permission.PATIENT_VIEW)
def get_patient_chart(actor: Actor, locator: str, *, cursor: str | None = None) -> PatientChart:
    """One patient with one page of his episodes, newest first; raises NotFound."""
    patient = get_patient(actor, locator)
    facts = list_facts(actor, locator)
    conditions = [fact for fact in facts if fact.kind == "CONDITION"]
    return PatientChart(
        patient=patient,
        allergies=[fact for fact in facts if fact.kind == "ALLERGY"],
        conditions=conditions if actor.may(Permission.CLINICAL_READ) else None,
        episodes=list_episodes(actor, party=locator, cursor=cursor),
        zone=read_tenant_zone(actor),
    )
