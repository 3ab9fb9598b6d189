"""Tenants that are suspended or deleted: the row of a deleted one stays, so that its key is never another's; and history
lets the owner take away that of a deleted tenant, without a lock that others would wait for.
"""

from alembic import op

revision = "0019"
down_revision = "0018"

# Asked of each row, so that the guard is never off. The app role has no right to delete here, nor to mark a tenant.
OF_THE_DELETED = """IF TG_OP = 'DELETE'
    AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)
    AND EXISTS (SELECT FROM tenants WHERE id = OLD.tenant_id AND deleted_at IS NOT NULL)
  THEN RETURN OLD; END IF;"""


def upgrade() -> None:
    """When it was closed, for a while or for good; of a deletion who decided it, why, with which export, and its end."""
    op.execute(
        "ALTER TABLE tenants ADD COLUMN suspended_at timestamptz, ADD COLUMN deleted_at timestamptz,"
        " ADD COLUMN deletion jsonb"
    )
    op.execute(_rule(OF_THE_DELETED))


def downgrade() -> None:
    """Without tombstones."""
    op.execute(_rule(""))
    op.execute("ALTER TABLE tenants DROP COLUMN deletion, DROP COLUMN deleted_at, DROP COLUMN suspended_at")


def _rule(more: str) -> str:
    """The guard of history (migration 0013) with what else it lets through."""
    return f"""CREATE OR REPLACE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql SET search_path = care AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)
    AND to_jsonb(NEW) - 'reason' = to_jsonb(OLD) - 'reason'
    AND NEW.reason IS DISTINCT FROM OLD.reason AND (NEW.reason IS NULL OR NEW.reason ^@ 'enc1:')
  THEN RETURN NEW; END IF;
  {more}
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$"""
