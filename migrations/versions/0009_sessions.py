"""Sessions: where one was begun, when who holds it last proved himself, and whether he needs a new password."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply. Rows of the version before have no confirmed_at: it is then the moment of sign-in."""
    op.add_column("user_session", sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("user_session", sa.Column("confirm_failures", sa.Integer(), server_default="0", nullable=False))
    op.add_column("user_session", sa.Column("device", sa.Text(), nullable=True))
    op.add_column("user_session", sa.Column("address", sa.Text(), nullable=True))
    no = sa.false()
    op.add_column("users", sa.Column("needs_new_password", sa.Boolean(), server_default=no, nullable=False))


def downgrade() -> None:
    """Take back."""
    op.drop_column("users", "needs_new_password")
    for column in ("address", "device", "confirm_failures", "confirmed_at"):
        op.drop_column("user_session", column)
