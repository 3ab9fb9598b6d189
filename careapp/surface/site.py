"""Who we are to an authenticator (WebAuthn): a host name from the settings, and the one origin our pages have."""

from urllib.parse import urlsplit

from flask import current_app, request

from careapp.config import Settings
from careapp.errors import Forbidden
from careapp.identity.passkeys import Site


def site() -> Site:
    """The site of this request.

    The RP id is a setting or the first of TRUSTED_HOSTS; only a developer's machine without either believes the
    request's host. The origin is that of the request, whose host is trusted (a wrong Host answers 400), and lies within
    the RP id. Raises Forbidden where it does not: a passkey could not work there.
    """
    settings: Settings = current_app.config["SETTINGS"]
    host = urlsplit(f"//{request.host}").hostname or ""
    rp_id = rp_id_of(settings) or host
    if host != rp_id and not host.endswith(f".{rp_id}"):
        raise Forbidden("Passkeys work only under the main address of this site.", code="NO_PASSKEYS_HERE")
    scheme = request.scheme if settings.development else "https"
    return Site(rp_id, f"{scheme}://{request.host}")


def rp_id_of(settings: Settings) -> str | None:
    """The RP id that the settings name; None on a developer's machine that names none."""
    first = next(iter(settings.trusted_hosts.split()), "")
    return settings.webauthn_rp_id or urlsplit(f"//{first.removeprefix('.')}").hostname or None
