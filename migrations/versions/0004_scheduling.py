"""What the day list and the calendar need."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply."""
    for statement in (*BOARD, *CALENDAR):
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    for statement in (*NO_CALENDAR, *NO_BOARD):
        op.execute(statement)


# With whom and where an episode was last, and the indexes of the board's filters. What stands open already is brought
# in line tenant by tenant, as not even the owner sees rows of no tenant.
BOARD = (
    "ALTER TABLE episodes ADD COLUMN last_provider_id bigint, ADD COLUMN last_clinic_id bigint,"
    " ADD CONSTRAINT episodes_tenant_id_last_provider_id_fk FOREIGN KEY (tenant_id, last_provider_id)"
    " REFERENCES providers (tenant_id, id),"
    " ADD CONSTRAINT episodes_tenant_id_last_clinic_id_fk FOREIGN KEY (tenant_id, last_clinic_id)"
    " REFERENCES clinics (tenant_id, id)",
    """DO $$ DECLARE one int; BEGIN
    FOR one IN SELECT id FROM tenants LOOP
        PERFORM set_config('app.tenant_id', one::text, true);
        UPDATE episodes e SET last_provider_id = last.provider_id, last_clinic_id = last.clinic_id
        FROM (SELECT DISTINCT ON (episode_id) episode_id, provider_id, clinic_id FROM appointments
              WHERE tenant_id = one ORDER BY episode_id, status = 'CANCELLED', starts_at DESC, id DESC) last
        WHERE e.tenant_id = one AND e.id = last.episode_id AND e.status = 'OPEN' AND e.open_appointments = 0;
    END LOOP;
    PERFORM set_config('app.tenant_id', '', true);
    END $$""",
    "CREATE INDEX episodes_board_care_type ON episodes (tenant_id, care_type, stage, opened_at, id)"
    " WHERE status = 'OPEN'",
    "CREATE INDEX episodes_board_provider ON episodes (tenant_id, last_provider_id, stage, opened_at, id)"
    " WHERE status = 'OPEN' AND last_provider_id IS NOT NULL",
    "CREATE INDEX episodes_board_clinic ON episodes (tenant_id, last_clinic_id, stage, opened_at, id)"
    " WHERE status = 'OPEN' AND last_clinic_id IS NOT NULL",
    "CREATE INDEX appointments_open_of_provider ON appointments (tenant_id, provider_id, episode_id)"
    " WHERE status IN ('PENDING', 'BOOKED', 'CONFIRMED', 'ARRIVED', 'IN_PROGRESS')",
    "CREATE INDEX appointments_open_of_clinic ON appointments (tenant_id, clinic_id, episode_id)"
    " WHERE status IN ('PENDING', 'BOOKED', 'CONFIRMED', 'ARRIVED', 'IN_PROGRESS')",
)
NO_BOARD = (
    "DROP INDEX appointments_open_of_clinic, appointments_open_of_provider, episodes_board_care_type",
    "ALTER TABLE episodes DROP COLUMN last_clinic_id, DROP COLUMN last_provider_id",
)

# Why a slot is blocked.
CALENDAR = (
    "ALTER TABLE provider_slots ADD COLUMN blocked_reason text,"
    " ADD CONSTRAINT provider_slots_blocked_reason_check CHECK (blocked_reason IS NULL OR status = 'BLOCKED')",
)
NO_CALENDAR = ("ALTER TABLE provider_slots DROP COLUMN blocked_reason",)
