"""Audit tables: one append-only row for each write, refusal and read of patient data."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from careapp.db import Base, TenantRow, one_of, table_of

# One for each thing the log is searched by, in the order it is shown in.
INDEXES = (
    Index("audit_newest", "tenant_id", "at", "id"),
    Index("audit_by_actor", "tenant_id", "actor", "at", "id"),
    Index("audit_by_action", "tenant_id", "action", "at", "id"),
    Index("audit_by_subject", "tenant_id", "subject", "at", "id", postgresql_where=text("subject IS NOT NULL")),
    Index("audit_refused", "tenant_id", "at", "id", postgresql_where=text("outcome = 'refused'")),
)


class TransactionId(UserDefinedType[str]):
    """PostgreSQL's xid8, the transaction a row was written by; the sealer orders its windows with it."""

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        """The type's name in SQL."""
        return "xid8"


class AuditEvent(TenantRow, Base):
    """One act or look: the app role may only insert it, and only the columns that it may say."""

    __tablename__ = "audit_event"

    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    xid: Mapped[str] = mapped_column(TransactionId(), server_default=text("pg_current_xact_id()"))
    actor: Mapped[str] = mapped_column(Text)
    on_behalf_of: Mapped[str | None] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text, server_default="TREAT")  # the default is for versions that say none
    action: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(Text)
    subject: Mapped[str | None] = mapped_column(Text)
    patients: Mapped[list[str]] = mapped_column(ARRAY(Text))
    request_id: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)

    __table_args__ = (one_of("outcome", ("done", "seen", "refused")), *INDEXES)


class AuditPatient(Base):
    """The log by patient: one row for each patient an audit row names, stored with it and never changed either.

    An index over the array would not do: under row-level security an array's operators are no index condition.
    """

    __tablename__ = "audit_patients"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    patient: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


AUDIT = table_of(AuditEvent).c
AUDIT_PATIENTS = table_of(AuditPatient).c
