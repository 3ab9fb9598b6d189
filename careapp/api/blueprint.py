"""The API's blueprint; every file of this package adds its routes to it."""

from apiflask import APIBlueprint

from careapp.surface.json_blueprint import protect

PREFIX = "/api/v1"
api = APIBlueprint("api", __name__, url_prefix=PREFIX)
protect(api)
