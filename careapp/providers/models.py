"""Provider tables: the provider and the clinics he works at."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from careapp.db import Aggregate, Base, one_of, table_of, tenant_key
from careapp.locators import column_rule
from careapp.providers.states import NETWORK


class Provider(Aggregate, Base):
    """A person or organisation that gives care. The NPI is unique in its tenant and may be unknown.

    `status` is the network status."""

    __tablename__ = "providers"

    locator: Mapped[str] = mapped_column(Text, column_rule("PRV"))
    npi: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    specialty: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, server_default="PENDING")
    activated_at: Mapped[datetime | None]
    identifiers: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")

    __table_args__ = (
        UniqueConstraint("tenant_id", "locator"),
        UniqueConstraint("tenant_id", "npi"),
        one_of("status", NETWORK.states),
        Index("providers_by_name", "tenant_id", "name", "id"),
    )


class ProviderClinic(Base):
    """A provider works at a clinic."""

    __tablename__ = "provider_clinics"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    provider_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    clinic_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)

    __table_args__ = (
        tenant_key("provider_id", "providers"),
        tenant_key("clinic_id", "clinics"),
        Index("provider_clinics_clinic", "tenant_id", "clinic_id"),
    )


PROVIDERS = table_of(Provider).c
PROVIDER_CLINICS = table_of(ProviderClinic).c
