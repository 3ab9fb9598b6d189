"""Events that were sent get a table of their own, in a partition a day (decision records 26 and 27)."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from careapp.tenancy import protect

revision = "0020"
down_revision = "0019"

RULE = "tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::int"
DAYS_AHEAD = 3


def upgrade() -> None:
    """Apply. What the version before marks as sent stays where it is until its seven days are over."""
    op.create_table(
        "outbox_sent",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("envelope", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withheld_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "published_at", "id", name=op.f("outbox_sent_pk")),
        postgresql_partition_by="RANGE (published_at)",
    )
    for statement in (*protect("outbox_sent"), *GRANTS, *FUNCTIONS):
        op.execute(statement)
    op.execute("CREATE TABLE outbox_sent_other PARTITION OF outbox_sent DEFAULT")
    op.execute("SELECT protect_partition('outbox_sent', 'outbox_sent_other')")
    op.execute(f"SELECT count(*) FROM make_partitions('outbox_sent', 'day', {DAYS_AHEAD})")


def downgrade() -> None:
    """Take back: what was sent is sent, and only its record goes."""
    op.execute("DROP FUNCTION make_partitions(text, text, int), protect_partition(text, text), drop_sent_days(int)")
    op.drop_table("outbox_sent")


GRANTS = (
    "REVOKE INSERT, UPDATE, DELETE ON outbox_sent FROM care_app",
    "GRANT SELECT, INSERT, DELETE ON outbox_sent TO care_relay",
    "CREATE POLICY relay ON outbox_sent TO care_relay USING (true) WITH CHECK (true)",
)

# `audit_make_partitions` and `audit_protect_partition` stay for the version before, which calls them.
FUNCTIONS = (
    # Rights and policies of a parent hold for what goes through it; a partition that is addressed itself has its own,
    # and triggers for whole statements as well.
    f"""CREATE FUNCTION protect_partition(parent text, part text) RETURNS void LANGUAGE plpgsql
    SET search_path = care, pg_temp AS $$
    BEGIN
      EXECUTE format('REVOKE ALL ON %I FROM care_app, care_relay', part);
      EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
      EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', part);
      EXECUTE format('CREATE POLICY tenant ON %I USING ({RULE}) WITH CHECK ({RULE})', part);
      IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = parent::regclass AND tgname = 'never_emptied') THEN
        EXECUTE format('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON %I'
          ' FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', part);
      END IF;
    END $$""",
    # Made aside and attached, which lets others go on writing; of a span that has rows in `_other` it says `false`.
    """CREATE FUNCTION make_partitions(parent text, unit text, ahead int)
    RETURNS TABLE (part text, made boolean) LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = care, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
    DECLARE start timestamptz; step interval := '1 ' || unit;
    BEGIN
      IF (parent, unit) NOT IN (('audit_event', 'month'), ('audit_patients', 'month'), ('outbox_sent', 'day')) THEN
        RAISE EXCEPTION 'no table that is kept by %s: %', unit, parent;
      END IF;
      IF ahead NOT BETWEEN 0 AND 24 THEN RAISE EXCEPTION 'from 0 to 24 ahead'; END IF;
      PERFORM pg_advisory_xact_lock(7302268);  -- two at once would make the same
      FOR start IN SELECT generate_series(date_trunc(unit, now()), date_trunc(unit, now()) + ahead * step, step) LOOP
        part := parent || to_char(start, CASE unit WHEN 'day' THEN '_YYYY_MM_DD' ELSE '_YYYY_MM' END);
        CONTINUE WHEN to_regclass('care.' || part) IS NOT NULL;
        BEGIN
          EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
          PERFORM protect_partition(parent, part);
          EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            parent, part, start, start + step);
          made := true;
          RETURN NEXT;
        EXCEPTION
          WHEN invalid_object_definition THEN NULL;  -- the partition of what was there before reaches over it
          WHEN check_violation THEN made := false; RETURN NEXT;
        END;
      END LOOP;
    END $$""",
    # A visit of a relay holds the table for as long as it sends: the lock comes between two, or the next hour's try.
    """CREATE FUNCTION drop_sent_days(kept int) RETURNS SETOF text LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = care, pg_temp SET timezone = 'UTC' SET lock_timeout = '5s' AS $$
    DECLARE part text;
    BEGIN
      IF kept NOT BETWEEN 1 AND 365 THEN RAISE EXCEPTION 'kept from 1 to 365 days'; END IF;
      FOR part IN SELECT relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
          WHERE inhparent = 'outbox_sent'::regclass AND relname ~ '^outbox_sent_\\d{4}_\\d{2}_\\d{2}$'
          AND to_date(right(relname, 10), 'YYYY_MM_DD') + 1 <= now() - make_interval(days => kept) ORDER BY 1 LOOP
        EXECUTE format('DROP TABLE %I', part);
        RETURN NEXT part;
      END LOOP;
    END $$""",
    "REVOKE ALL ON FUNCTION make_partitions(text, text, int), protect_partition(text, text), drop_sent_days(int)"
    " FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION make_partitions(text, text, int), drop_sent_days(int) TO care_relay",
)
