"""Patients registered before whose names are written in parts are found by them as one word as well: O'Brien as obrien.

Tenant by tenant, as its row-level security has it, so that no table is locked against those who serve meanwhile.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from careapp.patients.names import words, words_to_find

revision = "0022"
down_revision = "0021"

IN_PARTS = sa.text("SELECT id, given, family FROM patients WHERE family || ' ' || given::text ~ '[.''’`–-]'")
TENANT = sa.text("SELECT set_config('app.tenant_id', :tenant, true)")
ADD = sa.text(
    "INSERT INTO patient_name_words (tenant_id, word, patient_id) VALUES (:tenant, :word, :patient)"
    " ON CONFLICT DO NOTHING"
)
REMOVE = sa.text("DELETE FROM patient_name_words WHERE tenant_id = :tenant AND word = :word AND patient_id = :patient")


def upgrade() -> None:
    """Apply."""
    _each(ADD)


def downgrade() -> None:
    """Take back."""
    _each(REMOVE)


def _each(statement: sa.TextClause) -> None:
    """Send the statement for each word that such names have besides those of their parts."""
    connection = op.get_bind()
    for tenant in connection.scalars(sa.text("SELECT id FROM tenants ORDER BY id")).all():
        connection.execute(TENANT, {"tenant": str(tenant)})
        if more := list(_besides(connection, tenant)):
            connection.execute(statement, more)
    connection.execute(TENANT, {"tenant": ""})


def _besides(connection: sa.Connection, tenant: int) -> Iterator[dict[str, Any]]:
    for patient in connection.execute(IN_PARTS):
        name = " ".join((*patient.given, patient.family))
        for word in set(words_to_find(name)) - set(words(name)):
            yield {"tenant": tenant, "word": word, "patient": patient.id}
