"""The audit log says why, is sealed, and is kept in partitions."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply."""
    op.add_column("audit_event", sa.Column("purpose", sa.Text(), server_default="TREAT", nullable=False))
    op.execute("GRANT INSERT (purpose) ON audit_event TO care_app")


def downgrade() -> None:
    """Take back."""
    op.drop_column("audit_event", "purpose")
