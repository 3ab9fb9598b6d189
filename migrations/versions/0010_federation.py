"""Federation: who an identity provider's subject is here."""

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
