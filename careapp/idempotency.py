"""Idempotency keys: the same request sent twice has one effect and one answer (draft-ietf-httpapi-idempotency-key)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, LargeBinary, SmallInteger, Text, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from careapp import commands
from careapp.access import Actor
from careapp.audit.writer import AuditRow
from careapp.db import LOCK_TIMEOUT, Base, db, table_of
from careapp.errors import Busy, Invalid, Refusal
from careapp.kept import keep
from careapp.outbox import crash_points

STORED_REFUSALS = frozenset({403, 404, 409})  # not 422: who puts a field right sends the same key again


class IdempotencyKey(Base):
    """One request somebody marked with a key, and the bytes it was answered with; kept for 24 hours.

    `subject` and `patients` are whom the answer is about, so that giving it again is audited like giving it first.
    """

    __tablename__ = "idempotency_key"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    principal: Mapped[str] = mapped_column(Text, primary_key=True)
    route: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    request_hash: Mapped[str] = mapped_column(Text)
    status: Mapped[int | None] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, str] | None] = mapped_column(JSONB)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    subject: Mapped[str | None] = mapped_column(Text)
    patients: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("idempotency_key_age", "tenant_id", "created_at"),)


_TABLE = table_of(IdempotencyKey)
_THIS = [
    _TABLE.c[name] == bindparam(f"the_{name.removesuffix('_id')}")
    for name in ("tenant_id", "principal", "route", "key")
]
_READ = keep(select(_TABLE).where(*_THIS))
_GIVEN = [_TABLE.c[name] for name in ("status", "headers", "body", "subject", "patients")]
_STORE = keep(update(_TABLE).where(*_THIS).values({one: bindparam(one.name, type_=one.type) for one in _GIVEN}))
# The second request with a key waits two seconds for the first one to end, no longer; what comes after this statement
# waits for locks as ever. A key that was there already leaves the short wait in force: nothing is locked after that.
_TAKE = keep(
    text(f"""
WITH patience AS (SELECT set_config('lock_timeout', '2s', true))
INSERT INTO idempotency_key (tenant_id, principal, route, key, request_hash)
SELECT :the_tenant, :the_principal, :the_route, :the_key, :request_hash FROM patience
ON CONFLICT DO NOTHING RETURNING set_config('lock_timeout', '{LOCK_TIMEOUT}', true)
""")
)


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
    kept as an answer too, its effects rolled back to a savepoint; other errors, and a refusal of fields, keep nothing,
    so a retry runs again.
    Raises Invalid IDEMPOTENCY_KEY_REUSED for the same key with another request, Busy while the first one still runs.
    """

    def work() -> Answer:
        taken = db.session.execute(_TAKE, {**_this(actor, route, key), "request_hash": request_hash}).one_or_none()
        if taken is None:
            return _first_answer(actor, route, key, request_hash)
        given = _run(answer, refused, route)
        _keep(actor, route, key, given)
        return given

    given = commands.run_outermost(actor, route, work)
    crash_points.reached("before_answer")
    return given


def is_answered(actor: Actor, route: str, key: str) -> bool:
    """Whether this actor was answered to this key on this route before, so that once() runs nothing."""
    with commands.system_transaction(actor.tenant_id):
        return db.session.execute(_READ, _this(actor, route, key)).one_or_none() is not None


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
        refusal = error
    if refusal.status not in STORED_REFUSALS or isinstance(refusal, Busy):  # which says to try again in a moment
        raise refusal
    row = AuditRow(route, "refused", detail={"code": refusal.code, "status": refusal.status})
    commands.current_unit().audits.append(row)
    return refused(refusal)


def _first_answer(actor: Actor, route: str, key: str, request_hash: str) -> Answer:
    """What the first request with this key was answered."""
    row = db.session.execute(_READ, _this(actor, route, key)).one()
    if row.request_hash != request_hash:
        raise Invalid(
            {"Idempotency-Key": "This key was used with another request. Make a new key for a new request."},
            code="IDEMPOTENCY_KEY_REUSED",
        )
    commands.record_read(f"{route} repeated", row.subject, patients=tuple(row.patients))
    return Answer(row.status, row.headers, bytes(row.body))


def _keep(actor: Actor, route: str, key: str, given: Answer) -> None:
    audits = commands.current_unit().audits
    about = {
        "subject": next((audit.subject for audit in audits if audit.subject), None),
        "patients": sorted({patient for audit in audits for patient in audit.patients}),
    }
    kept = {"status": given.status, "headers": given.headers, "body": given.body, **about}
    db.session.execute(_STORE, {**_this(actor, route, key), **kept})


def _this(actor: Actor, route: str, key: str) -> dict[str, Any]:
    """The values that name one key in the statements of this module."""
    return {"the_tenant": actor.tenant_id, "the_principal": actor.name, "the_route": route, "the_key": key}
