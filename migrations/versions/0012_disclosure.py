"""Disclosure: restricted records, care teams, consent, emergency access."""

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
