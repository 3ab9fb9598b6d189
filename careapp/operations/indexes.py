"""Indexes that migrations make and drop while the application serves: whoever writes does not wait for one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from alembic import op
from sqlalchemy import text

_WHOLE = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


def make_index(
    name: str, table: str, columns: Sequence[str], *, where: str | None = None, include: Sequence[str] = (),
    unique: bool = False,
) -> None:  # fmt: skip
    """Make an index without a lock that holds up writers, outside the migration's transaction.

    One of that name that is there is left, so another definition needs another name: a migration that was ended after
    it begins again, and what it takes the place of may be gone. What a try that was ended has left half made is
    removed: PostgreSQL would neither use nor mend it.
    """
    with _as_long_as_it_takes():
        if op.get_bind().execute(_WHOLE, {"name": name}).scalar_one_or_none():
            return
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.create_index(
            name, table, columns, unique=unique, postgresql_where=None if where is None else text(where),
            postgresql_include=list(include), postgresql_concurrently=True,
        )  # fmt: skip


def drop_index(name: str) -> None:
    """Drop an index in the same way."""
    with _as_long_as_it_takes():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


@contextmanager
def _as_long_as_it_takes() -> Iterator[None]:
    """It waits for the transactions that began before it, and nobody waits behind it meanwhile: no limit of time."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        yield
        op.execute("RESET lock_timeout")
