"""Tables of programs that call: service clients with their secrets, and the nonces of signed requests."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Integer, LargeBinary, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from careapp.db import Aggregate, Base, table_of


class ServiceClient(Aggregate, Base):
    """A program that fetches tokens for itself. Of its secrets only SHA-256 stands here: they are random, 256 bits.

    The former secret is good until `former_until`, so that a rotation needs no stop. `last_used_at` moves once an hour.
    """

    __tablename__ = "service_clients"

    client_id: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    secret_made_at: Mapped[datetime]
    former_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    former_until: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("tenant_id", "client_id"),
        CheckConstraint("(former_hash IS NULL) = (former_until IS NULL)", name="former"),
    )


class InternalNonce(Base):
    """A number that one signed request carried: no other may carry it while its signature could still be good."""

    __tablename__ = "internal_nonces"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    nonce: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("internal_nonces_age", "tenant_id", "seen_at"),)


CLIENTS = table_of(ServiceClient).c
