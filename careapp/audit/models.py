"""Audit tables: one append-only row for each write, refusal and read of patient data; its seals; what was retired."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, Integer, LargeBinary, SmallInteger, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, INT8MULTIRANGE, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from careapp.db import Base, one_of, table_of

# One for each thing the log is searched by, in the order it is shown in (the primary key serves the newest), and one
# that the sealer finds by what is not sealed.
INDEXES = (
    Index("audit_to_seal", "tenant_id", "xid"),
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


class AuditEvent(Base):
    """One act or look: the app role may only insert it, and only the columns that it may say. Partitioned by `at`."""

    __tablename__ = "audit_event"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.clock_timestamp())
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
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

    __table_args__ = (
        one_of("outcome", ("done", "seen", "refused")), *INDEXES, {"postgresql_partition_by": "RANGE (at)"},
    )  # fmt: skip


class AuditPatient(Base):
    """The log by patient: one row for each patient an audit row names, stored with it and never changed either.

    An index over the array would not do: under row-level security an array's operators are no index condition.
    """

    __tablename__ = "audit_patients"
    __table_args__ = ({"postgresql_partition_by": "RANGE (at)"},)

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    patient: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class AuditSeal(Base):
    """One link of a tenant's chain: the digests of all rows a window of transactions wrote, bound to the link before.

    Only the relay role makes them, by `audit_seal_next`. `chain` and `after_id`: after a restore transactions count
    anew, so a new chain holds rows with higher numbers than `after_id` alone.
    """

    __tablename__ = "audit_seal"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(SmallInteger)
    chain: Mapped[int] = mapped_column(Integer)
    after_id: Mapped[int] = mapped_column(BigInteger)
    xid_from: Mapped[str] = mapped_column(TransactionId())
    xid_to: Mapped[str] = mapped_column(TransactionId())
    sealed_at: Mapped[datetime]
    ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    digests: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    prev: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditRetired(Base):
    """What retention took of a tenant's log: which rows, the sum of their digests, who decided it. The seals stay."""

    __tablename__ = "audit_retired"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    part: Mapped[str] = mapped_column(Text, primary_key=True)
    until: Mapped[datetime]
    ids: Mapped[Any] = mapped_column(INT8MULTIRANGE)
    rows: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    retired_by: Mapped[str] = mapped_column(Text)
    retired_at: Mapped[datetime] = mapped_column(server_default=func.now())


AUDIT = table_of(AuditEvent).c
AUDIT_SEAL = table_of(AuditSeal).c
AUDIT_PATIENTS = table_of(AuditPatient).c
