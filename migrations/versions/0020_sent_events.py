"""Events that were sent get a table of their own, where few indexes have to know of them (decision record 27)."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from careapp.tenancy import protect

revision = "0020"
down_revision = "0019"

GRANTS = (
    "REVOKE INSERT, UPDATE, DELETE ON outbox_sent FROM care_app",
    "GRANT SELECT, INSERT, DELETE ON outbox_sent TO care_relay",
    "CREATE POLICY relay ON outbox_sent TO care_relay USING (true) WITH CHECK (true)",
)


def upgrade() -> None:
    """Apply. What the version before marks as sent stays where it is until its seven days are over."""
    op.create_table(
        "outbox_sent",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("envelope", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withheld_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("outbox_sent_pk")),
    )
    op.create_index("outbox_sent_published", "outbox_sent", ["published_at"])
    for statement in (*protect("outbox_sent"), *GRANTS):
        op.execute(statement)


def downgrade() -> None:
    """Take back: what was sent is sent, and only its record goes."""
    op.drop_table("outbox_sent")
