"""Lifecycles: the states of a thing as a table, and the one function that moves it from state to state.

The same table draws the buttons, makes the routes, the database CHECK, docs/states.md and a test over every
state, action and role.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import CTE, BigInteger, Index, Row, Select, Text, bindparam, func, literal_column, select
from sqlalchemy.orm import Mapped, mapped_column

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.crypto import EncryptedText, OfRow
from careapp.db import Base, TenantRow, db, insert_many, table_of, tenant_key
from careapp.errors import Conflict, Forbidden
from careapp.kept import built_once
from careapp.outbox.events import Event


@dataclass(frozen=True)
class Transition:
    """One move: its name in routes, its label on buttons, from which states it leads where, and who may make it.

    `dangerous` moves are drawn as such; `needs_reason` moves ask for a reason on pages (the API takes an optional one,
    as care-service's clients send none). `event` is published with the move.
    """

    name: str
    label: str
    sources: tuple[str, ...]
    target: str
    permission: Permission
    event: type[Event] | None = None
    needs_reason: bool = False
    dangerous: bool = False


@dataclass(frozen=True)
class Lifecycle:
    """All states and moves of one kind of thing. `tones` colours a state on pages (Bootstrap's contextual names)."""

    entity: str
    prefix: str
    states: tuple[str, ...]
    transitions: tuple[Transition, ...]
    tones: dict[str, str] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> dict[str, Transition]:
        """Its moves by their names."""
        return {transition.name: transition for transition in self.transitions}

    def transition(self, name: str) -> Transition:
        """The move of that name; raises KeyError for one that does not exist."""
        return self.by_name[name]

    def available(self, status: str, actor: Actor) -> list[Transition]:
        """The moves this actor may make from this state: the buttons a page draws."""
        return [t for t in self.transitions if status in t.sources and actor.may(t.permission)]


class StatusChange(TenantRow, Base):
    """One move that happened: append-only. With the episode named, an episode's timeline is one query."""

    __tablename__ = "status_changes"

    episode_id: Mapped[int | None] = mapped_column(BigInteger)
    entity: Mapped[str] = mapped_column(Text)
    entity_id: Mapped[int] = mapped_column(BigInteger)
    locator: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    from_status: Mapped[str | None] = mapped_column(Text)
    to_status: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    cause: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(EncryptedText("status_changes.reason", row=("locator", "action")))
    category: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (
        tenant_key("episode_id", "episodes"),
        Index("status_changes_timeline", "tenant_id", "episode_id", "id"),
        Index("status_changes_entity", "tenant_id", "entity", "entity_id", "id"),
    )


HISTORY = table_of(StatusChange).c
_TOLD = [column.name for column in HISTORY if column.name != "id"]


def require(lifecycle: Lifecycle, row: Row[Any], transition: Transition, actor: Actor) -> None:
    """Raise Forbidden or Conflict ILLEGAL_TRANSITION unless this actor may make this move from the row's state.

    Inside a reaction only the state is asked: what a move causes is permitted by the move itself (design §3).
    """
    if commands.reacting_to() is None and not actor.may(transition.permission):
        raise Forbidden(f"Your role does not allow this: {transition.label}.")
    if row.status not in transition.sources:
        allowed = " or ".join(transition.sources)
        raise Conflict(
            f"{row.locator} is {row.status}; {transition.name} is possible only from {allowed}.",
            code="ILLEGAL_TRANSITION",
            current=row.status,
        )


def move(
    actor: Actor,
    lifecycle: Lifecycle,
    model: type[Base],
    row: Row[Any],
    action: str,
    *,
    reason: str | None = None,
    category: str | None = None,
    facts: dict[str, Any] | None = None,
    **values: Any,
) -> Row[Any]:
    """Make one move of a locked row: check, set the status with `values`, keep the history, audit it, publish.

    `row` has the model's columns and what its events need besides (`episode_locator`, `party_locator`, …); `facts`
    adds to or overrides those. Returns the model's columns as they are now. Raises Forbidden, and Conflict
    ILLEGAL_TRANSITION where the state does not allow it.
    """
    transition = lifecycle.transition(action)
    require(lifecycle, row, transition, actor)
    target = str(values.pop("status", transition.target))
    changed = set_status(actor, lifecycle, model, row, action, target, reason=reason, category=category, **values)
    if transition.event:
        facts = {**changed._mapping, **(facts or {})}
        commands.publish(transition.event.of(row, key=ordering_key(row), **facts))
    return changed


def set_status(
    actor: Actor,
    lifecycle: Lifecycle,
    model: type[Base],
    row: Row[Any],
    action: str,
    target: str,
    *,
    reason: str | None = None,
    category: str | None = None,
    **values: Any,
) -> Row[Any]:
    """Set the status of a locked row and keep history and audit of it, unchecked and untold: move() and undo use it."""
    if "category" in table_of(model).c:
        values["category"] = category  # set with every move, so that an undo forgets who had called off
    values["status"] = target
    given = {f"new_{name}": value for name, value in values.items()}
    this = {"the_tenant": actor.tenant_id, "the_id": row.id, "the_status": row.status}
    told = told_of(actor, lifecycle, row, action, row.status, target, reason=reason, category=category)
    changed = db.session.execute(_status_update(model, tuple(values)), {**given, **this, **told}).one_or_none()
    if changed is None:
        raise Conflict(
            f"{row.locator} was changed by somebody else just now.", code="STALE_VERSION", current=row.status
        )
    record_move(lifecycle, row, action)
    return changed


@built_once
def _status_update(model: type[Base], names: tuple[str, ...]) -> Select[Any]:
    """The guarded update of a row's status and what else a move sets, with the row of its history; built once, as each
    move runs it.
    """
    table = table_of(model)
    columns = table.c
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    guard = [
        columns.tenant_id == bindparam("the_tenant"), columns.id == bindparam("the_id"),
        columns.status == bindparam("the_status"),
    ]  # fmt: skip
    if "filed_year" in columns:  # what moves is not filed: planned for its one partition
        guard.append(columns.filed_year == literal_column("0"))
    changed = table.update().where(*guard).values(version=columns.version + 1, **values).returning(*columns)
    rows = changed.cte("changed")
    return select(*rows.c).add_cte(kept_history(rows))


def kept_history(rows: CTE, **columns: Any) -> CTE:
    """The part of a statement that keeps a status change of each row it has just written.

    `columns` are those of the change that only these rows know; all else are parameters, as told_of() gives them.
    """
    values = {name: columns.get(name, bindparam(f"told_{name}", type_=HISTORY[name].type)) for name in _TOLD}
    change = table_of(StatusChange).insert().from_select(list(values), select(*values.values()).select_from(rows))
    return change.cte("kept_history")


def remember(actor: Actor, lifecycle: Lifecycle, row: Row[Any], action: str) -> None:
    """Append the first change of a row just made, from nothing, to the history, and collect its audit row."""
    told = told_of(actor, lifecycle, row, action, None, row.status)
    insert_many(StatusChange, [{name: told[f"told_{name}"] for name in _TOLD}])
    record_move(lifecycle, row, action)


def told_of(
    actor: Actor,
    lifecycle: Lifecycle,
    row: Row[Any],
    action: str,
    from_status: str | None,
    to_status: str,
    *,
    reason: str | None = None,
    category: str | None = None,
) -> dict[str, Any]:
    """The values of kept_history(): what happened to a row, by whom, because of what, and why."""
    return {
        "told_episode_id": row.id if lifecycle.entity == "episode" else row._mapping.get("episode_id"),
        "told_entity_id": row.id,
        "told_locator": row.locator,
        "told_from_status": from_status,
        "told_to_status": to_status,
        "told_reason": why(reason, row.locator, action),
        "told_category": category,
        **told_by(actor, lifecycle, action),
    }


def told_by(actor: Actor, lifecycle: Lifecycle, action: str) -> dict[str, Any]:
    """Those of the values that are known before there is a row."""
    cause = commands.reacting_to()
    return {
        "told_tenant_id": actor.tenant_id, "told_entity": lifecycle.entity, "told_action": action,
        "told_actor": actor.name, "told_cause": cause.topic if cause else None, "told_at": clock.now(),
    }  # fmt: skip


def record_move(lifecycle: Lifecycle, row: Row[Any], action: str) -> None:
    """Collect the audit row of a move."""
    party = row._mapping.get("party_locator")
    commands.record(f"{lifecycle.entity}.{action}", row.locator, patients=(party,) if party else ())


def why(reason: str | None, locator: str, action: str) -> OfRow | None:
    """The reason of a move as its status change keeps it: encrypted, and bound to the thing and the move."""
    return OfRow(reason, f"{locator} {action}") if reason else None


def ordering_key(row: Row[Any]) -> str:
    """The key an event about this row is ordered by: its episode's locator, or its own (design §7)."""
    return str(row._mapping.get("episode_locator") or row.locator)


def check_version(row: Row[Any], version: int | None) -> None:
    """Raise Conflict STALE_VERSION when the caller saw another version than the present one; None asks nothing."""
    if version is not None and row.version != version:
        raise Conflict(
            f"{row.locator} has changed since you saw it: it is now version {row.version}. Look again, then decide.",
            code="STALE_VERSION",
            current=row.status,
        )
