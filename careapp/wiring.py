"""Wiring: the one place that knows every part of the application and puts them together."""

from importlib import import_module
from typing import Any

from apiflask import APIFlask
from flask_migrate import Migrate
from jinja2 import StrictUndefined
from sqlalchemy import event
from werkzeug.middleware.proxy_fix import ProxyFix

from careapp import api, config, localdb, reactions, web
from careapp.cli.database import database, database_url
from careapp.cli.demo import demo
from careapp.cli.events import events
from careapp.cli.import_fhir import import_fhir
from careapp.cli.jobs import jobs
from careapp.cli.outbox import outbox
from careapp.cli.states import states
from careapp.cli.token import token
from careapp.commands import register_reactions
from careapp.config import Settings
from careapp.db import db
from careapp.episodes.service import register_open_work
from careapp.internal.routes import internal
from careapp.logs import configure_logs
from careapp.surface.actors import init_actors
from careapp.surface.csrf import init_csrf
from careapp.surface.headers import init_headers
from careapp.surface.health import health
from careapp.surface.json_input import StrictJSON

LARGEST_BODY = 1024 * 1024  # bytes
COMMANDS = (database, database_url, demo, events, import_fhir, jobs, outbox, states, token)

# Every table, for migrations and for what looks a table up by its name; written out, so that a missing one is an error.
TABLES = (
    "audit.models", "clinics.models", "episodes.models", "idempotency", "identity.models", "lifecycle",
    "operations.models", "outbox.models", "patients.models", "prescriptions.models", "providers.models",
    "referrals.models", "scheduling.models",
)  # fmt: skip


def build(**overrides: object) -> APIFlask:
    """Make the application: settings, database, reactions, surfaces and commands."""
    settings = config.load(**overrides)
    configure_logs(readable=settings.development)
    app = APIFlask("careapp", title="careapp", version="1.0.0", docs_path=None, spec_path=None, json_errors=False)
    app.json = StrictJSON(app)
    app.jinja_env.undefined = StrictUndefined
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY, TRUSTED_HOSTS=settings.trusted_hosts.split() or None)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    _connect_database(app, settings)
    register_reactions(reactions.REACTIONS)
    register_open_work(reactions.OPEN_WORK)
    _register_surfaces(app, settings)
    for command in COMMANDS:
        app.cli.add_command(command)
    return app


def _register_surfaces(app: APIFlask, settings: Settings) -> None:
    """Put headers, health, API, portal routes and pages into the application, each with its way of knowing people."""
    init_headers(app)
    app.register_blueprint(health)
    api.register(app)
    app.register_blueprint(internal)
    web.register(app)
    init_actors(app, settings, bearer=[api.blueprint.api], internal=[internal])
    init_csrf(app)


def _connect_database(app: APIFlask, settings: Settings) -> None:
    """Point the application at its database; without an address, at the embedded PostgreSQL in `var/`."""
    for module in TABLES:
        import_module(f"careapp.{module}")
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
