"""The indexes of what is active hold whether an appointment is filed, which statements ask since 0023.

Without it each visit that an index finds is read from the table, just to learn that it is present. As a column rather
than in the condition, they serve the version before as well, whose statements do not ask.
"""

from alembic import op

from careapp.operations.indexes import drop_index, make_index

revision = "0024"
down_revision = "0023"

TABLE = "appointments_present"
ACTIVE = "status IN ('PENDING', 'BOOKED', 'CONFIRMED', 'ARRIVED', 'IN_PROGRESS')"
INDEXES = {
    "appointments_ahead_of_provider": (["provider_id", "busy_until"], ["starts_at", "slot_id", "id"]),
    "appointments_open_of_provider": (["provider_id", "episode_id"], []),
    "appointments_open_of_clinic": (["clinic_id", "episode_id"], []),
}  # fmt: skip


def upgrade() -> None:
    """Apply."""
    _remake("filed_year")


def downgrade() -> None:
    """Take back."""
    _remake()


def _remake(*more: str) -> None:
    """Make each anew beside the one that is there, then let it have the other's name."""
    for name, (columns, include) in INDEXES.items():
        make_index(f"{name}_anew", TABLE, ["tenant_id", *columns], include=[*include, *more], where=ACTIVE)
        drop_index(name)
    for name in INDEXES:
        op.execute(f"ALTER INDEX {name}_anew RENAME TO {name}")
