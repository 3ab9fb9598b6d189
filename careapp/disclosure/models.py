"""Tables of disclosure: who is in a patient's care team, what he consented to, and emergency access to his record."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from careapp.db import Base, TenantRow, one_of, table_of, tenant_key
from careapp.disclosure.rules import DECISIONS, SCOPES


class CareTeamMember(TenantRow, Base):
    """Somebody in the care team of a patient: a user or a provider, with what he is there, from `since` until `until`.

    Nobody is deleted from it: who could read a record when is part of what the log means.
    """

    __tablename__ = "care_team_members"

    patient_id: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    provider_id: Mapped[int | None] = mapped_column(BigInteger)
    role: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    until: Mapped[datetime | None]
    added_by: Mapped[str] = mapped_column(Text)
    removed_by: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        tenant_key("patient_id", "patients"),
        tenant_key("user_id", "users"),
        tenant_key("provider_id", "providers"),
        CheckConstraint("num_nonnulls(user_id, provider_id) = 1", name="who"),
        Index("care_team_of_patient", "tenant_id", "patient_id", "id"),
    )


class ConsentDirective(TenantRow, Base):
    """What a patient permitted or denied (FHIR Consent): append-only, the newest of a scope holds."""

    __tablename__ = "consent_directives"

    patient_id: Mapped[int] = mapped_column(BigInteger)
    scope: Mapped[str] = mapped_column(Text)
    decision: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    recorded_by: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        tenant_key("patient_id", "patients"),
        one_of("scope", SCOPES),
        one_of("decision", DECISIONS),
        Index("consents_of_patient", "tenant_id", "patient_id", "scope", "id"),
    )


class EmergencyAccess(TenantRow, Base):
    """Emergency access of one user to one restricted record, with his reason; and what the review of it said."""

    __tablename__ = "emergency_accesses"

    patient_id: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    reviewed_by: Mapped[str | None] = mapped_column(Text)
    reviewed_at: Mapped[datetime | None]
    remark: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        tenant_key("patient_id", "patients"),
        tenant_key("user_id", "users"),
        CheckConstraint("length(reason) >= 10", name="reason"),
        CheckConstraint("ends_at > started_at", name="span"),
        CheckConstraint("(reviewed_by IS NULL) = (reviewed_at IS NULL)", name="review"),
        Index("emergencies_of_patient", "tenant_id", "patient_id", "user_id", "ends_at"),
        Index("emergencies_newest", "tenant_id", "started_at", "id"),
        Index("emergencies_of_user", "tenant_id", "user_id", "started_at"),
    )


TEAM = table_of(CareTeamMember).c
CONSENTS = table_of(ConsentDirective).c
EMERGENCIES = table_of(EmergencyAccess).c
