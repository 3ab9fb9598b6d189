"""Sessions: what was proved at sign-in, and when last."""

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
