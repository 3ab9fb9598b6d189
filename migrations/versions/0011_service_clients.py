"""Service clients: credentials of programs, and the nonces of signed requests."""

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
