"""Outbox tables: events that wait, those sent, the head of each key's sequence, and the shards relays take turns on."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, SmallInteger, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.orm import Mapped, mapped_column

from careapp.db import Base, TenantRow

SHARDS = 16  # never changes: a key's shard is computed from it


class OutboxEvent(TenantRow, Base):
    """One event on its way out; the envelope is complete: the relay sends it as it stands, and moves it to SentEvent.

    `published_at` is that of a version which marked events in place; those rows go after seven days, as SentEvent's do.
    """

    __tablename__ = "outbox"

    event_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True))
    topic: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text(collation="C"))
    sequence: Mapped[int] = mapped_column(Integer)
    shard: Mapped[int] = mapped_column(SmallInteger)
    envelope: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    published_at: Mapped[datetime | None]
    parked_at: Mapped[datetime | None]
    withheld_at: Mapped[datetime | None]
    next_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    last_error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("tenant_id", "event_id"),
        UniqueConstraint("tenant_id", "key", "sequence"),
        CheckConstraint(f"shard BETWEEN 0 AND {SHARDS - 1}", name="shard"),
        Index("outbox_todo", "shard", "id", postgresql_where=text("published_at IS NULL")),
        Index("outbox_published", "published_at", postgresql_where=text("published_at IS NOT NULL")),
        Index("outbox_held", "shard", "key", postgresql_where=text("published_at IS NULL AND attempts > 0")),
    )


class SentEvent(Base):
    """An event that Kafka has, kept for seven days in a partition a day; written by the relay alone."""

    __tablename__ = "outbox_sent"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    published_at: Mapped[datetime] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True))
    topic: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text(collation="C"))
    sequence: Mapped[int] = mapped_column(Integer)
    envelope: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime]
    withheld_at: Mapped[datetime | None]

    __table_args__ = ({"postgresql_partition_by": "RANGE (published_at)"},)


class OutboxHead(Base):
    """The last sequence number given to a key; its row lock makes order of sequence the order of commits."""

    __tablename__ = "outbox_head"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer)


class OutboxShard(Base):
    """One row a shard, 0 to 15; the relay that holds its lock is the shard's only sender."""

    __tablename__ = "outbox_shard"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
