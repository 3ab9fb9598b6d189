"""Health: whether the process lives, and whether it can serve; for supervisors, without a sign-in."""

from flask import Blueprint, Response, jsonify
from sqlalchemy import text

from careapp.db import db
from careapp.surface.actors import public

health = Blueprint("health", __name__)


@health.get("/healthz")
@public
def alive() -> Response:
    """The process answers."""
    return jsonify(status="ok")


@health.get("/readyz")
@public
def ready() -> Response:
    """The database answers, too; 500 or 503 where it does not."""
    db.session.execute(text("SELECT 1"))
    db.session.rollback()
    return jsonify(status="ok")
