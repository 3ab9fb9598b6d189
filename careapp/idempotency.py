"""Idempotency keys: the same request sent twice has one effect and one answer (draft-ietf-httpapi-idempotency-key)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, LargeBinary, Row, SmallInteger, Text, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from careapp import commands
from careapp.access import Actor
from careapp.audit.writer import AuditRow
from careapp.db import Base, db, insert_unless_clash, table_of
from careapp.errors import Invalid, Refusal

STORED_REFUSALS = frozenset({403, 404, 409, 422})
MAX_KEY = 255


class IdempotencyKey(Base):
    """One request somebody marked with a key, and the bytes it was answered with; kept for 24 hours."""

    __tablename__ = "idempotency_key"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    principal: Mapped[str] = mapped_column(Text, primary_key=True)
    route: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    request_hash: Mapped[str] = mapped_column(Text)
    status: Mapped[int | None] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, str] | None] = mapped_column(JSONB)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("idempotency_key_age", "tenant_id", "created_at"),)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer as it goes out, and as it is kept to be given again."""

    status: int
    headers: dict[str, str]
    body: bytes


def once(
    actor: Actor, route: str, key: str, request_hash: str, answer: Callable[[], Answer],
    refused: Callable[[Refusal], Answer],
) -> Answer:  # fmt: skip
    """Run `answer` unless this actor sent this key to this route before; then give the first answer again.

    Key, effect and answer stand in one transaction, so a crash leaves all of it or nothing. A refusal of the domain is
    kept as an answer too, its effects rolled back to a savepoint; other errors keep nothing, so a retry runs again.
    Raises Invalid IDEMPOTENCY_KEY_REUSED for the same key with another request, Busy while the first one still runs.
    """

    def work() -> Answer:
        _wait_at_most("2s")
        row = insert_unless_clash(
            IdempotencyKey, IdempotencyKey.key, tenant_id=actor.tenant_id, principal=actor.name, route=route, key=key,
            request_hash=request_hash,
        )  # fmt: skip
        _wait_at_most("0")
        if row is None:
            return _first_answer(actor, route, key, request_hash)
        given = _run(answer, refused, route)
        _keep(actor, route, key, given)
        return given

    return commands.run_outermost(actor, route, work)


def _run(answer: Callable[[], Answer], refused: Callable[[Refusal], Answer], route: str) -> Answer:
    """The answer, or the form in which a refusal of the domain, or of a named constraint, is kept."""
    try:
        with commands.savepoint():
            return answer()
    except IntegrityError as error:
        refusal = commands.refusal_of(error)
        if refusal is None:
            raise
    except Refusal as error:
        if error.status not in STORED_REFUSALS:
            raise
        refusal = error
    row = AuditRow(route, "refused", detail={"code": refusal.code, "status": refusal.status})
    commands.current_unit().audits.append(row)
    return refused(refusal)


def _first_answer(actor: Actor, route: str, key: str, request_hash: str) -> Answer:
    """What the first request with this key was answered."""
    table = table_of(IdempotencyKey)
    row = db.session.execute(
        select(table.c.request_hash, table.c.status, table.c.headers, table.c.body).where(*_this(actor, route, key))
    ).one()
    if row.request_hash != request_hash:
        raise Invalid(
            {"Idempotency-Key": "This key was used with another request. Make a new key for a new request."},
            code="IDEMPOTENCY_KEY_REUSED",
        )
    commands.record(f"{route} repeated")
    return Answer(row.status, row.headers, bytes(row.body))


def _keep(actor: Actor, route: str, key: str, given: Answer) -> None:
    table = table_of(IdempotencyKey)
    kept = {"status": given.status, "headers": given.headers, "body": given.body}
    db.session.execute(update(table).where(*_this(actor, route, key)).values(**kept))


def _this(actor: Actor, route: str, key: str) -> tuple[Any, ...]:
    table = table_of(IdempotencyKey).c
    return (
        table.tenant_id == actor.tenant_id, table.principal == actor.name, table.route == route, table.key == key,
    )  # fmt: skip


def _wait_at_most(how_long: str) -> None:
    """How long this transaction waits for a lock; the second request with a key must not hang behind the first."""
    db.session.execute(text("SELECT set_config('lock_timeout', :how_long, true)"), {"how_long": how_long})
