"""Data protection: encrypted columns, legal holds, erasure."""

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
