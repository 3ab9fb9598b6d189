"""Data protection: encrypted columns, legal holds, erasure.

Encrypted texts need no change of their columns: what stands there in plain text is read as it is (careapp/crypto.py).
Nothing is renamed or dropped, so the version before runs on this schema; locks are those of adding empty columns.
"""

import sqlalchemy as sa
from alembic import op

from careapp.tenancy import TENANT_OF_TRANSACTION, protect

revision = "0013"
down_revision = "0012"

# History stays append-only but for one thing: its owner, and nobody else, may take a reason away or encrypt it anew.
# The app role gets at it through erase_history() alone, which asks for the row of an erasure first.
HISTORY_RULE = """CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql SET search_path = care AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)
    AND to_jsonb(NEW) - 'reason' = to_jsonb(OLD) - 'reason'
    AND NEW.reason IS DISTINCT FROM OLD.reason AND (NEW.reason IS NULL OR NEW.reason ^@ 'enc1:')
  THEN RETURN NEW; END IF;
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$"""
ERASE_HISTORY = f"""CREATE FUNCTION erase_history(erased bigint) RETURNS bigint LANGUAGE sql SECURITY DEFINER
SET search_path = care, pg_temp AS $$
  WITH blanked AS (
    UPDATE status_changes SET reason = NULL
    WHERE tenant_id = {TENANT_OF_TRANSACTION} AND reason IS NOT NULL
      AND (entity = 'patient' AND entity_id = erased OR episode_id IN
        (SELECT id FROM episodes WHERE tenant_id = {TENANT_OF_TRANSACTION} AND patient_id = erased))
      AND EXISTS (SELECT FROM patient_erasures
                  WHERE tenant_id = {TENANT_OF_TRANSACTION} AND patient_id = erased)
    RETURNING 1)
  SELECT count(*) FROM blanked $$"""
TRIGGER = "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON status_changes FOR EACH ROW EXECUTE FUNCTION"


def upgrade() -> None:
    """Apply."""
    op.add_column("patients", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tenant_settings", sa.Column("records_kept_years", sa.Integer(), server_default="10", nullable=False))
    op.create_check_constraint(
        op.f("tenant_settings_records_kept_years_check"), "tenant_settings", "records_kept_years BETWEEN 1 AND 100"
    )
    _legal_holds()
    _erasures()
    for table in ("legal_holds", "patient_erasures"):
        for statement in protect(table):
            op.execute(statement)
        op.execute(f"REVOKE DELETE ON {table} FROM care_app")
    op.execute("REVOKE UPDATE ON patient_erasures FROM care_app")
    op.execute(HISTORY_RULE)
    op.execute("DROP TRIGGER append_only ON status_changes")
    op.execute(f"{TRIGGER} keep_history()")
    op.execute(ERASE_HISTORY)
    op.execute("REVOKE ALL ON FUNCTION erase_history(bigint) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION erase_history(bigint) TO care_app")


def _legal_holds() -> None:
    op.create_table(
        "legal_holds",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name=op.f("legal_holds_lifted_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patients.tenant_id", "patients.id"],
            name=op.f("legal_holds_tenant_id_patient_id_fk"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("legal_holds_pk")),
    )
    op.create_index("legal_holds_of_patient", "legal_holds", ["tenant_id", "patient_id", "id"])


def _erasures() -> None:
    op.create_table(
        "patient_erasures",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("patient_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("erased_by", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "category IN ('RETENTION_OVER', 'PATIENT_REQUEST', 'ENTERED_IN_ERROR')",
            name=op.f("patient_erasures_category_check"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patients.tenant_id", "patients.id"],
            name=op.f("patient_erasures_tenant_id_patient_id_fk"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "patient_id", name=op.f("patient_erasures_pk")),
    )


def downgrade() -> None:
    """Take back."""
    op.execute("DROP FUNCTION erase_history(bigint)")
    op.execute("DROP TRIGGER append_only ON status_changes")
    op.execute(f"{TRIGGER} refuse_change()")
    op.execute("DROP FUNCTION keep_history()")
    op.drop_table("patient_erasures")
    op.drop_index("legal_holds_of_patient", table_name="legal_holds")
    op.drop_table("legal_holds")
    op.drop_constraint(op.f("tenant_settings_records_kept_years_check"), "tenant_settings")
    op.drop_column("tenant_settings", "records_kept_years")
    op.drop_column("patients", "erased_at")
