"""An index by which the events that were published long ago are found, to be deleted."""

from alembic import op

from careapp.operations.indexes import make_index

revision = "0018"
down_revision = "0016"


def upgrade() -> None:
    """Apply."""
    make_index("outbox_published", "outbox", ["published_at"], where="published_at IS NOT NULL")


def downgrade() -> None:
    """Take back."""
    op.drop_index("outbox_published", table_name="outbox")
