"""What each member of staff prefers, and drafts of forms."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from careapp.tenancy import protect

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply."""
    op.add_column("users", sa.Column("language", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("theme", sa.Text(), server_default="system", nullable=False))
    op.add_column("users", sa.Column("density", sa.Text(), server_default="normal", nullable=False))
    op.add_column("users", sa.Column("shortcuts", sa.Boolean(), server_default=sa.true(), nullable=False))
    for column, values in (
        ("language", "'en', 'my'"), ("theme", "'system', 'light', 'dark'"), ("density", "'normal', 'dense'"),
    ):  # fmt: skip
        op.create_check_constraint(op.f(f"users_{column}_check"), "users", f"{column} IN ({values})")
    op.create_table(
        "form_drafts",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f("form_drafts_tenant_id_user_id_fk")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("form_drafts_pk")),
        sa.UniqueConstraint("tenant_id", "user_id", "address", name=op.f("form_drafts_tenant_id_user_id_address_key")),
    )
    op.create_index("form_drafts_age", "form_drafts", ["tenant_id", "saved_at"], unique=False)
    for statement in protect("form_drafts"):
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.drop_table("form_drafts")
    for column in ("shortcuts", "density", "theme", "language"):
        op.drop_column("users", column)
