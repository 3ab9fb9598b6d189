"""Prescription tables: what was ordered, and what a clinician orders often."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from careapp.crypto import EncryptedText
from careapp.db import Aggregate, Base, TenantRow, one_of, table_of, tenant_key
from careapp.locators import column_rule
from careapp.prescriptions.states import PRESCRIPTION


class Prescription(Aggregate, Base):
    """One medicine ordered for the episode's patient by a provider. `void_reason` says why it was voided.

    `dosage_parts` is FHIR R4's Dosage, None for a dosage in somebody's own words; `dosage` is the English sentence.
    `checks` is what the safety checks said at the time (checks.Checks), None where they did not exist yet;
    `override_reason` why it was issued in spite of them.
    """

    __tablename__ = "prescriptions"

    locator: Mapped[str] = mapped_column(Text, column_rule("RXP"))
    episode_id: Mapped[int] = mapped_column(BigInteger)
    patient_id: Mapped[int] = mapped_column(BigInteger)
    provider_id: Mapped[int] = mapped_column(BigInteger)
    medication_text: Mapped[str] = mapped_column(Text)
    medication_code: Mapped[str | None] = mapped_column(Text)
    medication_system: Mapped[str | None] = mapped_column(Text)
    dosage: Mapped[str] = mapped_column(Text)
    quantity: Mapped[int | None] = mapped_column(Integer)
    refills: Mapped[int | None] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(Text, server_default="ISSUED")
    void_reason: Mapped[str | None] = mapped_column(EncryptedText("prescriptions.void_reason"))
    issued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    dosage_parts: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    checks: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    override_reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("tenant_id", "locator"),
        tenant_key("episode_id", "episodes"),
        tenant_key("patient_id", "patients"),
        tenant_key("provider_id", "providers"),
        one_of("status", PRESCRIPTION.states),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("refills >= 0", name="refills"),
        Index("prescriptions_of_episode", "tenant_id", "episode_id", "issued_at", "id"),
        Index("prescriptions_of_patient", "tenant_id", "patient_id", "issued_at", "id"),
    )


class PrescriptionFavourite(TenantRow, Base):
    """A medicine with dosage and quantity that one user orders often. `fingerprint` keeps it from being there twice."""

    __tablename__ = "prescription_favourites"

    user_id: Mapped[int] = mapped_column(BigInteger)
    medication_text: Mapped[str] = mapped_column(Text)
    medication_code: Mapped[str | None] = mapped_column(Text)
    medication_system: Mapped[str | None] = mapped_column(Text)
    dosage: Mapped[str] = mapped_column(Text)
    dosage_parts: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    quantity: Mapped[int | None] = mapped_column(Integer)
    refills: Mapped[int | None] = mapped_column(Integer)
    fingerprint: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (UniqueConstraint("tenant_id", "user_id", "fingerprint"), tenant_key("user_id", "users"))


PRESCRIPTIONS = table_of(Prescription).c
FAVOURITES = table_of(PrescriptionFavourite).c
