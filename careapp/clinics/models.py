"""Clinics table."""

from sqlalchemy import Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from careapp.db import Aggregate, Base, table_of
from careapp.locators import column_rule


class Clinic(Aggregate, Base):
    """A place with a name and an IANA time zone; every time shown for it is in that zone.

    `address` (lines as on an envelope) and `phone` stand at the head of what is printed for it.
    """

    __tablename__ = "clinics"

    locator: Mapped[str] = mapped_column(Text, column_rule("CLN"))
    name: Mapped[str] = mapped_column(Text)
    time_zone: Mapped[str] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (UniqueConstraint("tenant_id", "locator"),)


CLINICS = table_of(Clinic).c
