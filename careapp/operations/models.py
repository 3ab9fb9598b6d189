"""Operations tables: tenants, their settings, and which foreign record became which of ours."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Identity, Integer, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from careapp.config import LANGUAGES, NEEDS_SECOND_FACTOR
from careapp.db import Base, one_of, table_of

LONGEST_BUFFER = 240  # minutes
LONGEST_RETENTION = 100  # years


class Tenant(Base):
    """An organisation that uses the application. It has no tenant itself, so it stands on the allow-list.

    One that is deleted stays as a tombstone, so that its key is never another's: `deletion` says who and why. While one
    is suspended nobody of it is let in.
    """

    __tablename__ = "tenants"

    id: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    key: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    time_zone: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    suspended_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    deletion: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class TenantSettings(Base):
    """What a tenant may set.

    `buffer_minutes`: free time a provider keeps after each appointment. `name`: what pages call the tenant, where that
    is not the name it was made with. `language`: what pages speak to staff who have chosen none (None: what the browser
    asks for). `second_factor`: who must sign in with more than a password. `records_kept_years`: how long after his
    last episode a patient is not erased.
    """

    __tablename__ = "tenant_settings"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    buffer_minutes: Mapped[int] = mapped_column(Integer, server_default="0")
    name: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(Text)
    second_factor: Mapped[str] = mapped_column(Text, server_default="nobody")
    records_kept_years: Mapped[int] = mapped_column(Integer, server_default="10")
    version: Mapped[int] = mapped_column(Integer, server_default="1")

    __table_args__ = (
        CheckConstraint(f"buffer_minutes BETWEEN 0 AND {LONGEST_BUFFER}", name="buffer_minutes"),
        CheckConstraint(f"records_kept_years BETWEEN 1 AND {LONGEST_RETENTION}", name="records_kept_years"),
        one_of("language", LANGUAGES),
        one_of("second_factor", NEEDS_SECOND_FACTOR),
    )


class ImportedRecord(Base):
    """A record of another system that was taken in: the same one comes in once, however often it is sent."""

    __tablename__ = "imported_records"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    resource_type: Mapped[str] = mapped_column(Text, primary_key=True)
    source_id: Mapped[str] = mapped_column(Text, primary_key=True)
    entity_id: Mapped[int | None] = mapped_column(BigInteger)
    locator: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


TENANTS = table_of(Tenant).c
IMPORTED = table_of(ImportedRecord).c
SETTINGS = table_of(TenantSettings).c
