"""Wiring: the one place that knows every part of the application and puts them together."""

from importlib import import_module
from typing import Any

from apiflask import APIFlask
from flask_migrate import Migrate
from sqlalchemy import event

from careapp import config, localdb, reactions
from careapp.commands import register_reactions
from careapp.config import Settings
from careapp.db import db
from careapp.episodes.service import register_open_work

# Every table, for migrations and for what looks a table up by its name; written out, so that a missing one is an error.
TABLES = ("audit", "clinics", "episodes", "identity", "operations", "outbox", "patients", "prescriptions", "providers",
          "referrals", "scheduling")  # fmt: skip


def build(**overrides: object) -> APIFlask:
    """Make the application: settings, database, reactions, surfaces and commands."""
    settings = config.load(**overrides)
    app = APIFlask(__name__.split(".")[0], title="careapp", version="1.0.0", docs_path=None, spec_path=None)
    app.extensions["careapp_settings"] = settings
    _connect_database(app, settings)
    register_reactions(reactions.REACTIONS)
    register_open_work(reactions.OPEN_WORK)
    return app


def _connect_database(app: APIFlask, settings: Settings) -> None:
    """Point the application at its database; without an address, at the embedded PostgreSQL in `var/`."""
    for package in TABLES:
        import_module(f"careapp.{package}.models")
    addresses = None if settings.database_url else localdb.lease(settings.var_dir / "postgres")
    app.config.update(
        SETTINGS=settings,
        SQLALCHEMY_DATABASE_URI=settings.database_url or (addresses and addresses.app),
        DATABASE_OWNER_URL=settings.database_owner_url or (addresses and addresses.owner),
        DATABASE_RELAY_URL=settings.database_relay_url or (addresses and addresses.relay),
        DATABASE_SUPERUSER_URL=addresses and addresses.superuser,
        SQLALCHEMY_ENGINE_OPTIONS={
            "pool_size": settings.database_pool_size,
            "max_overflow": 0,
            "pool_timeout": 5,
            "hide_parameters": True,
            "connect_args": {"options": "-c timezone=UTC"},
        },
    )
    db.init_app(app)
    Migrate(app, db, directory="migrations")
    with app.app_context():
        event.listen(db.engine, "first_connect", lambda connection, _: check_connection(connection, settings))


def check_connection(connection: Any, settings: Settings) -> None:
    """Refuse to run elsewhere than in schema `care`, or, in production, as a role that row-level security spares."""
    path, free = connection.execute(
        "SELECT current_setting('search_path'), rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    if path.replace('"', "").split(",")[0].strip() != "care":
        raise RuntimeError(f"the search_path is {path!r}, not 'care, public': run `flask database bootstrap` first")
    if free:
        raise RuntimeError("the application must not connect as a superuser or a role with BYPASSRLS")
    connection.rollback()


