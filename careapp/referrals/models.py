"""Referrals table."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from careapp.crypto import EncryptedText
from careapp.db import Aggregate, Base, one_of, table_of, tenant_key
from careapp.locators import column_rule
from careapp.referrals.states import PRIORITIES, REFERRAL, TYPES

_OPEN = "status IN ('REFERRED', 'BOOKED')"


class Referral(Aggregate, Base):
    """An order for something done elsewhere; open until it is completed or cancelled.

    `status_at` is when it came into its state, `due_at` when what comes next is overdue (deadlines.py); both are set
    with every move.
    """

    __tablename__ = "diagnostics_referrals"

    locator: Mapped[str] = mapped_column(Text, column_rule("REF"))
    episode_id: Mapped[int] = mapped_column(BigInteger)
    patient_id: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[str] = mapped_column(Text)
    priority: Mapped[str] = mapped_column(Text, server_default="ROUTINE")
    reason: Mapped[str] = mapped_column(Text)
    facility: Mapped[str | None] = mapped_column(Text)
    scheduled_for: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(EncryptedText("diagnostics_referrals.outcome"))
    status: Mapped[str] = mapped_column(Text, server_default="REFERRED")
    referred_at: Mapped[datetime] = mapped_column(server_default=func.now())
    status_at: Mapped[datetime] = mapped_column(server_default=func.now())
    due_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("tenant_id", "locator"),
        tenant_key("episode_id", "episodes"),
        tenant_key("patient_id", "patients"),
        one_of("status", REFERRAL.states),
        one_of("type", TYPES),
        one_of("priority", PRIORITIES),
        CheckConstraint(f"(due_at IS NOT NULL) = ({_OPEN})", name="due"),
        Index("referrals_of_episode", "tenant_id", "episode_id", "created_at", "id"),
        Index("referrals_of_patient", "tenant_id", "patient_id", "referred_at", "id"),
        Index("referrals_due", "tenant_id", "status", "due_at", "id", postgresql_where=text(_OPEN)),
        Index("referrals_changed", "tenant_id", "status_at", "id"),
    )


REFERRALS = table_of(Referral).c
