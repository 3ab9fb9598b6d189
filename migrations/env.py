"""Alembic's environment: migrations run as the owner role, never as the role the application runs as.

The application goes on serving meanwhile. A statement that waits for a lock makes all who come after it wait as well,
so it gives up after a few seconds, lets them through, and its migration is tried again.
"""

import random
import time

import click
from alembic import context
from flask import current_app
from sqlalchemy import Engine, create_engine, pool, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.exc import OperationalError

from careapp.audit.models import TransactionId
from careapp.db import db
from careapp.partitions import PARTITION

LOCK_TIMEOUT = "4s"  # less than the 5 s a request waits for a connection, and than the 15 s a statement may take
ATTEMPTS = 30
LONGEST_PAUSE = 5.0  # seconds
MET_OTHERS = {"55P03", "40P01"}  # a lock not to be had in time, and one that each waits for the other to give up

ischema_names["xid8"] = TransactionId  # so that `flask db check` can read it back


def run() -> None:
    """Run the migrations as the owner, one transaction each; what met a lock runs again from where it stood.

    The tests give the owner's address themselves; `flask db` takes the application's, and says what it did.
    """
    given = context.config.attributes.get("owner_url")
    address = given or current_app.config["DATABASE_OWNER_URL"]
    if address is None:
        raise click.ClickException("Set DATABASE_OWNER_URL: migrations run as the owner of the database.")
    options = {"options": f"-c lock_timeout={LOCK_TIMEOUT}"}
    engine = create_engine(address, poolclass=pool.NullPool, connect_args=options)
    for left in range(ATTEMPTS - 1, -1, -1):
        try:
            revision = migrate(engine)
            if given is None:
                print(f"The tables are those of {revision}.", flush=True)
            return
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in MET_OTHERS or not left:
                raise
            print("A migration met a lock, let others through, and is tried again.", flush=True)
            time.sleep(random.uniform(0.5, LONGEST_PAUSE))


def migrate(engine: Engine) -> str | None:
    """Run what has not run yet over one connection; returns the revision that the database is at then."""
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
        revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        return revision


run()
