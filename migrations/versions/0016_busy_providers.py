"""An index for whether a provider is elsewhere at a slot's time, asked for each slot of a week or a search."""

from alembic import op

from careapp.operations.indexes import make_index

revision = "0016"
down_revision = "0014"


def upgrade() -> None:
    """Apply."""
    make_index(
        "appointments_busy_of_provider", "appointments", ["tenant_id", "provider_id", "busy_until"],
        where="status IN ('PENDING', 'BOOKED', 'CONFIRMED', 'ARRIVED', 'IN_PROGRESS')",
    )  # fmt: skip


def downgrade() -> None:
    """Take back."""
    op.drop_index("appointments_busy_of_provider", table_name="appointments")
