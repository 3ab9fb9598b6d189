"""Alembic's environment: migrations run as the owner role, never as the role the application runs as."""

from alembic import context
from flask import current_app
from sqlalchemy import create_engine, pool, text
from sqlalchemy.dialects.postgresql.base import ischema_names

from careapp.audit.models import PARTITION, TransactionId
from careapp.db import db

ischema_names["xid8"] = TransactionId  # so that `flask db check` can read it back


def run() -> None:
    """Run the migrations over one connection of the owner, in one transaction each.

    The tests give the owner's address themselves; `flask db` takes the application's.
    """
    address = context.config.attributes.get("owner_url") or current_app.config["DATABASE_OWNER_URL"]
    engine = create_engine(address, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=db.metadata, transaction_per_migration=True,
            include_name=lambda name, kind, _: kind != "table" or not PARTITION.fullmatch(name or ""),
        )  # fmt: skip
        with context.begin_transaction():
            context.run_migrations()
        # Readiness asks whether the schema is as new as the code; the first migration took this away, for writing.
        connection.execute(text("GRANT SELECT ON alembic_version TO care_app"))
        connection.commit()


run()
