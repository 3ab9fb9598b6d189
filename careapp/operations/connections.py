"""Connections: how the application's engines connect, directly or through a pooler that shares server connections.

PgBouncer in transaction mode gives every transaction another session. What a session would remember is gone then, or
worse, somebody else's: so settings go with the transaction, and the driver prepares no statement.
"""

from typing import Any

from sqlalchemy import QueuePool

from careapp.config import Settings
from careapp.db import LOCK_TIMEOUT, REPLICA
from careapp.telemetry.statements import CountingPool, slow_log
from careapp.tenancy import OPENING
from careapp.transactions import RAN

# A network that swallows packets is noticed.
LIVELY: dict[str, Any] = {
    "connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}  # fmt: skip

# Whoever waits for a lock longer than this is told to try again.
OF_A_SESSION = {"options": f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT}"}
OF_A_TRANSACTION = (b"SET LOCAL timezone = 'UTC'", f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'".encode())


READ_ONLY = b"SET TRANSACTION READ ONLY"  # also where the replica has become a primary, or never was one


def engine_options(settings: Settings) -> dict[str, Any]:
    """SQLAlchemy's options of the application's engine."""
    pooled = settings.database_pooler == "transaction"
    own = {"prepare_threshold": None} if pooled else OF_A_SESSION
    return {
        "poolclass": CountingPool,
        "pool_size": settings.database_pool_size,
        "max_overflow": 0,
        "pool_timeout": 5,
        "hide_parameters": True,
        "connect_args": {**LIVELY, **own},
        "execution_options": {OPENING: OF_A_TRANSACTION if pooled else (), RAN: slow_log(settings.slow_query_ms)},
    }


def binds(settings: Settings) -> dict[str, Any]:
    """Further engines, by name: the replica's, where there is one."""
    if settings.database_replica_url is None:
        return {}
    options = engine_options(settings)
    session = options["execution_options"]
    of_copy = {
        "poolclass": QueuePool,  # waits are counted of the primary's alone
        "url": settings.database_replica_url,
        "pool_timeout": 1,  # seconds; the primary is there as well
        "connect_args": {**options["connect_args"], "connect_timeout": 2},
        "execution_options": {**session, OPENING: (READ_ONLY, *session[OPENING])},
    }
    return {REPLICA: {**options, **of_copy}}
