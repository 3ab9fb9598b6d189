"""Looking at a record: every read of what is clinical asks here whether it may be shown to who asks.

`look()` asks for all patients of a list in one statement, and in none where nobody in it is restricted; `sees()` and
`require()` then know. Who forgets to look first asks once a patient, and shows nothing that he may not.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from careapp import clock
from careapp.access import Actor
from careapp.commands import current_unit
from careapp.db import db
from careapp.disclosure import condition
from careapp.disclosure.rules import NORMAL, Ground, Kind, Reader, Who, who_is
from careapp.errors import Restricted

Rows = Sequence[Any]
V = TypeVar("V")


def values(actor: Actor) -> dict[str, Any]:
    """The values of the conditions in condition.py for this actor now."""
    return condition.given(Reader.of(actor), clock.now())


def kind(actor: Actor) -> Kind:
    """The kind of reader this actor is; such a condition is built for it."""
    return Reader.of(actor).kind


def look(actor: Actor, rows: Rows) -> Rows:
    """Find out which patients in these rows the actor may read; the rows have `patient_id` and `confidentiality`."""
    _find(actor, {row.patient_id for row in rows if not _plain(actor, row)})
    return rows


def sees(actor: Actor, row: Any) -> bool:
    """Whether this actor may see what is clinical about the row's patient."""
    return _plain(actor, row) or _ground(actor, row.patient_id) is not None


def each(seen_by: Callable[[Actor, Any], V], actor: Actor) -> Callable[[Rows], list[V]]:
    """What makes of each row of a list its view for this actor; whom he may read is found out for all at once."""
    return lambda rows: [seen_by(actor, row) for row in look(actor, rows)]


def require(actor: Actor, row: Any) -> None:
    """Raise Restricted unless this actor may see what is clinical; the row has `party_locator` as well."""
    if not sees(actor, row):
        raise Restricted(row.party_locator)


def forget() -> None:
    """What was found out holds no longer, as this transaction has changed what it depends on."""
    current_unit().grounds.clear()


def _plain(actor: Actor, row: Any) -> bool:
    """Whether nothing has to be asked. The portal depends on consent also where nothing is restricted."""
    return bool(row.confidentiality == NORMAL) and who_is(actor) is not Who.PORTAL


def _ground(actor: Actor, patient_id: int) -> str | None:
    _find(actor, {patient_id})
    return current_unit().grounds.get(patient_id)


def _find(actor: Actor, patients: Iterable[int]) -> None:
    unit = current_unit()
    unknown = sorted(set(patients) - unit.grounds.keys())
    if not unknown:
        return
    given = {**values(actor), "tenant": actor.tenant_id, "patients": unknown, "patient": unknown[0]}
    for row in db.session.execute(condition.grounds_of(kind(actor), one=len(unknown) == 1), given):
        unit.grounds[row.id] = row.ground
        if row.ground == Ground.EMERGENCY:
            unit.in_emergency.add(row.locator)
