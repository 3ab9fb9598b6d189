"""Sealing in a test, where other tests write to other databases of the same server."""

from careapp.audit import sealer
from tests.jobs.relays import wait_until

_ENDED = "SELECT %s::text::xid8 < pg_snapshot_xmin(pg_current_snapshot())"


def seal(relay_url: str, tenant_id: int) -> int:
    """Seal all that a tenant's log holds; returns how many rows that were.

    A row waits while anybody's older transaction is under way, in whatever database, so this waits for that first.
    """
    with sealer.connected(relay_url) as connection:
        now = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
        wait_until(lambda: connection.execute(_ENDED, now).fetchone() == (True,))
        return sealer.seal(connection, tenant_id)
