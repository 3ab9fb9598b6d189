"""When a referral is due, and what the patient page needs: when facts were recorded, what people are recognised by."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

from careapp.tenancy import protect

revision = "0005"
down_revision = "0004"

REFERRALS, FACTS, WORDS = "diagnostics_referrals", "patient_facts", "patient_name_words"
OPEN = "status IN ('REFERRED', 'BOOKED')"
# The limits in force when this was written (referrals/deadlines.py): a day, a week, thirty days; two days for a report.
LIMIT = (
    "CASE priority WHEN 'STAT' THEN interval '1 day' WHEN 'URGENT' THEN interval '7 days' ELSE interval '30 days' END"
)
# Letters that Unicode does not take apart, so that their accents went unnoticed (patients/names.py).
LETTERS = "'đøłı', 'doli'"


def upgrade() -> None:
    """Apply."""
    _referrals()
    _facts()
    _keys()
    _names()


def _referrals() -> None:
    """When each was made, came into its state and is due; row-level security hides rows from their owner meanwhile."""
    op.add_column(
        REFERRALS, sa.Column("referred_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    )
    op.add_column(
        REFERRALS, sa.Column("status_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    )
    op.add_column(REFERRALS, sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    with _every_row(REFERRALS, "status_changes"):
        op.execute(
            f"UPDATE {REFERRALS} r SET referred_at = created_at, status_at = coalesce((SELECT max(at) FROM"
            " status_changes c WHERE c.tenant_id = r.tenant_id AND c.entity = 'referral' AND c.entity_id = r.id),"
            " created_at)"
        )
        op.execute(
            f"UPDATE {REFERRALS} SET due_at = CASE WHEN status = 'REFERRED' THEN referred_at + {LIMIT}"
            f" ELSE coalesce(scheduled_for, status_at + {LIMIT}) + interval '2 days' END WHERE {OPEN}"
        )
    op.create_check_constraint(op.f(f"{REFERRALS}_due_check"), REFERRALS, f"(due_at IS NOT NULL) = ({OPEN})")
    op.drop_index("referrals_open", table_name=REFERRALS)
    op.create_index("referrals_due", REFERRALS, ["tenant_id", "status", "due_at", "id"], postgresql_where=sa.text(OPEN))
    op.create_index("referrals_changed", REFERRALS, ["tenant_id", "status_at", "id"])
    op.create_index("referrals_of_patient", REFERRALS, ["tenant_id", "patient_id", "referred_at", "id"])


def _facts() -> None:
    """When a fact was recorded. Until now all of them came with their patients, by import."""
    op.add_column(
        FACTS, sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    )
    with _every_row(FACTS, "patients"):
        op.execute(
            f"UPDATE {FACTS} f SET recorded_at = p.created_at FROM patients p"
            " WHERE p.tenant_id = f.tenant_id AND p.id = f.patient_id"
        )


def _keys() -> None:
    """Phone numbers, e-mail addresses and identifiers, each as it is compared, one row each."""
    op.create_table(
        "patient_keys",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(collation="C"), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('PHONE', 'EMAIL', 'IDENTIFIER')", name=op.f("patient_keys_kind_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patients.tenant_id", "patients.id"],
            name=op.f("patient_keys_tenant_id_patient_id_fk"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "value", "patient_id", name=op.f("patient_keys_pk")),
    )
    op.create_index("patient_keys_patient", "patient_keys", ["tenant_id", "patient_id"])
    typed = "translate(point ->> 'value', '၀၁၂၃၄၅၆၇၈၉', '0123456789')"
    digits = f"ltrim(regexp_replace({typed}, '[^0-9]', '', 'g'), '0')"
    identifier = "upper(regexp_replace(left(known ->> 'value', 200), '[\\s./-]', '', 'g'))"
    with _every_row("patients"):
        op.execute(
            "INSERT INTO patient_keys (tenant_id, kind, value, patient_id)"
            f" SELECT tenant_id, 'PHONE', right({digits}, 8), id FROM patients, jsonb_array_elements(telecom) point"
            f" WHERE point ->> 'system' IN ('phone', 'sms') AND {digits} <> ''"
            " UNION SELECT tenant_id, 'EMAIL', lower(left(point ->> 'value', 200)), id"
            " FROM patients, jsonb_array_elements(telecom) point WHERE point ->> 'system' = 'email'"
            " AND point ->> 'value' <> ''"
            f" UNION SELECT tenant_id, 'IDENTIFIER', {identifier}, id"
            f" FROM patients, jsonb_array_elements(identifiers) known WHERE {identifier} <> ''"
        )
    for statement in protect("patient_keys"):
        op.execute(statement)


def _names() -> None:
    """Fold the letters that Unicode does not take apart, as searches do from now on."""
    folded = f"translate(word, {LETTERS})"
    with _every_row(WORDS):
        op.execute(
            f"INSERT INTO {WORDS} SELECT tenant_id, {folded}, patient_id FROM {WORDS} WHERE word <> {folded}"
            " ON CONFLICT DO NOTHING"
        )
        op.execute(f"DELETE FROM {WORDS} WHERE word <> {folded}")


@contextmanager
def _every_row(*tables: str) -> Iterator[None]:
    """Let the owner, and nobody else, see and change the rows of all tenants in these tables meanwhile."""
    for table in tables:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    yield
    for table in tables:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take back."""
    op.drop_table("patient_keys")
    op.drop_column(FACTS, "recorded_at")
    for index in ("referrals_of_patient", "referrals_changed", "referrals_due"):
        op.drop_index(index, table_name=REFERRALS)
    op.create_index("referrals_open", REFERRALS, ["tenant_id", "created_at", "id"], postgresql_where=sa.text(OPEN))
    op.drop_constraint(op.f(f"{REFERRALS}_due_check"), REFERRALS)
    for column in ("due_at", "status_at", "referred_at"):
        op.drop_column(REFERRALS, column)
