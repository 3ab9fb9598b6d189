"""The clinic's head, what a tenant may set, and what the pages of administration search by."""

import sqlalchemy as sa
from alembic import op

from careapp.tenancy import protect

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply."""
    op.add_column("clinics", sa.Column("address", sa.Text(), nullable=True))
    op.add_column("clinics", sa.Column("phone", sa.Text(), nullable=True))
    op.add_column("tenant_settings", sa.Column("name", sa.Text(), nullable=True))
    op.add_column("tenant_settings", sa.Column("language", sa.Text(), nullable=True))
    op.add_column("tenant_settings", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.create_check_constraint(op.f("tenant_settings_language_check"), "tenant_settings", "language IN ('en', 'my')")
    op.create_index("users_by_name", "users", ["tenant_id", "name", "id"])
    op.drop_index("user_session_user", table_name="user_session")
    op.create_index("user_session_user", "user_session", ["tenant_id", "user_id", "id"])
    _index_audit()
    _name_patients_of_audit()


def downgrade() -> None:
    """Take back."""
    op.drop_table("audit_patients")
    for name in ("audit_newest", "audit_by_actor", "audit_by_action", "audit_by_subject", "audit_refused"):
        op.drop_index(name, table_name="audit_event")
    op.create_index("audit_event_tenant_id_at_idx", "audit_event", ["tenant_id", "at"])
    op.drop_index("user_session_user", table_name="user_session")
    op.create_index("user_session_user", "user_session", ["tenant_id", "user_id"])
    op.drop_index("users_by_name", table_name="users")
    op.drop_constraint(op.f("tenant_settings_language_check"), "tenant_settings")
    for column in ("version", "language", "name"):
        op.drop_column("tenant_settings", column)
    op.drop_column("clinics", "phone")
    op.drop_column("clinics", "address")


def _index_audit() -> None:
    """An index for each thing the log is searched by, newest first within it."""
    op.drop_index("audit_event_tenant_id_at_idx", table_name="audit_event")
    op.create_index("audit_newest", "audit_event", ["tenant_id", "at", "id"])
    op.create_index("audit_by_actor", "audit_event", ["tenant_id", "actor", "at", "id"])
    op.create_index("audit_by_action", "audit_event", ["tenant_id", "action", "at", "id"])
    op.create_index(
        "audit_by_subject", "audit_event", ["tenant_id", "subject", "at", "id"],
        postgresql_where=sa.text("subject IS NOT NULL"),
    )  # fmt: skip
    op.create_index(
        "audit_refused", "audit_event", ["tenant_id", "at", "id"], postgresql_where=sa.text("outcome = 'refused'")
    )


def _name_patients_of_audit() -> None:
    """The log by patient, with what was written before there was such a table."""
    op.create_table(
        "audit_patients",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("patient", sa.Text(collation="C"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "patient", "at", "event_id", name=op.f("audit_patients_pk")),
    )
    for statement in (*protect("audit_patients"), *STATEMENTS):
        op.execute(statement)


# The owner is held by row-level security as well, so that what is there is copied tenant by tenant.
STATEMENTS = (
    """DO $$ DECLARE tenant int; BEGIN
    FOR tenant IN SELECT id FROM tenants LOOP
      PERFORM set_config('app.tenant_id', tenant::text, true);
      INSERT INTO audit_patients (tenant_id, patient, at, event_id)
        SELECT DISTINCT tenant_id, unnest(patients), at, id FROM audit_event;
    END LOOP;
    PERFORM set_config('app.tenant_id', '', true);
    END $$""",
    "REVOKE UPDATE, DELETE ON audit_patients FROM care_app",
    "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_patients"
    " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER never_emptied BEFORE TRUNCATE ON audit_patients"
    " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)
