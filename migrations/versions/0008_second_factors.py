"""Second factors: one-time passwords, passkeys, recovery codes, and what lies between password and session."""

import sqlalchemy as sa
from alembic import op

from careapp.tenancy import protect

revision = "0008"
down_revision = "0007"

TENANT_TABLES = ("totp_factors", "recovery_codes", "passkeys", "half_sessions")


def upgrade() -> None:
    """Apply."""
    factors = sa.Column("factors", sa.ARRAY(sa.Text()), server_default="{}", nullable=False)
    op.add_column("user_session", factors)
    policy = sa.Column("second_factor", sa.Text(), server_default="nobody", nullable=False)
    op.add_column("tenant_settings", policy)
    op.create_check_constraint(
        op.f("tenant_settings_second_factor_check"), "tenant_settings",
        "second_factor IN ('nobody', 'administrators', 'everybody')",
    )  # fmt: skip
    _table("totp_factors", *TOTP, unique=("user_id",))
    _table("recovery_codes", *CODES, unique=("user_id", "code_hash"))
    _table("passkeys", *PASSKEYS, unique=("credential_id",))
    op.create_index("passkeys_user", "passkeys", ["tenant_id", "user_id", "id"])
    _table("half_sessions", *HALVES, unique=("token_hash",))
    op.create_index("half_sessions_age", "half_sessions", ["tenant_id", "created_at"])
    op.create_table(
        "webauthn_challenges",
        sa.Column("binding_hash", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("binding_hash", "purpose", name=op.f("webauthn_challenges_pk")),
    )
    op.create_index("webauthn_challenges_age", "webauthn_challenges", ["expires_at"])


def downgrade() -> None:
    """Take back."""
    for table in ("webauthn_challenges", *reversed(TENANT_TABLES)):
        op.drop_table(table)
    op.drop_constraint(op.f("tenant_settings_second_factor_check"), "tenant_settings")
    op.drop_column("tenant_settings", "second_factor")
    op.drop_column("user_session", "factors")


def _table(name: str, *columns: sa.Column[object], unique: tuple[str, ...]) -> None:
    """A table of the tenant whose rows belong to a user."""
    op.create_table(
        name,
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f(f"{name}_pk")),
        sa.UniqueConstraint("tenant_id", *unique, name=op.f("_".join((name, "tenant_id", *unique, "key")))),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name=op.f(f"{name}_tenant_id_user_id_fk")
        ),
    )
    for statement in protect(name):
        op.execute(statement)


def _made() -> sa.Column[object]:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)


TOTP = (
    sa.Column("secret", sa.Text(), nullable=True),
    sa.Column("last_step", sa.BigInteger(), nullable=True),
    sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
    sa.Column("pending", sa.Text(), nullable=True),
    sa.Column("pending_at", sa.DateTime(timezone=True), nullable=True),
)
CODES = (
    sa.Column("code_hash", sa.LargeBinary(), nullable=False),
    sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
    _made(),
)
PASSKEYS = (
    sa.Column("credential_id", sa.LargeBinary(), nullable=False),
    sa.Column("public_key", sa.LargeBinary(), nullable=False),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("sign_count", sa.BigInteger(), nullable=False),
    sa.Column("backup_eligible", sa.Boolean(), nullable=False),
    sa.Column("backed_up", sa.Boolean(), nullable=False),
    _made(),
    sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
)
HALVES = (
    sa.Column("token_hash", sa.LargeBinary(), nullable=False),
    sa.Column("user_version", sa.Integer(), nullable=False),
    _made(),
)
