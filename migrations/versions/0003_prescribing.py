"""The code list of medicines, and what the prescription form keeps: dosage parts, favourites, checks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from careapp.tenancy import protect
from careapp.terminology import starter
from careapp.terminology.names import search_words
from careapp.terminology.rxnorm_files import DRUGS
from careapp.terminology.views import RXNORM

revision = "0003"
down_revision = "0002"

CODE_LISTS = ("code_lists", "medicines", "medicine_words")


def upgrade() -> None:
    """Apply."""
    medicines = op.create_table(
        "medicines",
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("term_type", sa.Text(), nullable=False),
        sa.Column("ingredients", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("medicines_pk")),
    )
    words = op.create_table(
        "medicine_words",
        sa.Column("word", sa.Text(collation="C"), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.ForeignKeyConstraint(["code"], ["medicines.code"], name=op.f("medicine_words_code_fk")),
        sa.PrimaryKeyConstraint("word", "code", name=op.f("medicine_words_pk")),
    )
    op.create_index(op.f("medicine_words_code_idx"), "medicine_words", ["code"], unique=False)
    lists = op.create_table(
        "code_lists",
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("system", name=op.f("code_lists_pk")),
    )
    for table in CODE_LISTS:
        op.execute(f"REVOKE INSERT, UPDATE, DELETE ON {table} FROM care_app")
    _fill(medicines, words, lists)
    _prescriptions()
    _favourites()


def downgrade() -> None:
    """Take back."""
    op.drop_table("prescription_favourites")
    for column in ("override_reason", "checks", "dosage_parts"):
        op.drop_column("prescriptions", column)
    for table in ("medicine_words", "medicines", "code_lists"):
        op.drop_table(table)


def _fill(medicines: sa.Table, words: sa.Table, lists: sa.Table) -> None:
    """The starter list, so that there is something to choose from the first minute on."""
    concepts = starter.concepts()
    listed = [
        {
            "code": one.code, "name": one.name, "term_type": one.term_type, "active": True,
            "ingredients": [{"code": code, "name": name} for code, name in one.ingredients],
        }
        for one in concepts
    ]  # fmt: skip
    op.bulk_insert(medicines, listed)
    op.bulk_insert(words, [{"word": word, "code": one.code} for one in concepts for word in search_words(one.name)])
    offered = sum(one.term_type in DRUGS for one in concepts)
    op.bulk_insert(lists, [{"system": RXNORM, "source": starter.SOURCE, "entries": offered}])


def _prescriptions() -> None:
    for column in ("dosage_parts", "checks"):
        op.add_column("prescriptions", sa.Column(column, postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("prescriptions", sa.Column("override_reason", sa.Text(), nullable=True))


def _favourites() -> None:
    op.create_table(
        "prescription_favourites",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("medication_text", sa.Text(), nullable=False),
        sa.Column("medication_code", sa.Text(), nullable=True),
        sa.Column("medication_system", sa.Text(), nullable=True),
        sa.Column("dosage", sa.Text(), nullable=False),
        sa.Column("dosage_parts", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=True),
        sa.Column("refills", sa.Integer(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["users.tenant_id", "users.id"],
            name=op.f("prescription_favourites_tenant_id_user_id_fk"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("prescription_favourites_pk")),
        sa.UniqueConstraint(
            "tenant_id",
            "user_id",
            "fingerprint",
            name=op.f("prescription_favourites_tenant_id_user_id_fingerprint_key"),
        ),
    )
    for statement in protect("prescription_favourites"):
        op.execute(statement)
