"""Slots and appointments, with the constraints that keep a provider and a patient from being in two places."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    and_,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from careapp.crypto import EncryptedText
from careapp.db import PARTITIONS, Aggregate, Base, one_of, table_of, tenant_key, written_out
from careapp.locators import column_rule
from careapp.scheduling.states import ACTIVE, APPOINTMENT, CANCEL_CATEGORIES, SLOT, TYPES

_ACTIVE = text("status IN (" + ", ".join(f"'{status}'" for status in ACTIVE) + ")")


class Slot(Aggregate, Base):
    """A time a provider offers, with room for `capacity` patients; `booked` counts the places taken.

    `blocked_reason` is why a BLOCKED one takes no booking: staff see it, events and the API do not.
    """

    __tablename__ = "provider_slots"

    locator: Mapped[str] = mapped_column(Text, column_rule("SLT"))
    provider_id: Mapped[int] = mapped_column(BigInteger)
    clinic_id: Mapped[int | None] = mapped_column(BigInteger)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    capacity: Mapped[int] = mapped_column(Integer, server_default="1")
    booked: Mapped[int] = mapped_column(Integer, server_default="0")
    status: Mapped[str] = mapped_column(Text, server_default="AVAILABLE")
    blocked_reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("tenant_id", "locator"),
        tenant_key("provider_id", "providers"),
        tenant_key("clinic_id", "clinics"),
        one_of("status", SLOT.states),
        CheckConstraint("booked BETWEEN 0 AND capacity", name="booked"),
        CheckConstraint("ends_at > starts_at", name="times"),
        CheckConstraint("blocked_reason IS NULL OR status = 'BLOCKED'", name="blocked_reason"),
        ExcludeConstraint(
            ("tenant_id", "="), ("provider_id", "="), (literal_column("tstzrange(starts_at, ends_at)"), "&&"),
            name="slot_overlap", using="gist",
        ),
        Index("slots_of_provider", "tenant_id", "provider_id", "starts_at", "id"),
        Index("slots_of_clinic", "tenant_id", "clinic_id", "starts_at", "id"),
    )  # fmt: skip


class Appointment(Aggregate, Base):
    """A patient's place in a slot. `busy_until` is the end plus the buffer that was in force when it was booked.

    `filed_year` is the year of a visit whose episode has long ended (filing.py), and 0 of every other: the table is
    partitioned by it. All active ones lie in one partition, which has the constraints that they are held to (PRESENT).
    """

    __tablename__ = "appointments"

    filed_year: Mapped[int] = mapped_column(Integer, primary_key=True, server_default="0", sort_order=92)
    locator: Mapped[str] = mapped_column(Text, column_rule("APT"))
    episode_id: Mapped[int] = mapped_column(BigInteger)
    patient_id: Mapped[int] = mapped_column(BigInteger)
    provider_id: Mapped[int] = mapped_column(BigInteger)
    clinic_id: Mapped[int | None] = mapped_column(BigInteger)
    slot_id: Mapped[int] = mapped_column(BigInteger)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    busy_until: Mapped[datetime]
    type: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    notes: Mapped[str | None] = mapped_column(EncryptedText("appointments.notes"))
    category: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("tenant_id", "locator", "filed_year"),
        tenant_key("episode_id", "episodes"),
        tenant_key("patient_id", "patients"),
        tenant_key("provider_id", "providers"),
        tenant_key("clinic_id", "clinics"),
        tenant_key("slot_id", "provider_slots"),
        one_of("status", APPOINTMENT.states),
        one_of("type", TYPES),
        one_of("category", CANCEL_CATEGORIES),
        CheckConstraint("ends_at > starts_at AND busy_until >= ends_at", name="times"),
        Index("appointments_of_episode", "tenant_id", "episode_id", "starts_at", "id"),
        Index("appointments_of_patient", "tenant_id", "patient_id", "starts_at", "id"),
        Index("appointments_of_slot", "tenant_id", "slot_id", "id"),
        Index("appointments_of_clinic", "tenant_id", "clinic_id", "starts_at", "id"),
        {"postgresql_partition_by": "LIST (filed_year)"},
    )


SLOTS = table_of(Slot).c
APPOINTMENTS = table_of(Appointment).c

# The partition of what is not filed, with what it has beside its parent's. Statements ask the parent, with IS_PRESENT
# where that is enough: then PostgreSQL plans for this partition alone. It asks each row all the same, so what is to be
# answered by an index alone has `filed_year` in it.
# The range stands before the slot: the other order made the index nine times slower to build on a million rows.
PRESENT = Table(
    "appointments_present", PARTITIONS, *(Column(one.name, one.type) for one in APPOINTMENTS),
    PrimaryKeyConstraint("tenant_id", "id", "filed_year", name="appointments_present_pk"),
    ExcludeConstraint(
        ("tenant_id", "="), ("provider_id", "="), (literal_column("tstzrange(starts_at, busy_until)"), "&&"),
        ("slot_id", "<>"), name="appointment_provider_busy", using="gist", where=_ACTIVE,
    ),
    ExcludeConstraint(
        ("tenant_id", "="), ("patient_id", "="), (literal_column("tstzrange(starts_at, ends_at)"), "&&"),
        name="appointment_patient_busy", using="gist", where=_ACTIVE,
    ),
    Index("appointment_once_per_slot", "tenant_id", "slot_id", "patient_id", unique=True, postgresql_where=_ACTIVE),
    Index(
        "appointments_ahead_of_provider", "tenant_id", "provider_id", "busy_until", postgresql_where=_ACTIVE,
        postgresql_include=["starts_at", "slot_id", "id", "filed_year"],
    ),
    *(
        Index(
            f"appointments_open_of_{whose}", "tenant_id", f"{whose}_id", "episode_id", postgresql_where=_ACTIVE,
            postgresql_include=["filed_year"],
        )
        for whose in ("provider", "clinic")
    ),
)  # fmt: skip
IS_PRESENT = APPOINTMENTS.filed_year == literal_column("0")
# The states are written out: bound as values they would keep a plan that is made once from the indexes of these.
IS_ACTIVE = and_(APPOINTMENTS.status.in_(written_out(ACTIVE)), IS_PRESENT)
