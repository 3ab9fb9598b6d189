"""The audit log says why, is sealed, and is kept in partitions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from careapp.audit.models import TransactionId
from careapp.tenancy import protect

revision = "0007"
down_revision = "0006"

RULE = "tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::int"
SAID = "tenant_id, actor, on_behalf_of, purpose, action, outcome, subject, patients, request_id, detail"
TABLES = ("audit_event", "audit_patients")
KEYS = {"audit_event": "tenant_id, at, id", "audit_patients": "tenant_id, patient, at, event_id"}
INDEXES = {
    "audit_by_actor": "(tenant_id, actor, at, id)",
    "audit_by_action": "(tenant_id, action, at, id)",
    "audit_by_subject": "(tenant_id, subject, at, id) WHERE subject IS NOT NULL",
    "audit_refused": "(tenant_id, at, id) WHERE outcome = 'refused'",
}
MONTHS_AHEAD = 3


def upgrade() -> None:
    """Apply. What is there stays where it is, as the first partition, so that the locks are short."""
    op.add_column("audit_event", sa.Column("purpose", sa.Text(), server_default="TREAT", nullable=False))
    for statement in FUNCTIONS:
        op.execute(statement)
    until = _set_aside()
    _make_tables()
    for statement in GRANTS:
        op.execute(statement)
    for table in TABLES:
        _attach_or_drop(table, until)
        op.execute(f"CREATE TABLE {table}_other PARTITION OF {table} DEFAULT")
        op.execute(f"SELECT audit_protect_partition('{table}_other')")
    op.execute(f"SELECT count(*) FROM audit_make_partitions({MONTHS_AHEAD})")
    _make_seals()


def downgrade() -> None:
    """Take back: plain tables with the same rows. The seals are lost."""
    for table in ("audit_retired", "audit_seal"):
        op.execute(f"DROP TABLE {table} CASCADE")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")  # or the owner would copy nothing
        op.execute(f"ALTER TABLE {table} RENAME TO {table}_parts")
        op.execute(f"ALTER TABLE {table}_parts RENAME CONSTRAINT {table}_pk TO {table}_parts_pk")
        op.execute(f"CREATE TABLE {table} (LIKE {table}_parts INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        op.execute(f"INSERT INTO {table} SELECT * FROM {table}_parts")
    last = op.get_bind().execute(sa.text("SELECT coalesce(max(id), 0) + 1 FROM audit_event")).scalar_one()
    for table in TABLES:
        op.execute(f"DROP TABLE {table}_parts CASCADE")
        for statement in (*protect(table), *_append_only(table)):
            op.execute(statement)
    op.execute(f"ALTER TABLE audit_event ALTER id ADD GENERATED ALWAYS AS IDENTITY (START {last})")
    op.execute("ALTER TABLE audit_event ADD CONSTRAINT audit_event_pk PRIMARY KEY (tenant_id, id)")
    op.execute(f"ALTER TABLE audit_patients ADD CONSTRAINT audit_patients_pk PRIMARY KEY ({KEYS['audit_patients']})")
    for name, columns in {"audit_newest": "(tenant_id, at, id)", **INDEXES}.items():
        op.execute(f"CREATE INDEX {name} ON audit_event {columns}")
    op.execute("REVOKE ALL ON audit_event FROM care_app")
    op.execute(f"GRANT SELECT, INSERT ({SAID.replace('purpose, ', '')}) ON audit_event TO care_app")
    op.execute("REVOKE UPDATE, DELETE ON audit_patients FROM care_app")
    op.execute("REVOKE ALL ON tenants FROM care_relay")
    for name in FUNCTIONS_MADE:
        op.execute(f"DROP FUNCTION {name}")
    op.drop_column("audit_event", "purpose")


def _set_aside() -> str | None:
    """Rename the tables with what belongs to them; returns where months begin if there are rows, else None."""
    bind = op.get_bind()
    op.execute("LOCK TABLE audit_event, audit_patients IN ACCESS EXCLUSIVE MODE")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")  # or the owner would find no row
    until = bind.execute(sa.text(UNTIL)).scalar_one()
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"DROP TRIGGER append_only ON {table}")  # the parent's takes its place
        op.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
    op.execute("ALTER TABLE audit_event_before DROP CONSTRAINT audit_event_pk")
    op.execute("DROP INDEX audit_newest")
    op.execute("ALTER TABLE audit_patients_before RENAME CONSTRAINT audit_patients_pk TO audit_patients_before_pk")
    for name in INDEXES:
        op.execute(f"ALTER INDEX {name} RENAME TO {name}_before")
    return None if until is None else str(until)


def _make_tables() -> None:
    """The parents, with the numbers of the rows going on where they were."""
    numbers = op.get_bind().execute(sa.text("SELECT pg_get_serial_sequence('audit_event_before', 'id')")).scalar_one()
    last = op.get_bind().execute(sa.text(f"SELECT last_value + is_called::int FROM {numbers}")).scalar_one()
    op.execute("ALTER TABLE audit_event_before ALTER id DROP IDENTITY")
    op.create_table(
        "audit_event",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True, start=last), nullable=False),
        sa.Column("xid", TransactionId(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("on_behalf_of", sa.Text(), nullable=True),
        sa.Column("purpose", sa.Text(), server_default="TREAT", nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("patients", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("outcome IN ('done', 'seen', 'refused')", name=op.f("audit_event_outcome_check")),
        sa.PrimaryKeyConstraint("tenant_id", "at", "id", name=op.f("audit_event_pk")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_table(
        "audit_patients",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("patient", sa.Text(collation="C"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "patient", "at", "event_id", name=op.f("audit_patients_pk")),
        postgresql_partition_by="RANGE (at)",
    )
    for name, columns in {**INDEXES, "audit_to_seal": "(tenant_id, xid)"}.items():
        op.execute(f"CREATE INDEX {name} ON audit_event {columns}")
    for table in TABLES:
        for statement in (*protect(table), *_append_only(table)):
            op.execute(statement)


def _attach_or_drop(table: str, until: str | None) -> None:
    """What was there before becomes the first partition; where nothing was, nothing is kept."""
    if until is None:
        op.execute(f"DROP TABLE {table}_before")
    else:
        op.execute(f"REVOKE ALL ON {table}_before FROM care_app")
        op.execute(f"ALTER TABLE {table} ATTACH PARTITION {table}_before FOR VALUES FROM (MINVALUE) TO ('{until}')")


def _make_seals() -> None:
    """The chain, and what is remembered of rows that retention took."""
    op.create_table(
        "audit_seal",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("chain", sa.Integer(), nullable=False),
        sa.Column("after_id", sa.BigInteger(), nullable=False),
        sa.Column("xid_from", TransactionId(), nullable=False),
        sa.Column("xid_to", TransactionId(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("digests", postgresql.ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("prev", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "n", name=op.f("audit_seal_pk")),
    )
    op.create_table(
        "audit_retired",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ids", postgresql.INT8MULTIRANGE(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("retired_by", sa.Text(), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "part", name=op.f("audit_retired_pk")),
    )
    for table in ("audit_seal", "audit_retired"):
        for statement in (*protect(table), *_append_only(table)):
            op.execute(statement)
        op.execute(f"REVOKE INSERT, UPDATE, DELETE ON {table} FROM care_app")
    for statement in SEALING:
        op.execute(statement)


def _append_only(table: str) -> tuple[str, ...]:
    """Triggers that refuse a change of history to everybody, the owner included."""
    return (
        f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    )


# The first month after all that there is; NULL where there is nothing.
UNTIL = """SELECT (SELECT (date_trunc('month', greatest(max(at), now()) AT TIME ZONE 'UTC') + interval '1 month')
  AT TIME ZONE 'UTC' FROM (SELECT at FROM audit_event UNION ALL SELECT at FROM audit_patients) AS two
  HAVING count(*) > 0)"""

FUNCTIONS_MADE = (
    "audit_make_partitions(int)", "audit_protect_partition(text)", "audit_seal_next(int, int)", "audit_new_chain(int)",
)  # fmt: skip

GRANTS = (
    "REVOKE ALL ON audit_event, audit_patients FROM care_app",
    f"GRANT SELECT, INSERT ({SAID}) ON audit_event TO care_app",
    "GRANT SELECT, INSERT ON audit_patients TO care_app",
    "GRANT SELECT ON audit_event, audit_patients TO care_relay",
    "GRANT SELECT (id, key) ON tenants TO care_relay",
    "CREATE POLICY relay ON audit_event FOR SELECT TO care_relay USING (true)",
    "CREATE POLICY relay ON audit_patients FOR SELECT TO care_relay USING (true)",
)

# Rights and policies of a parent hold for what goes through it; a partition that is addressed itself has its own.
FUNCTIONS = (
    f"""CREATE FUNCTION audit_protect_partition(part text) RETURNS void LANGUAGE plpgsql
    SET search_path = care, pg_temp AS $$
    BEGIN
      EXECUTE format('REVOKE ALL ON %I FROM care_app, care_relay', part);
      EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
      EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', part);
      EXECUTE format('CREATE POLICY tenant ON %I USING ({RULE}) WITH CHECK ({RULE})', part);
      EXECUTE format('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON %I'
        ' FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', part);
    END $$""",
    # Made aside and attached, which lets others go on writing; of a month that has rows in `_other` it says `false`.
    """CREATE FUNCTION audit_make_partitions(ahead int) RETURNS TABLE (part text, made boolean) LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = care, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
    DECLARE parent text; month timestamptz;
    BEGIN
      IF ahead NOT BETWEEN 0 AND 24 THEN RAISE EXCEPTION 'from 0 to 24 months ahead'; END IF;
      FOREACH parent IN ARRAY ARRAY['audit_event', 'audit_patients'] LOOP
        FOR month IN SELECT generate_series(date_trunc('month', now()),
            date_trunc('month', now()) + make_interval(months => ahead), interval '1 month') LOOP
          part := parent || to_char(month, '_YYYY_MM');
          CONTINUE WHEN to_regclass('care.' || part) IS NOT NULL;
          BEGIN
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
            PERFORM audit_protect_partition(part);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
              parent, part, month, month + interval '1 month');
            made := true;
            RETURN NEXT;
          EXCEPTION
            WHEN invalid_object_definition THEN NULL;  -- the partition of what was there before reaches over it
            WHEN check_violation THEN made := false; RETURN NEXT;
          END;
        END LOOP;
      END LOOP;
    END $$""",
    "REVOKE ALL ON FUNCTION audit_make_partitions(int), audit_protect_partition(text) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION audit_make_partitions(int) TO care_relay",
)

SEALING = (
    "GRANT SELECT, INSERT ON audit_seal TO care_relay",
    "GRANT SELECT ON audit_retired TO care_relay",
    "CREATE POLICY relay ON audit_seal TO care_relay USING (true) WITH CHECK (true)",
    "CREATE POLICY relay ON audit_retired FOR SELECT TO care_relay USING (true)",
    # A column that is added later starts a new version: what was sealed is read as it was sealed.
    """CREATE FUNCTION audit_digest(version int, e audit_event) RETURNS bytea LANGUAGE sql STABLE
    AS $$ SELECT CASE version WHEN 1 THEN sha256(convert_to(jsonb_build_array(
      version, e.tenant_id, e.id, (extract(epoch FROM e.at) * 1000000)::bigint, e.xid::text, e.actor, e.on_behalf_of,
      e.purpose, e.action, e.outcome, e.subject, to_jsonb(e.patients), e.request_id, e.detail)::text, 'UTF8')) END $$""",
    """CREATE FUNCTION audit_seal_hash(s audit_seal) RETURNS bytea LANGUAGE sql STABLE
    AS $$ SELECT sha256(s.prev || convert_to(jsonb_build_array(s.version, s.tenant_id, s.n, s.chain, s.after_id,
      s.xid_from::text, s.xid_to::text, (extract(epoch FROM s.sealed_at) * 1000000)::bigint, to_jsonb(s.ids))::text,
      'UTF8') || coalesce((SELECT string_agg(one, ''::bytea ORDER BY nth)
        FROM unnest(s.digests) WITH ORDINALITY AS d (one, nth)), ''::bytea)) $$""",
    # Every transaction below a snapshot's xmin has ended, so a window below it never gains a row later. The horizon is
    # taken before the rows are read, each by a snapshot of its own, so what ended below it is seen.
    """CREATE FUNCTION audit_seal_next(tenant int, most int)
    RETURNS TABLE (number bigint, sealed int, sum bytea, more boolean) LANGUAGE plpgsql
    SET search_path = care, pg_temp AS $$
    DECLARE seal audit_seal; horizon xid8; first xid8;
    BEGIN
      IF NOT pg_try_advisory_xact_lock(7302266, tenant) THEN RETURN; END IF;
      SELECT s.n, s.chain, s.after_id, s.xid_to, s.hash
        INTO seal.n, seal.chain, seal.after_id, seal.xid_from, seal.prev
        FROM audit_seal s WHERE s.tenant_id = tenant ORDER BY s.n DESC LIMIT 1;
      IF NOT FOUND THEN
        seal.n := 0; seal.chain := 1; seal.after_id := 0; seal.xid_from := '0'; seal.prev := '';
      END IF;
      horizon := pg_snapshot_xmin(pg_current_snapshot());
      IF horizon < seal.xid_from THEN
        RAISE EXCEPTION 'transaction numbers have begun anew: this database was restored'
          USING ERRCODE = 'object_not_in_prerequisite_state';
      END IF;
      SELECT e.xid INTO first FROM audit_event e WHERE e.tenant_id = tenant AND e.xid >= seal.xid_from
        AND e.xid < horizon AND e.id > seal.after_id ORDER BY e.xid LIMIT 1;
      IF NOT FOUND THEN RETURN; END IF;
      SELECT e.xid INTO seal.xid_to FROM audit_event e WHERE e.tenant_id = tenant AND e.xid > first
        AND e.xid < horizon AND e.id > seal.after_id ORDER BY e.xid OFFSET most LIMIT 1;
      seal.xid_to := coalesce(seal.xid_to, horizon);
      seal.tenant_id := tenant; seal.n := seal.n + 1; seal.version := 1; seal.sealed_at := clock_timestamp();
      SELECT array_agg(e.id ORDER BY e.id), array_agg(audit_digest(1, e) ORDER BY e.id) INTO seal.ids, seal.digests
        FROM audit_event e WHERE e.tenant_id = tenant AND e.xid >= first AND e.xid < seal.xid_to
        AND e.id > seal.after_id;
      seal.hash := audit_seal_hash(seal);
      INSERT INTO audit_seal SELECT seal.*;
      RETURN QUERY SELECT seal.n, cardinality(seal.ids), seal.hash, seal.xid_to < horizon;
    END $$""",
    # After a restore: whatever is not sealed is sealed as it is, and windows count from the first transaction again.
    """CREATE FUNCTION audit_new_chain(tenant int) RETURNS bigint LANGUAGE plpgsql
    SET search_path = care, pg_temp AS $$
    DECLARE seal audit_seal;
    BEGIN
      PERFORM pg_advisory_xact_lock(7302266, tenant);
      SELECT s.n, s.chain, s.xid_to, s.hash INTO seal.n, seal.chain, seal.xid_from, seal.prev
        FROM audit_seal s WHERE s.tenant_id = tenant ORDER BY s.n DESC LIMIT 1;
      IF NOT FOUND THEN RETURN NULL; END IF;
      seal.tenant_id := tenant; seal.n := seal.n + 1; seal.version := 1; seal.chain := seal.chain + 1;
      seal.xid_to := '0'; seal.sealed_at := clock_timestamp();
      SELECT coalesce(max(e.id), 0), coalesce(array_agg(e.id ORDER BY e.id) FILTER (WHERE k.id IS NULL), '{}'),
        coalesce(array_agg(audit_digest(1, e) ORDER BY e.id) FILTER (WHERE k.id IS NULL), '{}')
        INTO seal.after_id, seal.ids, seal.digests
        FROM audit_event e LEFT JOIN (SELECT unnest(s.ids) AS id FROM audit_seal s WHERE s.tenant_id = tenant) k
          ON k.id = e.id
        WHERE e.tenant_id = tenant;
      seal.hash := audit_seal_hash(seal);
      INSERT INTO audit_seal SELECT seal.*;
      RETURN seal.n;
    END $$""",
    "REVOKE ALL ON FUNCTION audit_digest(int, audit_event), audit_seal_hash(audit_seal), audit_seal_next(int, int),"
    " audit_new_chain(int) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION audit_digest(int, audit_event), audit_seal_hash(audit_seal), audit_seal_next(int, int),"
    " audit_new_chain(int) TO care_relay",
)
