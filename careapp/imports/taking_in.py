"""Taking in one bundle: one transaction, a savepoint for each record, each source record once for ever."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.exc import DataError, IntegrityError

from careapp import commands
from careapp.access import Actor, Permission
from careapp.commands import command, savepoint
from careapp.db import db, insert, table_of, wait_without_end
from careapp.errors import Refusal
from careapp.imports.bundles import Bundle, identifiers
from careapp.imports.reading import Resource, refuse_modified
from careapp.imports.report import Line, Note, Outcome, Unusable, shown
from careapp.operations.models import IMPORTED, ImportedRecord
from careapp.patients.models import PATIENTS

# What Synthea, since 2020, writes into bundles of its own, and names by an identifier in those of patients. Not
# patients: some of their numbers are not taken over.
NAMED_BY_IDENTIFIER = ("Organization", "Practitioner")
_FIRST = " Take in the file that holds it, then this one again."


@dataclass(frozen=True)
class Ours:
    """What a foreign record became here; facts of a patient have no locator."""

    id: int
    locator: str | None


@dataclass(frozen=True)
class Stored:
    """What storing a record gave: the row of ours, what to remark, and whether it was there already by another name."""

    ours: Ours
    remarks: tuple[Note, ...] = ()
    known_before: bool = False


class Taking:
    """One bundle on its way in: what is known of its records, and which of ours they refer to."""

    def __init__(self, actor: Actor, bundle: Bundle, zone: ZoneInfo) -> None:
        self.actor, self.bundle, self.zone = actor, bundle, zone
        self._known = dict(self._look_up([one["id"] for records in bundle.records.values() for one in records]))

    def take(self, resource_type: str, resource: Resource, store: "Store") -> Line:
        """Take one record in, unless it came before; whatever is wrong with it stays its own affair."""
        source_id: str = resource["id"]
        key = (resource_type, source_id)
        if key in self._known:
            self._remember_identifiers(resource, self._known[key])  # one of a version before has none kept
            return Line(self.bundle.name, resource_type, source_id, Outcome.ALREADY_THERE)
        try:
            refuse_modified(resource)
            with savepoint():
                stored = store(self, resource)
                self._remember(key, stored.ours)
                self._remember_identifiers(resource, stored.ours)
        except (Unusable, Refusal, DataError, IntegrityError) as error:
            return Line(self.bundle.name, resource_type, source_id, Outcome.REFUSED, (_why(error),))
        self._known[key] = stored.ours
        outcome = Outcome.ALREADY_THERE if stored.known_before else Outcome.CREATED
        return Line(self.bundle.name, resource_type, source_id, outcome, stored.remarks)

    def follow(self, reference: str, resource_type: str) -> Ours:
        """What of ours a reference means, from this bundle or an earlier one; raises Unusable where there is none."""
        source_id = self.bundle.source_id(reference, resource_type)
        if source_id is not None:
            key = (resource_type, source_id)
            if key not in self._known:
                self._known.update(self._look_up([source_id]))
            if key in self._known:
                return self._known[key]
            if any(record["id"] == source_id for record in self.bundle.records.get(resource_type, ())):
                raise Unusable("REFERENCE", reference, f"That {resource_type} was refused.")
        raise Unusable(
            "REFERENCE", reference, f"No {resource_type} taken in has this address, or several have it.{_FIRST}"
        )

    def patients(self) -> tuple[str, ...]:
        """The locators of all patients whose records the bundle holds."""
        return tuple(
            sorted(ours.locator for (kind, _), ours in self._known.items() if kind == "Patient" and ours.locator)
        )

    def _look_up(self, source_ids: list[str]) -> list[tuple[tuple[str, str], Ours]]:
        """What became of these records. Their patients are held: an erasure that runs now is awaited, and what it has
        forgotten is not found."""
        found = self._read(source_ids)
        patients = [ours.id for (kind, _), ours in found if kind == "Patient"]
        if not patients:
            return found
        these = (PATIENTS.tenant_id == self.actor.tenant_id, PATIENTS.id.in_(patients))
        held = select(PATIENTS.id).where(*these).order_by(PATIENTS.id).with_for_update(read=True, key_share=True)
        db.session.execute(held).all()
        return self._read(source_ids)

    def _read(self, source_ids: list[str]) -> list[tuple[tuple[str, str], Ours]]:
        rows = db.session.execute(
            select(IMPORTED.resource_type, IMPORTED.source_id, IMPORTED.entity_id, IMPORTED.locator).where(
                IMPORTED.tenant_id == self.actor.tenant_id,
                IMPORTED.source_id.in_(source_ids),
                IMPORTED.entity_id.is_not(None),
            )
        )
        return [((row.resource_type, row.source_id), Ours(row.entity_id, row.locator)) for row in rows]

    def _remember(self, key: tuple[str, str], ours: Ours) -> None:
        insert(
            ImportedRecord, IMPORTED.source_id, tenant_id=self.actor.tenant_id, resource_type=key[0], source_id=key[1],
            entity_id=ours.id, locator=ours.locator,
        )  # fmt: skip

    def _remember_identifiers(self, resource: Resource, ours: Ours) -> None:
        """Keep by which identifiers later bundles may refer to a record; one that two records have means neither."""
        if resource["resourceType"] not in NAMED_BY_IDENTIFIER:
            return
        rows = [
            {"tenant_id": self.actor.tenant_id, "resource_type": resource["resourceType"], "source_id": identifier,
             "entity_id": ours.id, "locator": ours.locator}
            for identifier in identifiers(resource)
        ]  # fmt: skip
        if rows:
            statement = postgres_insert(table_of(ImportedRecord)).values(rows)
            key = (IMPORTED.tenant_id, IMPORTED.resource_type, IMPORTED.source_id)
            other = IMPORTED.entity_id != statement.excluded.entity_id
            neither = {"entity_id": None, "locator": None}
            db.session.execute(statement.on_conflict_do_update(index_elements=key, set_=neither, where=other))


Store = Callable[[Taking, Resource], Stored]


@command(Permission.HISTORY_IMPORT)
def take_in(actor: Actor, bundle: Bundle, *, zone: ZoneInfo, stores: dict[str, Store]) -> list[Line]:
    """Take in a bundle's records of the types that `stores` knows, in its order; the others are counted.

    Returns what became of each record. Publishes nothing: what happened long ago elsewhere is no news.
    """
    _wait_for_turn(actor)
    taking = Taking(actor, bundle, zone)
    lines = [
        taking.take(resource_type, resource, store)
        for resource_type, store in stores.items()
        for resource in bundle.records.get(resource_type, ())
    ]
    left = [
        Line(bundle.name, resource_type, resource["id"], Outcome.NOT_IMPORTED)
        for resource_type, records in bundle.records.items()
        if resource_type not in stores
        for resource in records
    ]
    lines = [*bundle.unreadable, *lines, *left]
    commands.record("import.bundle", patients=taking.patients(), **_sums(lines))
    return lines


def _wait_for_turn(actor: Actor) -> None:
    """Let imports into one tenant take turns, bundle by bundle: each sees what the other has stored."""
    wait_without_end()
    name = f"{actor.tenant_id}/import"
    db.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


def _sums(lines: list[Line]) -> dict[str, Any]:
    """How many records came to which outcome, for the audit."""
    return {
        outcome.name.lower(): sum(line.outcome is outcome for line in lines) for outcome in Outcome
    }  # fmt: skip


def _why(error: Exception) -> Note:
    """What a refused record's line says; a database's own text could show another row's values."""
    if isinstance(error, Unusable):
        return error.note
    if isinstance(error, IntegrityError):
        named = commands.refusal_of(error)
        return (
            Note(named.code, "", named.detail)
            if named
            else Note("NOT_STORABLE", "", "It breaks a rule of the database.")
        )
    if isinstance(error, Refusal):
        return Note(error.code, "", error.detail)
    assert isinstance(error, DataError)
    return Note("NOT_STORABLE", shown(type(error.orig).__name__), "The database cannot hold one of its values.")
