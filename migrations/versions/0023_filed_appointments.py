"""Appointments are partitioned by time: what is present, and a year each for those of episodes long over (record 26).

The table that was there becomes the partition of what is present, with all that keeps a provider and a patient from
being in two places. Its columns and indexes are made ready while the version before writes to it; then it is set aside
and attached in one short transaction, in which nothing is read through.
"""

import sqlalchemy as sa
from alembic import op

from careapp.operations.indexes import make_index
from careapp.tenancy import protect

revision = "0023"
down_revision = "0022"

PARENT, PRESENT = "appointments", "appointments_present"
KEYS = {"appointments_present_pk": ("tenant_id", "id"), "appointments_present_locator_key": ("tenant_id", "locator")}
INDEXES = {"of_episode": "episode_id, starts_at, id", "of_patient": "patient_id, starts_at, id",
           "of_slot": "slot_id, id", "of_clinic": "clinic_id, starts_at, id"}  # fmt: skip
POINTS_AT = {"episode_id": "episodes", "patient_id": "patients", "provider_id": "providers", "clinic_id": "clinics",
             "slot_id": "provider_slots"}  # fmt: skip
ACTIVE = "'PENDING', 'BOOKED', 'CONFIRMED', 'ARRIVED', 'IN_PROGRESS'"
MADE = "make_appointment_year(int), drop_empty_appointment_years(), analyze_appointments()"
ALL_PRESENT = "appointments_all_present"  # spares the attachment from reading all rows


def upgrade() -> None:
    """Apply."""
    op.execute(f"ALTER TABLE {PARENT} ADD COLUMN IF NOT EXISTS filed_year int NOT NULL DEFAULT 0")
    op.execute(f"ALTER TABLE {PARENT} DROP CONSTRAINT IF EXISTS {ALL_PRESENT}")
    op.execute(f"ALTER TABLE {PARENT} ADD CONSTRAINT {ALL_PRESENT} CHECK (filed_year = 0) NOT VALID")
    for name, columns in KEYS.items():
        make_index(name, PARENT, [*columns, "filed_year"], unique=True)
    op.execute(f"ALTER TABLE {PARENT} VALIDATE CONSTRAINT {ALL_PRESENT}")
    op.execute(f"ANALYZE {PARENT} (filed_year)")  # what is known of a column goes with the table
    # From here on nothing is committed on the way: a try that ended behind it could not begin again.
    last = _set_aside()
    _make_parent(last)
    op.execute(f"ALTER TABLE {PARENT} ATTACH PARTITION {PRESENT} FOR VALUES IN (0)")
    op.execute(f"ALTER TABLE {PRESENT} DROP CONSTRAINT {ALL_PRESENT}")
    for name, columns in INDEXES.items():  # of the partition it finds the one that is there
        op.execute(f"CREATE INDEX {PARENT}_{name} ON {PARENT} (tenant_id, {columns})")
    for statement in FUNCTIONS:
        op.execute(statement)


def downgrade() -> None:
    """Take back: what was filed lies beside all else again."""
    bind = op.get_bind()
    op.execute(f"DROP FUNCTION {MADE}")
    op.execute(f"LOCK TABLE {PARENT} IN ACCESS EXCLUSIVE MODE")
    last = bind.execute(sa.text(f"SELECT last_value + is_called::int FROM {PARENT}_id_seq")).scalar_one()
    years = sa.text(
        f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{PARENT}'::regclass"
        f" AND inhrelid <> '{PRESENT}'::regclass ORDER BY 1"
    )
    filed = list(bind.execute(years).scalars())
    op.execute(f"ALTER TABLE {PARENT} DETACH PARTITION {PRESENT}")
    columns = "tenant_id, id, episode_id, patient_id, provider_id, clinic_id, slot_id, starts_at, ends_at, busy_until,"
    columns += " type, status, reason, notes, category, created_at, version"
    for table in (PRESENT, *filed):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")  # or the owner would find no row
    for year in filed:
        op.execute(f"INSERT INTO {PRESENT} ({columns}) SELECT {columns} FROM {year}")
    op.execute(f"ALTER TABLE {PRESENT} FORCE ROW LEVEL SECURITY")
    op.execute(f"DROP TABLE {PARENT}")
    op.execute(f"ALTER TABLE {PRESENT} RENAME TO {PARENT}")
    op.execute(f"ALTER TABLE {PARENT} DROP CONSTRAINT {PRESENT}_pk, DROP CONSTRAINT {PRESENT}_locator_key")
    op.execute(f"ALTER TABLE {PARENT} DROP COLUMN filed_year")
    op.execute(f"ALTER TABLE {PARENT} ADD CONSTRAINT {PARENT}_pk PRIMARY KEY (tenant_id, id)")
    op.execute(f"ALTER TABLE {PARENT} ADD CONSTRAINT {PARENT}_tenant_id_locator_key UNIQUE (tenant_id, locator)")
    op.execute(f"ALTER TABLE {PARENT} ALTER id DROP IDENTITY IF EXISTS")
    op.execute(f"ALTER TABLE {PARENT} ALTER id ADD GENERATED ALWAYS AS IDENTITY (START {last})")
    for name in INDEXES:
        op.execute(f"ALTER INDEX {PRESENT}_{name} RENAME TO {PARENT}_{name}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {PARENT} TO care_app")


def _set_aside() -> int:
    """Rename the table with what belongs to it; returns the number that its next row gets."""
    op.execute(f"LOCK TABLE {PARENT} IN ACCESS EXCLUSIVE MODE")
    numbers = sa.text(f"SELECT last_value + is_called::int FROM {PARENT}_id_seq")
    last = op.get_bind().execute(numbers).scalar_one()
    op.execute(f"ALTER TABLE {PARENT} ALTER id DROP IDENTITY")
    op.execute(f"ALTER TABLE {PARENT} DROP CONSTRAINT {PARENT}_pk, DROP CONSTRAINT {PARENT}_tenant_id_locator_key")
    op.execute(f"ALTER TABLE {PARENT} RENAME TO {PRESENT}")
    for name, kind in zip(KEYS, ("PRIMARY KEY", "UNIQUE"), strict=True):
        op.execute(f"ALTER TABLE {PRESENT} ADD CONSTRAINT {name} {kind} USING INDEX {name}")
    for name in INDEXES:
        op.execute(f"ALTER INDEX {PARENT}_{name} RENAME TO {PRESENT}_{name}")
    return int(last)


def _make_parent(last: int) -> None:
    """The table that everybody asks, with what holds of all partitions."""
    like = f"LIKE {PRESENT} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS"
    op.execute(f"CREATE TABLE {PARENT} ({like}) PARTITION BY LIST (filed_year)")
    op.execute(f"ALTER TABLE {PARENT} DROP CONSTRAINT {ALL_PRESENT}")
    op.execute(f"ALTER TABLE {PARENT} ALTER id ADD GENERATED ALWAYS AS IDENTITY (START {last})")
    op.execute(f"ALTER TABLE {PARENT} ADD CONSTRAINT {PARENT}_pk PRIMARY KEY (tenant_id, id, filed_year)")
    key = f"{PARENT}_tenant_id_locator_filed_year_key"
    op.execute(f"ALTER TABLE {PARENT} ADD CONSTRAINT {key} UNIQUE (tenant_id, locator, filed_year)")
    for column, table in POINTS_AT.items():
        op.execute(
            f"ALTER TABLE {PARENT} ADD CONSTRAINT {PARENT}_tenant_id_{column}_fk"
            f" FOREIGN KEY (tenant_id, {column}) REFERENCES {table} (tenant_id, id)"
        )
    for statement in protect(PARENT):
        op.execute(statement)
    op.execute(f"REVOKE ALL ON {PRESENT} FROM care_app")


FUNCTIONS = (
    # Made aside and attached, as the partitions of other tables are; nobody who is in it is expected any more. It needs
    # locks that writers of five tables hold in whatever order: it gives up before PostgreSQL looks for a deadlock, 1 s.
    f"""CREATE FUNCTION make_appointment_year(year int) RETURNS text LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = care, pg_temp SET lock_timeout = '500ms' AS $$
    DECLARE part text := 'appointments_' || year;
    BEGIN
      IF year NOT BETWEEN 1900 AND extract(year FROM now()) THEN RAISE EXCEPTION 'no year that is over: %', year; END IF;
      PERFORM pg_advisory_xact_lock(7302268);  -- two at once would make the same
      IF to_regclass('care.' || part) IS NOT NULL THEN RETURN NULL; END IF;
      EXECUTE format('CREATE TABLE %I (LIKE appointments INCLUDING DEFAULTS INCLUDING GENERATED'
        ' INCLUDING CONSTRAINTS, CONSTRAINT appointments_over CHECK (status NOT IN ({ACTIVE.replace("'", "''")})))', part);
      PERFORM protect_partition('appointments', part);
      EXECUTE format('ALTER TABLE appointments ATTACH PARTITION %I FOR VALUES IN (%s)', part, year);
      RETURN part;
    END $$""",
    # Whether it is empty is asked of the disk: row-level security hides all rows from its owner, too. Deleted rows count
    # until vacuum has given their pages back; a year of a few visits it may not look at, and that stays.
    """CREATE FUNCTION drop_empty_appointment_years() RETURNS SETOF text LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = care, pg_temp SET lock_timeout = '500ms' AS $$
    DECLARE part text; locked boolean := false;
    BEGIN
      FOR part IN SELECT relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
          WHERE inhparent = 'appointments'::regclass AND relname ~ '^appointments_\\d{4}$' AND pg_relation_size(c.oid) = 0
          ORDER BY 1 LOOP
        IF NOT locked THEN  -- nobody files from here on; the parent first, as everybody locks them
          LOCK TABLE ONLY appointments IN ACCESS EXCLUSIVE MODE;
          locked := true;
        END IF;
        CONTINUE WHEN pg_relation_size(part::regclass) > 0;
        EXECUTE format('DROP TABLE %I', part);
        RETURN NEXT part;
      END LOOP;
    END $$""",
    # Autovacuum analyzes partitions alone, and statements over all are planned by what is known of the parent. It follows
    # the partitions: with them it is analyzed before they are, hence the ten minutes.
    """CREATE FUNCTION analyze_appointments() RETURNS boolean LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = care, pg_temp SET lock_timeout = '2s' AS $$
    DECLARE known timestamptz; newer timestamptz;
    BEGIN
      SELECT last_analyze INTO known FROM pg_stat_user_tables WHERE relid = 'appointments'::regclass;
      SELECT max(greatest(last_analyze, last_autoanalyze)) INTO newer FROM pg_inherits
        JOIN pg_stat_user_tables ON relid = inhrelid WHERE inhparent = 'appointments'::regclass;
      IF newer IS NULL OR newer < known + interval '10 minutes' THEN RETURN false; END IF;
      IF current_setting('server_version_num')::int >= 180000 THEN
        EXECUTE 'ANALYZE ONLY appointments';
      ELSE
        EXECUTE 'ANALYZE appointments';
      END IF;
      RETURN true;
    END $$""",
    f"REVOKE ALL ON FUNCTION {MADE} FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION {MADE} TO care_relay",
)
