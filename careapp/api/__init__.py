"""API: the JSON routes under /api/v1; one file a domain, errors as problem+json."""

from apiflask import APIFlask

from careapp.api import directory, episodes, oauth, patients, prescriptions, referrals, scheduling
from careapp.api.blueprint import api
from careapp.api.openapi import docs, init_openapi

ROUTES = (directory, episodes, patients, prescriptions, referrals, scheduling)  # importing each has added its routes


def register(app: APIFlask) -> None:
    """Put the API and its documentation into the application."""
    app.register_blueprint(api)
    app.register_blueprint(docs)
    app.register_blueprint(oauth.bp)
    init_openapi(app)
