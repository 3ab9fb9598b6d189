"""Tables of erasure: legal holds, and one row for each patient who was erased."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from careapp.db import Base, TenantRow, one_of, table_of, tenant_key
from careapp.erasure.states import CATEGORIES


class LegalHold(TenantRow, Base):
    """A reason for which nothing of a patient may be erased, until somebody lifts it."""

    __tablename__ = "legal_holds"

    patient_id: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    set_by: Mapped[str] = mapped_column(Text)
    set_at: Mapped[datetime] = mapped_column(server_default=func.now())
    lifted_by: Mapped[str | None] = mapped_column(Text)
    lifted_at: Mapped[datetime | None]

    __table_args__ = (
        tenant_key("patient_id", "patients"),
        CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name="lifted"),
        Index("legal_holds_of_patient", "tenant_id", "patient_id", "id"),
    )


class PatientErasure(Base):
    """That a patient was erased: by whom, when and why. Without this row the database lets no history be blanked."""

    __tablename__ = "patient_erasures"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    patient_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    category: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    erased_by: Mapped[str] = mapped_column(Text)
    erased_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (tenant_key("patient_id", "patients"), one_of("category", CATEGORIES))


HOLDS = table_of(LegalHold).c
ERASURES = table_of(PatientErasure).c
