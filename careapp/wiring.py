"""Wiring: the one place that knows every part of the application and puts them together."""

from importlib import import_module

from apiflask import APIFlask
from flask_migrate import Migrate
from jinja2 import StrictUndefined
from werkzeug.middleware.proxy_fix import ProxyFix

from careapp import api, config, crypto, localdb, reactions, web
from careapp.cli.table import Commands
from careapp.commands import register_reactions
from careapp.config import Settings
from careapp.db import db
from careapp.episodes.service import register_open_work
from careapp.identity import known_passwords
from careapp.internal.routes import internal
from careapp.logs import configure_logs
from careapp.operations.connections import binds, engine_options
from careapp.operations.database_check import check_first_connection
from careapp.surface.actors import init_actors
from careapp.surface.csrf import init_csrf
from careapp.surface.headers import about_this, init_headers
from careapp.surface.health import health, init_health
from careapp.surface.json_input import init_json
from careapp.surface.many_fields import init_many_fields
from careapp.surface.oidc.provider import init_oidc
from careapp.surface.polls import init_polls
from careapp.surface.problems import problem_of
from careapp.surface.provider_port import init_provider_port
from careapp.surface.replica import init_replica
from careapp.surface.request_limits import init_request_limits
from careapp.surface.sending import WholeResponse
from careapp.surface.slow_bodies import init_slow_bodies
from careapp.web.templating import Templates

LARGEST_BODY = 1024 * 1024  # bytes

# Every table, for migrations and for what looks a table up by its name; written out, so that a missing one is an error.
TABLES = (
    "audit.models",
    "clinics.models",
    "disclosure.models",
    "episodes.models",
    "erasure.models",
    "idempotency",
    "identity.client_models",
    "identity.models",
    "identity.request_limits",
    "lifecycle",
    "operations.models",
    "outbox.models",
    "patients.models",
    "prescriptions.models",
    "providers.models",
    "referrals.models", "scheduling.models", "terminology.models",
)  # fmt: skip


def build(**overrides: object) -> APIFlask:
    """Make the application: settings, database, reactions, surfaces and commands."""
    settings = config.load(**overrides)
    configure_logs(readable=settings.development, about=about_this)
    crypto.init(settings)
    static = None if settings.surfaces == "internal" else "static"
    app = APIFlask(
        "careapp", title="careapp", version="1.0.0", docs_path=None, spec_path=None, json_errors=False,
        static_folder=static,  # type: ignore[arg-type]  # Flask itself takes None
    )  # fmt: skip
    app.response_class = WholeResponse
    app.jinja_environment = Templates
    app.jinja_env.undefined = StrictUndefined
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY, TRUSTED_HOSTS=settings.trusted_hosts.split() or None)
    init_polls(app, settings)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    init_slow_bodies(app, LARGEST_BODY)
    _connect_database(app, settings)
    known_passwords.use_file(settings.breached_passwords_file)
    register_reactions(reactions.REACTIONS)
    register_open_work(reactions.OPEN_WORK)
    _register_surfaces(app, settings)
    app.cli = Commands(name=app.cli.name, commands=app.cli.commands)
    return app


def _register_surfaces(app: APIFlask, settings: Settings) -> None:
    """Put headers, health, API, portal routes and pages into the application, each with its way of knowing people.

    `SURFACES` narrows them, so that the portal routes can be served where the public does not reach.
    """
    init_headers(app)
    app.register_blueprint(health)
    if settings.surfaces != "public":
        app.register_blueprint(internal)
    if settings.surfaces != "internal":
        api.register(app)
        web.register(app)
    else:
        app.register_error_handler(Exception, problem_of)
    init_many_fields(app)
    init_json(app)
    init_provider_port(app, settings)
    init_request_limits(app, settings)
    init_oidc(app, settings)
    init_replica(app, settings)
    bearer, signed = [api.blueprint.api, api.oauth.bp], [web.backchannel.bp]
    init_actors(app, settings, bearer=bearer, internal=[internal], signed=signed)
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
        DATABASE_BACKUP_URL=settings.database_backup_url or (addresses and addresses.backup),
        DATABASE_SUPERUSER_URL=addresses and addresses.superuser,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings),
        SQLALCHEMY_BINDS=binds(settings),
    )
    db.init_app(app)
    Migrate(app, db, directory="migrations")
    with app.app_context():
        check_first_connection()
    init_health(app, settings)
