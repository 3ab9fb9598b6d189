"""Checks of this machine and of what it was told: settings, files, disk, time zones, translations."""

import gettext
import os
import shutil
import stat
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from careapp.cli.doctor.report import UNWISE, WRONG, CannotCheck, Installation, check, variable_of
from careapp.config import LANGUAGES, Settings
from careapp.transport import check_database_is_private

Found = Iterator[tuple[str, str, str]]

FEWEST_SIGNS = 10  # different ones, of a secret that a random source made
LEAST_BYTES, LEAST_SHARE = 1024**3, 0.05  # free on a disk
LAPSE_SECONDS = 2.0  # by which the clocks of this machine and of the database may differ
SOURCE = "en"  # the code's own language has no catalogue


@check("settings", "settings are valid, made for production, and no secret looks made up")
def settings(at: Installation) -> Found:
    """ASVS 13.4.2 (no debug in production), 11.2.3 (strength of keys), 12.2.1 (TLS outside)."""
    given = at.settings
    if given.development:
        yield UNWISE, "CAREAPP_ENV is development: secrets may be made up and HTTP is plain.", "Set it to production."
    for host in given.trusted_hosts.split():
        if host in ("*", "localhost", ".") or _is_address(host):
            yield UNWISE, f"TRUSTED_HOSTS names {host}, which is no name people use.", "Name the public host alone."
    for name, secret in _secrets(given):
        if len(set(secret)) < FEWEST_SIGNS:
            yield WRONG, f"{name} looks made up: it has few different signs.", "Make one: openssl rand -base64 32."
    yield from _plain_addresses(given)
    if given.internal_credentials() and not given.internal_require_signed:
        yield UNWISE, "The portal may send bare tokens.", "Give it INTERNAL_KEYS and set INTERNAL_REQUIRE_SIGNED=1."
    if not given.trusted_proxies and not given.development:
        yield (UNWISE, "TRUSTED_PROXIES is 0: behind a proxy everybody has the proxy's address.",
               "Set it to how many proxies stand before web.")  # fmt: skip
    if given.kafka_bootstrap_servers and given.kafka_replication_factor < 2 and not given.development:
        yield (UNWISE, "KAFKA_REPLICATION_FACTOR is 1: a lost broker loses events that were sent.",
               "Set it to 3 before topics are made.")  # fmt: skip


@check("transport", "connections to a database on another host are encrypted and its certificate is checked")
def transport(at: Installation) -> Found:
    """ASVS 12.3.1, 12.3.2: without `sslmode=verify-full` libpq takes whatever answers.

    By the rule that production starts by, but whether DATABASE_NETWORK_TRUSTED is set or not.
    """
    for role, address in at.addresses.items():
        try:
            check_database_is_private(variable_of(role), address)
        except ValueError:
            yield (UNWISE, f"{variable_of(role)} does not ask for an encrypted connection to the right server.",
                   "Add ?sslmode=verify-full&sslrootcert=… to it.")  # fmt: skip


@check("files", "files with secrets are read by their owner alone")
def files(at: Installation) -> Found:
    """ASVS 13.3.1: secrets are not where others read them."""
    held = [at.directory / ".env", *sorted(at.settings.var_dir.glob("*.secret"))]
    for path in held:
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield WRONG, f"{path} can be read by others than its owner.", f"chmod 600 {path}"


@check("disk", "there is room where files are written")
def disk(at: Installation) -> Found:
    """A gigabyte, and a twentieth of the disk."""
    place = _existing(at.settings.var_dir)
    room = shutil.disk_usage(place)
    if room.free < LEAST_BYTES or room.free < room.total * LEAST_SHARE:
        free = room.free // 1024**2
        yield WRONG, f"The disk of {place} has {free} MB left.", "Make room, or move CAREAPP_VAR."


@check("clock", "this machine and the database have the same time")
def clock(at: Installation) -> Found:
    """Sign-ins, signatures and codes of authenticator apps compare the two."""
    with at.connect("app") as connection:
        before = time.time()
        [(theirs,)] = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchall()
        apart = theirs - (before + time.time()) / 2
    if abs(apart) > LAPSE_SECONDS:
        where = "behind" if apart > 0 else "ahead of"
        yield (WRONG, f"This machine's clock is {abs(apart):.0f} seconds {where} the database's.",
               "Let both follow the same time servers (chrony, NTP).")  # fmt: skip


@check("time zones", "the time zone of every tenant is known here")
def time_zones(at: Installation) -> Found:
    """The database of zones comes with the system or the package tzdata."""
    with at.connect("app") as connection:
        tenants = connection.execute("SELECT key, time_zone FROM tenants ORDER BY id").fetchall()
    for key, zone in tenants:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            yield (WRONG, f"Tenant {key} is in the time zone {zone}, which this machine does not know.",
                   "Install tzdata, or correct tenants.time_zone.")  # fmt: skip


@check("credentials", "each credential of the portal and each key for the provider service is of a tenant there is")
def credentials(at: Installation) -> Found:
    """A key that is mistyped there lets nobody in, and all the portal is told is 401."""
    held = list(_tenants_with_credentials(at.settings))
    if not held:
        raise CannotCheck("INTERNAL_TOKENS, INTERNAL_KEYS and PROVIDER_SERVICE_KEYS are not set.")
    with at.connect("app") as connection:
        found = connection.execute("SELECT key, to_jsonb(t) ->> 'deleted_at' FROM tenants t").fetchall()
    deleted_at = dict(found)
    for name, key in held:
        if key not in deleted_at:
            yield (WRONG, f"{name} has an entry for {key}, and there is no such tenant.",
                   "Correct it: `flask --app wsgi tenant list`.")  # fmt: skip
        elif deleted_at[key]:
            yield UNWISE, f"{name} has an entry for {key}, which is deleted.", "Take it out."


@check("translations", "every language has its compiled catalogue")
def translations(at: Installation) -> Found:
    """Without it pages are in English, whatever people chose."""
    for language in LANGUAGES:
        path = at.catalogues / language / "LC_MESSAGES" / "messages.mo"
        if language != SOURCE and not _readable(path):
            yield WRONG, f"There is no translation into {language!r} at {path}.", "Install the release again."


def _tenants_with_credentials(given: Settings) -> Iterator[tuple[str, str]]:
    """The setting and the tenant's key of each credential, once."""
    for name, keys in (
        ("INTERNAL_TOKENS", given.internal_credentials()),
        ("INTERNAL_KEYS", given.internal_signing_keys()),
        ("PROVIDER_SERVICE_KEYS", given.provider_service_signing_keys()),
    ):
        yield from ((name, key) for key in dict.fromkeys(one[0] for one in keys))


def _secrets(given: Settings) -> Iterator[tuple[str, str]]:
    """Secrets that people make, by the name of their setting; of bytes each is a sign."""
    if given.secret_key:
        yield "SECRET_KEY", given.secret_key.get_secret_value()
    for name, keys in (
        ("SECRET_KEY_FALLBACKS", given.older_secret_keys()),
        ("INTERNAL_TOKENS", [token for _, token in given.internal_credentials()]),
        ("INTERNAL_KEYS", [key[2] for key in given.internal_signing_keys()]),
        ("PROVIDER_SERVICE_KEYS", [key[2] for key in given.provider_service_signing_keys()]),
        ("ENCRYPTION_KEYS", [key.decode("latin-1") for _, key in given.encryption_key_list()]),
    ):
        yield from ((name, key) for key in keys)


def _plain_addresses(given: Settings) -> Found:
    for name in ("oauth_issuer", "oidc_issuer", "jwt_jwks_url", "provider_service_url"):
        if (getattr(given, name) or "").startswith("http://"):
            yield UNWISE, f"{name.upper()} is plain http.", "Use its https address."


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _existing(path: Path) -> Path:
    """The path, or the nearest directory above it that is there."""
    path = path.absolute()
    return path if os.path.exists(path) else _existing(path.parent)


def _readable(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(gettext.GNUTranslations(file).info())
    except (OSError, ValueError):
        return False
