"""What the board's filters offer: clinicians and clinics, read together with those that are set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, CompoundSelect, Text, bindparam, func, literal_column, or_, select, union_all

from careapp.access import Actor
from careapp.clinics.models import CLINICS, Clinic
from careapp.db import at_most, db, table_of
from careapp.disclosure.scope import scope_of, within
from careapp.errors import NotFound
from careapp.kept import built_once
from careapp.paging import MAX_LIMIT
from careapp.providers.models import PROVIDERS, Provider

MINE = "mine"  # stands for the provider the actor is, so that a link to one's own board can be passed on


@dataclass(frozen=True)
class Filter:
    """What the board is narrowed to: a care type, a provider's locator or MINE, a clinic's locator."""

    care_type: str | None = None
    clinician: str | None = None
    clinic: str | None = None


class Choice(NamedTuple):
    """A provider or a clinic to choose. No view, as a page has some hundred and compares them all with those drawn."""

    locator: str
    name: str


@dataclass(frozen=True)
class Choices:
    """All that can be chosen, by name; `is_provider` says whether the actor has episodes of his own."""

    clinicians: tuple[Choice, ...]
    clinics: tuple[Choice, ...]
    is_provider: bool


def read_choices(actor: Actor, wanted: Filter) -> tuple[Choices, dict[str, int]]:
    """What can be chosen, and the ids (`provider`, `clinic`) of what is; in one statement, inside a query.

    Raises NotFound for a provider that is not in the tenant, a clinic that is not in scope, and MINE for nobody.
    """
    is_provider = actor.provider_id is not None
    named = {"clinician": wanted.clinician, "clinic": wanted.clinic, "own": actor.provider_id}
    rows = db.session.execute(_choices(actor.clinic_ids is not None), {**scope_of(actor), **named}).all()
    ordered = sorted(rows, key=lambda row: (row.name, row.id))
    found = {kind: [row for row in ordered if row.kind == kind] for kind in ("provider", "clinic")}
    ids: dict[str, int] = {}
    if wanted.clinician == MINE and actor.provider_id is not None:
        ids["provider"] = actor.provider_id
    elif wanted.clinician is not None:
        ids["provider"] = _id_of(found["provider"], wanted.clinician)
    if wanted.clinic is not None:
        ids["clinic"] = _id_of(found["clinic"], wanted.clinic)
    offered = {kind: tuple(Choice(row.locator, row.name) for row in found[kind]) for kind in found}
    return Choices(offered["provider"], offered["clinic"], is_provider), ids


def _id_of(rows: Sequence[Any], locator: str) -> int:
    for row in rows:
        if row.locator == locator:
            return int(row.id)
    raise NotFound()


@built_once
def _choices(scoped: bool) -> CompoundSelect[Any]:
    """Providers of the network and clinics in scope, as many as a list can show, those that are set among them."""
    own = PROVIDERS.id == bindparam("own", type_=BigInteger)
    chosen = func.coalesce(or_(PROVIDERS.locator == bindparam("clinician", type_=Text), own), literal_column("false"))
    providers = (
        select(literal_column("'provider'").label("kind"), PROVIDERS.id, PROVIDERS.locator, PROVIDERS.name)
        .select_from(table_of(Provider))
        .where(PROVIDERS.tenant_id == bindparam("tenant"), or_(PROVIDERS.status == "ACTIVE", chosen))
        .order_by(chosen.desc(), PROVIDERS.name, PROVIDERS.id)
        .limit(at_most(MAX_LIMIT))
    )
    set_here = func.coalesce(CLINICS.locator == bindparam("clinic", type_=Text), literal_column("false"))
    clinics = (
        select(literal_column("'clinic'").label("kind"), CLINICS.id, CLINICS.locator, CLINICS.name)
        .select_from(table_of(Clinic))
        .where(CLINICS.tenant_id == bindparam("tenant"), within(scoped, CLINICS.id))
        .order_by(set_here.desc(), CLINICS.name, CLINICS.id)
        .limit(at_most(MAX_LIMIT))
    )
    return union_all(select(providers.subquery()), select(clinics.subquery()))
