"""Episodes table."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Computed, Index, Integer, Text, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from careapp.crypto import EncryptedText
from careapp.db import Aggregate, Base, one_of, table_of, tenant_key
from careapp.episodes.states import CARE_TYPES, EPISODE, STAGE_RULE
from careapp.locators import column_rule


def _board_index(name: str, column: str, known: str = "") -> Index:
    """The index behind one filter of the board: its cards of each stage, in their order."""
    keys = ("tenant_id", column, "stage", "opened_at", "id")
    return Index(f"episodes_board_{name}", *keys, postgresql_where=text(f"status = 'OPEN'{known}"))


class Episode(Aggregate, Base):
    """One course of care of one patient, with three counters that give its stage on the board.

    `seen` counts appointments the patient came to, the other two what refuses a close. Changing a counter does not
    raise the version: it is not a change that somebody made to the episode. `last_provider_id` and `last_clinic_id` say
    with whom and where it was last; they hold good while no appointment is open, which says more (service.was_last).
    """

    __tablename__ = "episodes"

    locator: Mapped[str] = mapped_column(Text, column_rule("EPI"))
    patient_id: Mapped[int] = mapped_column(BigInteger)
    care_type: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, server_default="OPEN")
    seen: Mapped[int] = mapped_column(Integer, server_default="0")
    open_appointments: Mapped[int] = mapped_column(Integer, server_default="0")
    open_referrals: Mapped[int] = mapped_column(Integer, server_default="0")
    stage: Mapped[str | None] = mapped_column(Text, Computed(STAGE_RULE, persisted=True))
    triage_session_locator: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    summary: Mapped[str | None] = mapped_column(EncryptedText("episodes.summary"))
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]
    last_provider_id: Mapped[int | None] = mapped_column(BigInteger)
    last_clinic_id: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        UniqueConstraint("tenant_id", "locator"),
        tenant_key("patient_id", "patients"),
        tenant_key("last_provider_id", "providers"),
        tenant_key("last_clinic_id", "clinics"),
        one_of("status", EPISODE.states),
        one_of("care_type", CARE_TYPES),
        CheckConstraint("seen >= 0 AND open_appointments >= 0 AND open_referrals >= 0", name="counters"),
        Index("episodes_newest", "tenant_id", "opened_at", "id"),
        Index("episodes_of_patient", "tenant_id", "patient_id", "opened_at", "id"),
        Index("episodes_by_status", "tenant_id", "status", "opened_at", "id"),
        Index("episodes_board", "tenant_id", "stage", "opened_at", "id", postgresql_where=text("status = 'OPEN'")),
        _board_index("care_type", "care_type"),
        _board_index("provider", "last_provider_id", " AND last_provider_id IS NOT NULL"),
        _board_index("clinic", "last_clinic_id", " AND last_clinic_id IS NOT NULL"),
    )


EPISODES = table_of(Episode).c
