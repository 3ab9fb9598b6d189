"""The Care service's tables, under forced row-level security, with the grants of the app and relay roles."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from careapp.audit.models import TransactionId
from careapp.tenancy import TABLES_WITHOUT_TENANT, protect

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_event",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("xid", TransactionId(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("on_behalf_of", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("patients", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("outcome IN ('done', 'seen', 'refused')", name=op.f("audit_event_outcome_check")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("audit_event_pk")),
    )
    op.create_index(op.f("audit_event_tenant_id_at_idx"), "audit_event", ["tenant_id", "at"], unique=False)
    op.create_table(
        "idempotency_key",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("patients", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "principal", "route", "key", name=op.f("idempotency_key_pk")),
    )
    op.create_index("idempotency_key_age", "idempotency_key", ["tenant_id", "created_at"])
    op.create_table(
        "clinics",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "locator",
            sa.Text(),
            sa.Computed(
                "'CLN-' || extract(year from created_at at time zone 'UTC')::int::text || '-' || lpad(id::text, greatest(6, length(id::text)), '0')",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("clinics_pk")),
        sa.UniqueConstraint("tenant_id", "locator", name=op.f("clinics_tenant_id_locator_key")),
    )
    op.create_table(
        "imported_records",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.BigInteger(), nullable=True),
        sa.Column("locator", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "resource_type", "source_id", name=op.f("imported_records_pk")),
    )
    op.create_table(
        "outbox",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("envelope", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withheld_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint("shard BETWEEN 0 AND 15", name=op.f("outbox_shard_check")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("outbox_pk")),
        sa.UniqueConstraint("tenant_id", "event_id", name=op.f("outbox_tenant_id_event_id_key")),
        sa.UniqueConstraint("tenant_id", "key", "sequence", name=op.f("outbox_tenant_id_key_sequence_key")),
    )
    op.create_index(
        "outbox_held",
        "outbox",
        ["shard", "key"],
        unique=False,
        postgresql_where=sa.text("published_at IS NULL AND attempts > 0"),
    )
    op.create_index(
        "outbox_todo", "outbox", ["shard", "id"], unique=False, postgresql_where=sa.text("published_at IS NULL")
    )
    op.create_table(
        "outbox_head",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("outbox_head_pk")),
    )
    op.create_table(
        "outbox_shard",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("outbox_shard_pk")),
    )
    op.create_table(
        "patients",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "locator",
            sa.Text(),
            sa.Computed(
                "'PTY-' || extract(year from created_at at time zone 'UTC')::int::text || '-' || lpad(id::text, greatest(6, length(id::text)), '0')",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("given", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("gender", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("deceased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("telecom", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("identifiers", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("gender IN ('male', 'female', 'other', 'unknown')", name=op.f("patients_gender_check")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("patients_pk")),
        sa.UniqueConstraint("tenant_id", "locator", name=op.f("patients_tenant_id_locator_key")),
    )
    op.create_index("patients_birth_date", "patients", ["tenant_id", "birth_date", "id"], unique=False)
    op.create_index("patients_newest", "patients", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "providers",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "locator",
            sa.Text(),
            sa.Computed(
                "'PRV-' || extract(year from created_at at time zone 'UTC')::int::text || '-' || lpad(id::text, greatest(6, length(id::text)), '0')",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("npi", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("specialty", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="PENDING", nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("identifiers", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("status IN ('PENDING', 'ACTIVE', 'INACTIVE')", name=op.f("providers_status_check")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("providers_pk")),
        sa.UniqueConstraint("tenant_id", "locator", name=op.f("providers_tenant_id_locator_key")),
        sa.UniqueConstraint("tenant_id", "npi", name=op.f("providers_tenant_id_npi_key")),
    )
    op.create_index("providers_by_name", "providers", ["tenant_id", "name", "id"], unique=False)
    op.create_table(
        "sign_in_attempts",
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("subject", name=op.f("sign_in_attempts_pk")),
    )
    op.create_table(
        "sign_in_directory",
        sa.Column("email_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("email_hash", name=op.f("sign_in_directory_pk")),
    )
    op.create_table(
        "tenant_settings",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("buffer_minutes", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("buffer_minutes BETWEEN 0 AND 240", name=op.f("tenant_settings_buffer_minutes_check")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("tenant_settings_pk")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("tenants_pk")),
        sa.UniqueConstraint("key", name=op.f("tenants_key_key")),
    )
    op.create_table(
        "episodes",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "locator",
            sa.Text(),
            sa.Computed(
                "'EPI-' || extract(year from created_at at time zone 'UTC')::int::text || '-' || lpad(id::text, greatest(6, length(id::text)), '0')",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("care_type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="OPEN", nullable=False),
        sa.Column("seen", sa.Integer(), server_default="0", nullable=False),
        sa.Column("open_appointments", sa.Integer(), server_default="0", nullable=False),
        sa.Column("open_referrals", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "stage",
            sa.Text(),
            sa.Computed(
                "CASE WHEN status <> 'OPEN' THEN NULL\n WHEN seen > 0 AND open_appointments + open_referrals > 0 THEN 'IN_CARE'\n WHEN seen > 0 THEN 'READY_TO_CLOSE'\n WHEN open_appointments > 0 THEN 'SCHEDULED' ELSE 'NEW' END",
                persisted=True,
            ),
            nullable=True,
        ),
        sa.Column("triage_session_locator", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "care_type IN ('GP', 'SPECIALIST', 'URGENT_CARE', 'MENTAL_HEALTH', 'PREVENTIVE', 'CHRONIC_CARE', 'POST_ACUTE')",
            name=op.f("episodes_care_type_check"),
        ),
        sa.CheckConstraint("status IN ('OPEN', 'CLOSED', 'CANCELLED')", name=op.f("episodes_status_check")),
        sa.CheckConstraint(
            "seen >= 0 AND open_appointments >= 0 AND open_referrals >= 0", name=op.f("episodes_counters_check")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patients.tenant_id", "patients.id"],
            name=op.f("episodes_tenant_id_patient_id_fk"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("episodes_pk")),
        sa.UniqueConstraint("tenant_id", "locator", name=op.f("episodes_tenant_id_locator_key")),
    )
    op.create_index(
        "episodes_board",
        "episodes",
        ["tenant_id", "stage", "opened_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'OPEN'"),
    )
    op.create_index("episodes_by_status", "episodes", ["tenant_id", "status", "opened_at", "id"], unique=False)
    op.create_index("episodes_newest", "episodes", ["tenant_id", "opened_at", "id"], unique=False)
    op.create_index("episodes_of_patient", "episodes", ["tenant_id", "patient_id", "opened_at", "id"], unique=False)
    op.create_table(
        "patient_facts",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("system", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("onset_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("abated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('CONDITION', 'ALLERGY')", name=op.f("patient_facts_kind_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patients.tenant_id", "patients.id"],
            name=op.f("patient_facts_tenant_id_patient_id_fk"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("patient_facts_pk")),
    )
    op.create_index("patient_facts_patient", "patient_facts", ["tenant_id", "patient_id", "kind", "id"], unique=False)
    op.create_table(
        "patient_name_words",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("word", sa.Text(collation="C"), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patients.tenant_id", "patients.id"],
            name=op.f("patient_name_words_tenant_id_patient_id_fk"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "word", "patient_id", name=op.f("patient_name_words_pk")),
    )
    op.create_index("patient_name_words_patient", "patient_name_words", ["tenant_id", "patient_id"], unique=False)
    op.create_table(
        "provider_clinics",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "clinic_id"],
            ["clinics.tenant_id", "clinics.id"],
            name=op.f("provider_clinics_tenant_id_clinic_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "provider_id"],
            ["providers.tenant_id", "providers.id"],
            name=op.f("provider_clinics_tenant_id_provider_id_fk"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "provider_id", "clinic_id", name=op.f("provider_clinics_pk")),
    )
    op.create_index("provider_clinics_clinic", "provider_clinics", ["tenant_id", "clinic_id"], unique=False)
    op.create_table(
        "provider_slots",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "locator",
            sa.Text(),
            sa.Computed(
                "'SLT-' || extract(year from created_at at time zone 'UTC')::int::text || '-' || lpad(id::text, greatest(6, length(id::text)), '0')",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("clinic_id", sa.BigInteger(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("capacity", sa.Integer(), server_default="1", nullable=False),
        sa.Column("booked", sa.Integer(), server_default="0", nullable=False),
        sa.Column("status", sa.Text(), server_default="AVAILABLE", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("tenant_id"), "="),
            (sa.column("provider_id"), "="),
            (sa.literal_column("tstzrange(starts_at, ends_at)"), "&&"),
            using="gist",
            name="slot_overlap",
        ),
        sa.CheckConstraint("status IN ('AVAILABLE', 'BOOKED', 'BLOCKED')", name=op.f("provider_slots_status_check")),
        sa.CheckConstraint("booked BETWEEN 0 AND capacity", name=op.f("provider_slots_booked_check")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("provider_slots_times_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "clinic_id"],
            ["clinics.tenant_id", "clinics.id"],
            name=op.f("provider_slots_tenant_id_clinic_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "provider_id"],
            ["providers.tenant_id", "providers.id"],
            name=op.f("provider_slots_tenant_id_provider_id_fk"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("provider_slots_pk")),
        sa.UniqueConstraint("tenant_id", "locator", name=op.f("provider_slots_tenant_id_locator_key")),
    )
    op.create_index("slots_of_clinic", "provider_slots", ["tenant_id", "clinic_id", "starts_at", "id"], unique=False)
    op.create_index(
        "slots_of_provider", "provider_slots", ["tenant_id", "provider_id", "starts_at", "id"], unique=False
    )
    op.create_table(
        "users",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "provider_id"],
            ["providers.tenant_id", "providers.id"],
            name=op.f("users_tenant_id_provider_id_fk"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("users_pk")),
        sa.UniqueConstraint("tenant_id", "email", name=op.f("users_tenant_id_email_key")),
    )
    op.create_table(
        "appointments",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "locator",
            sa.Text(),
            sa.Computed(
                "'APT-' || extract(year from created_at at time zone 'UTC')::int::text || '-' || lpad(id::text, greatest(6, length(id::text)), '0')",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("episode_id", sa.BigInteger(), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("clinic_id", sa.BigInteger(), nullable=True),
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("busy_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("tenant_id"), "="),
            (sa.column("patient_id"), "="),
            (sa.literal_column("tstzrange(starts_at, ends_at)"), "&&"),
            where=sa.text("status IN ('PENDING', 'BOOKED', 'CONFIRMED', 'ARRIVED', 'IN_PROGRESS')"),
            using="gist",
            name="appointment_patient_busy",
        ),
        postgresql.ExcludeConstraint(
            (sa.column("tenant_id"), "="),
            (sa.column("provider_id"), "="),
            (sa.literal_column("tstzrange(starts_at, busy_until)"), "&&"),
            (sa.column("slot_id"), "<>"),
            where=sa.text("status IN ('PENDING', 'BOOKED', 'CONFIRMED', 'ARRIVED', 'IN_PROGRESS')"),
            using="gist",
            name="appointment_provider_busy",
        ),
        sa.CheckConstraint(
            "category IN ('PATIENT', 'CLINIC', 'EMERGENCY', 'OTHER')", name=op.f("appointments_category_check")
        ),
        sa.CheckConstraint(
            "status IN ('PENDING', 'BOOKED', 'CONFIRMED', 'ARRIVED', 'IN_PROGRESS', 'ATTENDED', 'CANCELLED', 'NO_SHOW')",
            name=op.f("appointments_status_check"),
        ),
        sa.CheckConstraint(
            "type IN ('NEW_PATIENT', 'FOLLOW_UP', 'PROCEDURE', 'TELEHEALTH', 'GROUP')",
            name=op.f("appointments_type_check"),
        ),
        sa.CheckConstraint("ends_at > starts_at AND busy_until >= ends_at", name=op.f("appointments_times_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "clinic_id"],
            ["clinics.tenant_id", "clinics.id"],
            name=op.f("appointments_tenant_id_clinic_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "episode_id"],
            ["episodes.tenant_id", "episodes.id"],
            name=op.f("appointments_tenant_id_episode_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patients.tenant_id", "patients.id"],
            name=op.f("appointments_tenant_id_patient_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "provider_id"],
            ["providers.tenant_id", "providers.id"],
            name=op.f("appointments_tenant_id_provider_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "slot_id"],
            ["provider_slots.tenant_id", "provider_slots.id"],
            name=op.f("appointments_tenant_id_slot_id_fk"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("appointments_pk")),
        sa.UniqueConstraint("tenant_id", "locator", name=op.f("appointments_tenant_id_locator_key")),
    )
    op.create_index(
        "appointment_once_per_slot",
        "appointments",
        ["tenant_id", "slot_id", "patient_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('PENDING', 'BOOKED', 'CONFIRMED', 'ARRIVED', 'IN_PROGRESS')"),
    )
    op.create_index(
        "appointments_of_clinic", "appointments", ["tenant_id", "clinic_id", "starts_at", "id"], unique=False
    )
    op.create_index(
        "appointments_of_episode", "appointments", ["tenant_id", "episode_id", "starts_at", "id"], unique=False
    )
    op.create_index(
        "appointments_of_patient", "appointments", ["tenant_id", "patient_id", "starts_at", "id"], unique=False
    )
    op.create_index("appointments_of_slot", "appointments", ["tenant_id", "slot_id", "id"], unique=False)
    op.create_table(
        "diagnostics_referrals",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "locator",
            sa.Text(),
            sa.Computed(
                "'REF-' || extract(year from created_at at time zone 'UTC')::int::text || '-' || lpad(id::text, greatest(6, length(id::text)), '0')",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("episode_id", sa.BigInteger(), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), server_default="ROUTINE", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("facility", sa.Text(), nullable=True),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="REFERRED", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "priority IN ('ROUTINE', 'URGENT', 'STAT')", name=op.f("diagnostics_referrals_priority_check")
        ),
        sa.CheckConstraint(
            "status IN ('REFERRED', 'BOOKED', 'COMPLETED', 'CANCELLED')",
            name=op.f("diagnostics_referrals_status_check"),
        ),
        sa.CheckConstraint("type IN ('LAB', 'IMAGING', 'SPECIALIST')", name=op.f("diagnostics_referrals_type_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "episode_id"],
            ["episodes.tenant_id", "episodes.id"],
            name=op.f("diagnostics_referrals_tenant_id_episode_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patients.tenant_id", "patients.id"],
            name=op.f("diagnostics_referrals_tenant_id_patient_id_fk"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("diagnostics_referrals_pk")),
        sa.UniqueConstraint("tenant_id", "locator", name=op.f("diagnostics_referrals_tenant_id_locator_key")),
    )
    op.create_index(
        "referrals_of_episode", "diagnostics_referrals", ["tenant_id", "episode_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "referrals_open",
        "diagnostics_referrals",
        ["tenant_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("status IN ('REFERRED', 'BOOKED')"),
    )
    op.create_table(
        "prescriptions",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "locator",
            sa.Text(),
            sa.Computed(
                "'RXP-' || extract(year from created_at at time zone 'UTC')::int::text || '-' || lpad(id::text, greatest(6, length(id::text)), '0')",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("episode_id", sa.BigInteger(), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("medication_text", sa.Text(), nullable=False),
        sa.Column("medication_code", sa.Text(), nullable=True),
        sa.Column("medication_system", sa.Text(), nullable=True),
        sa.Column("dosage", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=True),
        sa.Column("refills", sa.Integer(), nullable=True),
        sa.Column("status", sa.Text(), server_default="ISSUED", nullable=False),
        sa.Column("void_reason", sa.Text(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("status IN ('ISSUED', 'FILLED', 'VOID')", name=op.f("prescriptions_status_check")),
        sa.CheckConstraint("quantity > 0", name=op.f("prescriptions_quantity_check")),
        sa.CheckConstraint("refills >= 0", name=op.f("prescriptions_refills_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "episode_id"],
            ["episodes.tenant_id", "episodes.id"],
            name=op.f("prescriptions_tenant_id_episode_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patients.tenant_id", "patients.id"],
            name=op.f("prescriptions_tenant_id_patient_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "provider_id"],
            ["providers.tenant_id", "providers.id"],
            name=op.f("prescriptions_tenant_id_provider_id_fk"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("prescriptions_pk")),
        sa.UniqueConstraint("tenant_id", "locator", name=op.f("prescriptions_tenant_id_locator_key")),
    )
    op.create_index(
        "prescriptions_of_episode", "prescriptions", ["tenant_id", "episode_id", "issued_at", "id"], unique=False
    )
    op.create_index(
        "prescriptions_of_patient", "prescriptions", ["tenant_id", "patient_id", "issued_at", "id"], unique=False
    )
    op.create_table(
        "status_changes",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("episode_id", sa.BigInteger(), nullable=True),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.BigInteger(), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=True),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "episode_id"],
            ["episodes.tenant_id", "episodes.id"],
            name=op.f("status_changes_tenant_id_episode_id_fk"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("status_changes_pk")),
    )
    op.create_index("status_changes_entity", "status_changes", ["tenant_id", "entity", "entity_id", "id"], unique=False)
    op.create_index("status_changes_timeline", "status_changes", ["tenant_id", "episode_id", "id"], unique=False)
    op.create_table(
        "user_clinics",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "clinic_id"],
            ["clinics.tenant_id", "clinics.id"],
            name=op.f("user_clinics_tenant_id_clinic_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("user_clinics_tenant_id_user_id_fk")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "clinic_id", name=op.f("user_clinics_pk")),
    )
    op.create_table(
        "user_session",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sid_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("user_session_tenant_id_user_id_fk")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("user_session_pk")),
        sa.UniqueConstraint("tenant_id", "sid_hash", name=op.f("user_session_tenant_id_sid_hash_key")),
    )
    op.create_index("user_session_user", "user_session", ["tenant_id", "user_id"], unique=False)

    for table in sorted(_tables() - TABLES_WITHOUT_TENANT):
        for statement in protect(table):
            op.execute(statement)
    op.execute("INSERT INTO outbox_shard SELECT generate_series(0, 15)")
    for statement in GRANTS:
        op.execute(statement)
    for table in ("audit_event", "status_changes"):
        for statement in _append_only(table):
            op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.drop_index("user_session_user", table_name="user_session")
    op.drop_table("user_session")
    op.drop_table("user_clinics")
    op.drop_index("status_changes_timeline", table_name="status_changes")
    op.drop_index("status_changes_entity", table_name="status_changes")
    op.drop_table("status_changes")
    op.drop_index("prescriptions_of_patient", table_name="prescriptions")
    op.drop_index("prescriptions_of_episode", table_name="prescriptions")
    op.drop_table("prescriptions")
    op.drop_index(
        "referrals_open",
        table_name="diagnostics_referrals",
        postgresql_where=sa.text("status IN ('REFERRED', 'BOOKED')"),
    )
    op.drop_index("referrals_of_episode", table_name="diagnostics_referrals")
    op.drop_table("diagnostics_referrals")
    op.drop_index("appointments_of_slot", table_name="appointments")
    op.drop_index("appointments_of_patient", table_name="appointments")
    op.drop_index("appointments_of_episode", table_name="appointments")
    op.drop_index("appointments_of_clinic", table_name="appointments")
    op.drop_index(
        "appointment_once_per_slot",
        table_name="appointments",
        postgresql_where=sa.text("status IN ('PENDING', 'BOOKED', 'CONFIRMED', 'ARRIVED', 'IN_PROGRESS')"),
    )
    op.drop_table("appointments")
    op.drop_table("users")
    op.drop_index("slots_of_provider", table_name="provider_slots")
    op.drop_index("slots_of_clinic", table_name="provider_slots")
    op.drop_table("provider_slots")
    op.drop_index("provider_clinics_clinic", table_name="provider_clinics")
    op.drop_table("provider_clinics")
    op.drop_index("patient_name_words_patient", table_name="patient_name_words")
    op.drop_table("patient_name_words")
    op.drop_index("patient_facts_patient", table_name="patient_facts")
    op.drop_table("patient_facts")
    op.drop_index("episodes_of_patient", table_name="episodes")
    op.drop_index("episodes_newest", table_name="episodes")
    op.drop_index("episodes_by_status", table_name="episodes")
    op.drop_index("episodes_board", table_name="episodes", postgresql_where=sa.text("status = 'OPEN'"))
    op.drop_table("episodes")
    op.drop_table("tenants")
    op.drop_table("tenant_settings")
    op.drop_table("sign_in_directory")
    op.drop_table("sign_in_attempts")
    op.drop_index("providers_by_name", table_name="providers")
    op.drop_table("providers")
    op.drop_index("patients_newest", table_name="patients")
    op.drop_index("patients_birth_date", table_name="patients")
    op.drop_table("patients")
    op.drop_table("outbox_shard")
    op.drop_table("outbox_head")
    op.drop_index("outbox_todo", table_name="outbox", postgresql_where=sa.text("published_at IS NULL"))
    op.drop_index("outbox_held", table_name="outbox", postgresql_where=sa.text("published_at IS NULL AND attempts > 0"))
    op.drop_table("outbox")
    op.drop_table("imported_records")
    op.drop_table("idempotency_key")
    op.drop_table("clinics")
    op.drop_index(op.f("audit_event_tenant_id_at_idx"), table_name="audit_event")
    op.drop_table("audit_event")
    op.execute("DROP FUNCTION refuse_change()")


# What the app role may not do by its default rights: forge or change history, see or steer the relay's work.
GRANTS = (
    "REVOKE INSERT, UPDATE, DELETE ON tenants FROM care_app",
    "REVOKE ALL ON alembic_version, outbox_shard FROM care_app",
    "REVOKE INSERT, UPDATE, DELETE ON audit_event FROM care_app",
    "GRANT INSERT (tenant_id, actor, on_behalf_of, action, outcome, subject, patients, request_id, detail)"
    " ON audit_event TO care_app",
    "REVOKE UPDATE, DELETE ON status_changes FROM care_app",
    "REVOKE UPDATE, DELETE ON outbox FROM care_app",
    "GRANT UPDATE (parked_at, next_at, withheld_at) ON outbox TO care_app",
    "GRANT SELECT, UPDATE, DELETE ON outbox TO care_relay",
    "GRANT SELECT, UPDATE ON outbox_shard TO care_relay",
    "CREATE POLICY relay ON outbox TO care_relay USING (true) WITH CHECK (true)",
    "ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.02)",
    """CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = care AS $$
    BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege'; END $$""",
)


def _append_only(table: str) -> tuple[str, ...]:
    """Triggers that refuse a change of history to everybody, the owner included."""
    return (
        f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    )


def _tables() -> set[str]:
    """The tables this migration has made."""
    return set(sa.inspect(op.get_bind()).get_table_names(schema="care"))
