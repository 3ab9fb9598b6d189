"""Service clients: credentials of programs, and the nonces of signed requests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from careapp.tenancy import protect

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "service_clients",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("roles", ARRAY(sa.Text()), nullable=False),
        sa.Column("scopes", ARRAY(sa.Text()), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("secret_made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("former_hash", sa.LargeBinary(), nullable=True),
        sa.Column("former_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("service_clients_pk")),
        sa.UniqueConstraint("tenant_id", "client_id", name=op.f("service_clients_tenant_id_client_id_key")),
        sa.CheckConstraint("(former_hash IS NULL) = (former_until IS NULL)", name=op.f("service_clients_former_check")),
    )
    op.create_table(
        "internal_nonces",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("nonce", sa.Text(collation="C"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "nonce", name=op.f("internal_nonces_pk")),
    )
    op.create_index("internal_nonces_age", "internal_nonces", ["tenant_id", "seen_at"])
    for table in ("service_clients", "internal_nonces"):
        for statement in protect(table):
            op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.drop_table("internal_nonces")
    op.drop_table("service_clients")
