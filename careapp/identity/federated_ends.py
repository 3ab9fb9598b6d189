"""Sessions that an identity provider ends, because somebody signed out there, or was shut out."""

from collections import Counter
from typing import Any

from sqlalchemy import ColumnElement, select, update

from careapp import clock, commands
from careapp.audit import writer as audit
from careapp.audit.writer import AuditRow
from careapp.db import db, table_of
from careapp.errors import Conflict
from careapp.identity import directory, nonces
from careapp.identity.federation import IDENTITIES, PROVIDER
from careapp.identity.models import UserSession

MINE = table_of(UserSession)
REASON = "signed out at the identity provider"


def end_of_subject(issuer: str, subject: str, session: str | None, *, once: str) -> int:
    """End the sessions this subject has through the provider, or the one of the provider's `session`; how many.

    `once` is the id of the provider's order: raises Conflict where it was carried out already.
    """
    with commands.system_transaction(None):
        tenant_id, _ = directory.find_subject(issuer, subject)
    if tenant_id is None:
        return 0
    return _end(tenant_id, once, *_through(tenant_id, issuer, subject), *_of(session))


def end_of_session(tenant_id: int, issuer: str, session: str, *, once: str) -> int:
    """End what stands on this session of the provider in one tenant; for an order that names no subject."""
    return _end(tenant_id, once, *_through(tenant_id, issuer, None), *_of(session))


def _through(tenant_id: int, issuer: str, subject: str | None) -> tuple[ColumnElement[bool], ...]:
    which = [IDENTITIES.tenant_id == tenant_id, IDENTITIES.issuer == issuer]
    which += [IDENTITIES.subject == subject] if subject else []
    return (MINE.c.federated_id.in_(select(IDENTITIES.id).where(*which)),)


def _of(session: str | None) -> tuple[ColumnElement[bool], ...]:
    return (MINE.c.idp_sid == session,) if session else ()


def _end(tenant_id: int, once: str, *which: Any) -> int:
    with commands.system_transaction(tenant_id):
        ended = db.session.execute(
            update(MINE)
            .where(MINE.c.tenant_id == tenant_id, MINE.c.ended_at.is_(None), *which)
            .values(ended_at=clock.now(), end_reason=REASON)
            .returning(MINE.c.user_id)
        ).scalars()
        people = Counter(ended)
        if not nonces.take(tenant_id, f"logout:{once}"):
            raise Conflict("This order was carried out before.")
        audit.write(tenant_id, PROVIDER, [
            AuditRow("user.end_sessions", "done", f"user:{user_id}", detail={"reason": REASON, "sessions_ended": count})
            for user_id, count in people.items()
        ])  # fmt: skip
    return people.total()
