"""Our own address as the provider and the browser know it: never simply what the Host header says."""

from urllib.parse import urlsplit

from flask import current_app, request
from werkzeug.exceptions import BadRequest

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def own_address(path: str) -> str:
    """The whole address of a path of ours. Raises BadRequest for a host that is not one of TRUSTED_HOSTS.

    Without that setting, which production requires, only a developer's own machine is believed. Production is HTTPS,
    whatever a proxy in front says.
    """
    host = request.host  # checked against TRUSTED_HOSTS where there are any
    if not current_app.config.get("TRUSTED_HOSTS") and urlsplit(f"//{host}").hostname not in LOOPBACK:
        raise BadRequest("The host is not one of TRUSTED_HOSTS.")
    scheme = "https" if current_app.config["SESSION_COOKIE_SECURE"] else request.scheme
    return f"{scheme}://{host}{path}"
