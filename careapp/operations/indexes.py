"""Indexes that migrations make while the application serves: whoever writes does not wait for one."""

from collections.abc import Sequence

from alembic import op
from sqlalchemy import text


def make_index(name: str, table: str, columns: Sequence[str], *, where: str) -> None:
    """Make an index without a lock that holds up writers, outside the migration's transaction.

    It waits for the transactions that began before it, and nobody waits behind it meanwhile, so it has no limit of
    time. What a try that was ended has left half made is removed first: PostgreSQL would neither use nor mend it.
    """
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.create_index(name, table, columns, postgresql_where=text(where), postgresql_concurrently=True)
        op.execute("RESET lock_timeout")
