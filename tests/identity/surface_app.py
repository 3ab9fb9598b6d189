"""A small application with the real surface and database, and views that only say who is asking.

So the ways of knowing people are tested alone: by session on pages, by token in the API, by credential for the portal.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request
from flask_wtf.csrf import CSRFError, generate_csrf
from htmx_flask import Htmx
from jinja2 import StrictUndefined

import careapp
from careapp import config
from careapp.db import db
from careapp.errors import Refusal
from careapp.identity.preferences import Preferences
from careapp.surface.actors import current_actor, init_actors, public, signed_in
from careapp.surface.csrf import init_csrf
from careapp.surface.request_limits import init_request_limits
from careapp.web import assets, htmx
from careapp.web.language import init_language
from careapp.web.sign_in import bp as sign_in_pages
from careapp.web.words import label
from tests.database import TestDatabase

CAREAPP = Path(careapp.__file__).parent


@contextmanager
def surface_app(database: TestDatabase, var: Path, **settings: Any) -> Iterator[Flask]:
    """The application, until the block ends; keyword arguments override settings."""
    loaded = config.load(_env_file=None, CAREAPP_VAR=var, **({"CAREAPP_ENV": "development"} | settings))
    app = Flask("careapp", root_path=str(CAREAPP))
    app.config.update(SETTINGS=loaded, SQLALCHEMY_DATABASE_URI=database.app, TESTING=True)
    app.jinja_env.undefined = StrictUndefined
    db.init_app(app)
    Htmx(app)
    assets.init_assets(app)
    init_language(app)
    app.jinja_env.filters["label"] = label
    look = {"language": "en", "preferences": Preferences()}
    app.context_processor(lambda: {"actor": None, "nav": [], "session_seconds": 900, **look})
    api, portal = _blueprint("api", "/api"), _blueprint("portal", "/internal")
    api.register_blueprint(_blueprint("nested", "/nested"))
    init_request_limits(app, loaded)
    init_actors(app, loaded, bearer=[api], internal=[portal])
    init_csrf(app)
    for blueprint in (_blueprint("pages", ""), api, portal, sign_in_pages):
        app.register_blueprint(blueprint)
    app.register_error_handler(Refusal, lambda refusal: (jsonify(code=refusal.code), refusal.status))
    app.register_error_handler(CSRFError, lambda _: htmx.stale_token(generate_csrf()))
    yield app
    with app.app_context():
        db.engine.dispose()


def _blueprint(name: str, prefix: str) -> Blueprint:
    """Two views: one says who is asking, the other what the form held."""
    bp = Blueprint(name, __name__, url_prefix=prefix or None)

    @bp.route("/who", methods=["GET", "POST"])
    @signed_in
    def who() -> Response:
        actor = current_actor()
        return jsonify(
            name=actor.name, tenant=actor.tenant_key, roles=sorted(actor.roles), typed=request.form.get("typed"),
            permissions=sorted(actor.permissions), clinics=sorted(actor.clinic_ids or ()),
        )  # fmt: skip

    @bp.get("/")
    @public
    def home() -> str:
        return "home"

    return bp
