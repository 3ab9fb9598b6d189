"""An index for whether a provider is elsewhere at a slot's time, asked for each slot of a week or a search."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0014"


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "appointments_busy_of_provider", "appointments", ["tenant_id", "provider_id", "busy_until"],
        postgresql_where=sa.text("status IN ('PENDING', 'BOOKED', 'CONFIRMED', 'ARRIVED', 'IN_PROGRESS')"),
    )  # fmt: skip


def downgrade() -> None:
    """Take back."""
    op.drop_index("appointments_busy_of_provider", table_name="appointments")
