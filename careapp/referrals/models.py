"""Referrals table."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from careapp.db import Aggregate, Base, one_of, table_of, tenant_key
from careapp.locators import column_rule
from careapp.referrals.states import PRIORITIES, REFERRAL, TYPES


class Referral(Aggregate, Base):
    """An order for something done elsewhere; open until it is completed or cancelled."""

    __tablename__ = "diagnostics_referrals"

    locator: Mapped[str] = mapped_column(Text, column_rule("REF"))
    episode_id: Mapped[int] = mapped_column(BigInteger)
    patient_id: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[str] = mapped_column(Text)
    priority: Mapped[str] = mapped_column(Text, server_default="ROUTINE")
    reason: Mapped[str] = mapped_column(Text)
    facility: Mapped[str | None] = mapped_column(Text)
    scheduled_for: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, server_default="REFERRED")

    __table_args__ = (
        UniqueConstraint("tenant_id", "locator"),
        tenant_key("episode_id", "episodes"),
        tenant_key("patient_id", "patients"),
        one_of("status", REFERRAL.states),
        one_of("type", TYPES),
        one_of("priority", PRIORITIES),
        Index("referrals_of_episode", "tenant_id", "episode_id", "created_at", "id"),
        Index(
            "referrals_open", "tenant_id", "created_at", "id", postgresql_where=text("status IN ('REFERRED', 'BOOKED')")
        ),
    )


REFERRALS = table_of(Referral).c
