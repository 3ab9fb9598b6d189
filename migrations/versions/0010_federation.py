"""Federation: who an identity provider's subject is here, users without a password, and sessions begun elsewhere."""

import sqlalchemy as sa
from alembic import op

from careapp.tenancy import protect

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Apply."""
    op.alter_column("users", "password_hash", nullable=True)
    op.create_table(
        "federated_identities",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("federated_identities_pk")),
        sa.UniqueConstraint("tenant_id", "issuer", "subject", name=op.f("federated_identities_tenant_id_issuer_subject_key")),
        sa.UniqueConstraint("tenant_id", "user_id", "issuer", name=op.f("federated_identities_tenant_id_user_id_issuer_key")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"],
            name=op.f("federated_identities_tenant_id_user_id_fk"),
        ),
    )  # fmt: skip
    for statement in protect("federated_identities"):
        op.execute(statement)
    op.add_column("user_session", sa.Column("federated_id", sa.BigInteger(), nullable=True))
    op.add_column("user_session", sa.Column("idp_sid", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("user_session_tenant_id_federated_id_fk"), "user_session", "federated_identities",
        ["tenant_id", "federated_id"], ["tenant_id", "id"],
    )  # fmt: skip
    op.create_index(
        "user_session_federated", "user_session", ["tenant_id", "federated_id"],
        postgresql_where=sa.text("federated_id IS NOT NULL AND ended_at IS NULL"),
    )  # fmt: skip


def downgrade() -> None:
    """Take back. Users without a password keep their row, with a hash that is no password's."""
    op.drop_index("user_session_federated", table_name="user_session")
    op.drop_constraint(op.f("user_session_tenant_id_federated_id_fk"), "user_session")
    op.drop_column("user_session", "idp_sid")
    op.drop_column("user_session", "federated_id")
    op.drop_table("federated_identities")
    op.execute("""DO $$ DECLARE tenant int; BEGIN
    FOR tenant IN SELECT id FROM tenants LOOP
      PERFORM set_config('app.tenant_id', tenant::text, true);
      UPDATE users SET password_hash = '-' WHERE password_hash IS NULL;
    END LOOP;
    PERFORM set_config('app.tenant_id', '', true);
    END $$""")
    op.alter_column("users", "password_hash", nullable=False)
