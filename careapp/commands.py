"""Commands and queries: one transaction each, with permission, tenant, audit rows, events and reactions in it.

The outermost command opens the transaction and commits it; commands called inside join it; any exception rolls all
of it back. Audit rows and events are collected on the way and written just before the commit.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Result
from sqlalchemy.exc import DBAPIError, IntegrityError

from careapp import collected, replica, tenancy
from careapp.access import Actor, Permission
from careapp.audit import writer as audit
from careapp.audit.writer import AuditRow
from careapp.collected import Unit
from careapp.db import db, sqlstate
from careapp.errors import Busy, Forbidden, NotFound, OutcomeUnknown, Refusal
from careapp.outbox.events import Event
from careapp.telemetry import metrics
from careapp.transactions import Asked

A = ParamSpec("A")
R = TypeVar("R")

DEADLOCK, SERIALIZATION, LOCK_TIMEOUT = "40P01", "40001", "55P03"
RETRIES = 2

Reaction = Callable[[Actor, Event], None]
_reactions: dict[str, tuple[Reaction, ...]] = {}
_constraint_refusals: dict[str, Callable[[], Refusal]] = {}


_unit: ContextVar[Unit | None] = ContextVar("careapp_unit", default=None)


def current_unit() -> Unit:
    """The transaction this code runs in; raises RuntimeError outside any command or query."""
    unit = _unit.get()
    if unit is None:
        raise RuntimeError("this runs only inside a command or a query")
    return unit


def register_reactions(table: dict[str, tuple[Reaction, ...]]) -> None:
    """Set what else happens, in the same transaction, when an event of a topic is published; create_app calls it."""
    _reactions.clear()
    _reactions.update(table)


def refuse_on(constraint: str, refusal: Callable[[], Refusal]) -> None:
    """Say which refusal a violated constraint means; one that nobody named is a fault and answers 500."""
    _constraint_refusals[constraint] = refusal


def command(
    permission: Permission,
) -> Callable[[Callable[Concatenate[Actor, A], R]], Callable[Concatenate[Actor, A], R]]:
    """Make a function a command: `name(actor, locator, *, typed values)`, a write in one transaction.

    Permission is asked of the outermost command only; what a reaction does is permitted by what caused it.
    """

    def decorate(function: Callable[Concatenate[Actor, A], R]) -> Callable[Concatenate[Actor, A], R]:
        metrics.expect_command(name := f"{function.__module__.removeprefix('careapp.')}.{function.__qualname__}")

        @functools.wraps(function)
        def run(actor: Actor, /, *args: A.args, **kwargs: A.kwargs) -> R:
            def work() -> R:
                return _permitted(actor, permission, lambda: function(actor, *args, **kwargs), name)

            return work() if _unit.get() else run_outermost(actor, function.__qualname__, work, asked_for=args[:1])

        run.permission = permission  # type: ignore[attr-defined]
        return run

    return decorate


def query(permission: Permission) -> Callable[[Callable[Concatenate[Actor, A], R]], Callable[Concatenate[Actor, A], R]]:
    """Make a function a query: a scoped read that owns its transaction, its audit row included.

    The audit row is written before the answer leaves: no audit, no data.
    """

    def decorate(function: Callable[Concatenate[Actor, A], R]) -> Callable[Concatenate[Actor, A], R]:
        @functools.wraps(function)
        def run(actor: Actor, /, *args: A.args, **kwargs: A.kwargs) -> R:
            def work() -> R:
                return _permitted(actor, permission, lambda: function(actor, *args, **kwargs))

            if _unit.get():
                return work()
            try:
                with _transaction(actor, writes=False):
                    return work()
            except (Forbidden, NotFound) as refusal:
                if not replica.is_read():  # else the primary is asked next: its refusal alone holds, and counts
                    _audit_refusal(actor, function.__qualname__, refusal, args[:1])
                raise

        run.permission = permission  # type: ignore[attr-defined]
        return run

    return decorate


def publish(event: Event) -> None:
    """Collect an event for the outbox and run its reactions at once, in this transaction."""
    unit = current_unit()
    unit.events.append(event)
    unit.causes.append(event)
    try:
        for reaction in _reactions.get(event.topic, ()):
            reaction(unit.actor, event)
    finally:
        unit.causes.pop()


def reacting_to() -> Event | None:
    """The event whose reaction is running, if one is: the cause that history names."""
    unit = current_unit()
    return unit.causes[-1] if unit.causes else None


def record(action: str, subject: str | None = None, *, patients: tuple[str, ...] = (), **detail: Any) -> None:
    """Collect the audit row of a write."""
    current_unit().audits.append(AuditRow(action, "done", subject, patients, detail))


def record_read(action: str, subject: str | None = None, *, patients: tuple[str, ...] = (), **detail: Any) -> None:
    """Collect the audit row of a read of patient data; `patients` are all whose data the answer shows."""
    current_unit().audits.append(AuditRow(action, "seen", subject, patients, detail))


@contextmanager
def savepoint() -> Iterator[None]:
    """Run a block in a savepoint: when it raises, its changes, events and audit rows are dropped together."""
    unit = current_unit()
    events, audits = len(unit.events), len(unit.audits)
    try:
        with db.session.begin_nested():
            yield
    except BaseException:
        del unit.events[events:], unit.audits[audits:]
        raise


@contextmanager
def unit_of(actor: Actor, *, name: str) -> Iterator[None]:
    """An outermost transaction without a command of its own; an import runs a bundle's commands inside one."""
    with _refusals_audited(actor, name), _transaction(actor, writes=True):
        yield


@contextmanager
def system_transaction(tenant_id: int | None) -> Iterator[None]:
    """A transaction of the machinery itself, before there is an actor: sign-in, and finding out who a request is from.

    Bound to `tenant_id`, or to no tenant at all; what it does is audited by its own code, where a tenant is known.
    """
    with first_read(tenant_id):
        yield
        _commit(wrote_in=tenant_id)  # so that nothing is open for what comes next


@contextmanager
def first_read(tenant_id: int | None) -> Iterator[None]:
    """The read that finds out who a request is from. What it leaves open is the transaction of the command or query
    that comes next, if one of this tenant does, which saves a round trip or two; anything else rolls it back.
    """
    db.session.rollback()
    with tenancy.bound(tenant_id):
        try:
            yield
        except BaseException:
            db.session.rollback()
            raise
    tenancy.hand_on(db.session)


def refusal_of(error: IntegrityError) -> Refusal | None:
    """The refusal a violated constraint stands for, or None where nobody named the constraint."""
    named = _constraint_refusals.get(error.orig.diag.constraint_name or "")  # type: ignore[union-attr]
    return named() if named else None


def _permitted(actor: Actor, permission: Permission, work: Callable[[], R], name: str | None = None) -> R:
    """Run `work` one level deeper; the outermost level asks for the permission."""
    unit = current_unit()
    if unit.depth == 0:
        unit.command = name
        if not actor.may(permission):
            raise Forbidden()
    unit.depth += 1
    try:
        return work()
    finally:
        unit.depth -= 1


def run_outermost(actor: Actor, name: str, work: Callable[[], R], *, asked_for: tuple[object, ...] = ()) -> R:
    """Run a command in its own transaction, again where a clash made it the victim, or its connection was lost."""
    with _refusals_audited(actor, name, asked_for):
        for attempts_left in range(RETRIES, -1, -1):
            try:
                with _transaction(actor, writes=True):
                    return work()
            except DBAPIError as error:
                if error.connection_invalidated and attempts_left == RETRIES:
                    continue  # before the commit, so nothing of it is there; a new connection may well do
                if sqlstate(error) not in (DEADLOCK, SERIALIZATION):
                    raise
                if not attempts_left:
                    raise Busy() from error
    raise AssertionError("unreachable: the last attempt returns or raises")


@contextmanager
def _refusals_audited(actor: Actor, name: str, asked_for: tuple[object, ...] = ()) -> Iterator[None]:
    """Turn a named constraint or a lock timeout into its refusal, and keep the audit row of any refusal."""
    try:
        try:
            yield
        except IntegrityError as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            raise refusal from None  # the database's text would show another row's values
        except DBAPIError as error:
            if sqlstate(error) != LOCK_TIMEOUT:
                raise
            raise Busy() from None
    except Refusal as refusal:
        if not isinstance(refusal, OutcomeUnknown):  # it may have been done, and then its own audit row stands
            _audit_refusal(actor, name, refusal, asked_for)
        raise


@contextmanager
def _transaction(actor: Actor, *, writes: bool) -> Iterator[Unit]:
    """Open the transaction, bind its tenant, and commit it with its audit rows and events."""
    if not tenancy.begun_for(db.session, actor.tenant_id):
        db.session.rollback()  # a read before this one, such as a test's own, may have left a transaction open
    token = _unit.set(unit := Unit(actor, writes))
    try:
        with tenancy.bound(actor.tenant_id):
            yield unit
            if writes and not unit.audits:
                raise RuntimeError("a command ended without an audit row")
            replica.leave()
            last = collected.written_by(actor, audit.with_purposes(unit.audits, unit.in_emergency), unit.events)
            if writes:
                collected.remember(_commit(last, wrote_in=actor.tenant_id))
            else:
                db.session.commit(last)
            metrics.count_command(unit.command, None, refused=any(row.outcome == "refused" for row in unit.audits))
    except BaseException as error:
        db.session.rollback()
        named = isinstance(error, IntegrityError) and refusal_of(error) is not None
        metrics.count_command(unit.command, error, refused=named)
        raise
    finally:
        _unit.reset(token)


def _commit(last: Asked | None = None, *, wrote_in: int | None) -> Result[Any] | None:
    """Run the last statement, if any, and commit a change. Raises OutcomeUnknown where it may have been done."""
    try:
        return db.session.commit(last)
    except DBAPIError as error:
        if error.connection_invalidated and db.session.ending:
            replica.note_write(replica.NEVER)  # whoever looks whether it was done is not shown what is older
            raise OutcomeUnknown() from error.orig
        raise
    finally:
        tenancy.note_write(wrote_in)


def _audit_refusal(actor: Actor, name: str, refusal: Refusal, asked_for: tuple[object, ...]) -> None:
    """Keep that something was refused, in a short transaction of its own, as the first one was rolled back."""
    metrics.count_refusal(refusal)
    with tenancy.bound(actor.tenant_id):
        try:
            db.session.commit(collected.written_by(actor, [collected.refusal_row(name, refusal, asked_for)], []))
        finally:
            db.session.rollback()  # where that failed; else nothing is left to undo
