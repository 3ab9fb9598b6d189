"""Settings: everything that differs between installations, read from the environment (and `.env`), checked at start."""

import base64
import binascii
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from careapp.settings import Database, Kafka, Limits, Portal, Process, Secrets, SignIn, Tokens
from careapp.transport import KafkaAccess, check_database_is_private, check_kafka_is_private

LANGUAGES = ("en", "my")  # ISO 639-1; each has a catalogue of its own, English is what the code is written in
SERVICE_URL = re.compile(r"https?://[^/?#@\s]+(/[^?#\s]*)?")
NEEDS_SECOND_FACTOR = ("nobody", "administrators", "everybody")  # of whom a tenant may ask one
SHORTEST_SECRET = 32  # bytes; RFC 7518 §3.2 asks it of an HS256 key
ENCRYPTION_KEY_BYTES = 32  # AES-256
DATABASES = (
    "database_url", "database_owner_url", "database_relay_url", "database_backup_url", "database_health_url",
    "database_replica_url",
)  # fmt: skip
NEEDED = ("secret_key", "database_url", "trusted_hosts", "encryption_keys")  # by production
NEEDS = "production needs"
KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class Settings(Process, Database, Secrets, SignIn, Tokens, Portal, Limits, Kafka, BaseSettings):
    """What settings.py names; the name in capitals is the environment variable. An empty variable counts as unset.

    A new setting belongs into settings.py, with its meaning; here stands what values are refused.
    """

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    @property
    def development(self) -> bool:
        """Whether this is a developer's machine or a test, where secrets may be made up and HTTP is plain."""
        return self.env == "development"

    @model_validator(mode="after")
    def _refuse_weak_production(self) -> "Settings":
        if self.env == "production":
            missing = [name for name in NEEDED if not getattr(self, name)]
            if missing:
                raise ValueError(f"{NEEDS} {', '.join(name.upper() for name in missing)}")
            if self.jwt_secret:
                raise ValueError("JWT_SECRET is for development; production uses JWT_JWKS_URL or JWT_PUBLIC_KEY")
            if any(_is_short(token) for _, token in self.internal_credentials()):
                raise ValueError(f"INTERNAL_TOKENS has a token shorter than {SHORTEST_SECRET} bytes")
            for name in ("jwt_jwks_url", "provider_service_url"):
                if not _is_private(getattr(self, name)):
                    raise ValueError(f"{name.upper()} is an https:// address; plain HTTP only reaches this host itself")
        return self

    @model_validator(mode="after")
    def _refuse_what_is_malformed(self) -> "Settings":
        self.internal_credentials()
        self.older_secret_keys()
        self.encryption_key_list()
        self.internal_signing_keys()
        self.provider_service_signing_keys()
        if self.provider_service_url and not SERVICE_URL.fullmatch(self.provider_service_url):
            raise ValueError("PROVIDER_SERVICE_URL is an address such as https://providers.internal, without a query")
        self._check_issuer()
        if self.otel_exporter_otlp_endpoint and not SERVICE_URL.fullmatch(self.otel_exporter_otlp_endpoint):
            raise ValueError("OTEL_EXPORTER_OTLP_ENDPOINT is an address such as http://collector:4318")
        for name in ("secret_key", "jwt_secret"):
            secret: SecretStr | None = getattr(self, name)
            if secret and _is_short(secret.get_secret_value()):
                raise ValueError(f"{name.upper()} is shorter than {SHORTEST_SECRET} bytes")
        return self

    @property
    def kafka_access(self) -> KafkaAccess:
        """How the broker is reached, and as whom."""
        return KafkaAccess(
            self.kafka_security_protocol, self.kafka_ca_file, self.kafka_certificate_file, self.kafka_key_file,
            self.kafka_sasl_mechanism, self.kafka_username, self.kafka_password,
        )  # fmt: skip

    @model_validator(mode="after")
    def _refuse_open_connections(self) -> "Settings":
        self.kafka_access.check()
        if self.env == "production" and not self.kafka_network_trusted:
            check_kafka_is_private(self.kafka_bootstrap_servers, self.kafka_access)
        if self.env == "production" and not self.database_network_trusted:
            for name in DATABASES:
                check_database_is_private(name.upper(), getattr(self, name))
        return self

    @model_validator(mode="after")
    def _refuse_half_a_provider(self) -> "Settings":
        if self.oidc_issuer is None:
            return self
        if not self.oidc_client_id:
            raise ValueError("OIDC_ISSUER needs OIDC_CLIENT_ID")
        if not self.oidc_issuer.startswith("https://" if self.env == "production" else ("https://", "http://")):
            raise ValueError("OIDC_ISSUER is an https:// address")
        if "openid" not in self.oidc_scopes.split():
            raise ValueError("OIDC_SCOPES must name openid")
        return self

    @property
    def own_issuer(self) -> str:
        """The `iss` of tokens for service clients: the address under which this application is reached."""
        return self.oauth_issuer or f"http://127.0.0.1:{self.port}"

    def _check_issuer(self) -> None:
        """Raise ValueError where tokens of ours could be taken for somebody else's, or name no address of ours."""
        if self.own_issuer == self.jwt_issuer:
            raise ValueError("OAUTH_ISSUER and JWT_ISSUER are the same: whose keys check a token would be open")
        if self.oauth_issuer and (
            urlsplit(self.oauth_issuer).scheme not in ("http", "https") or "?" in self.oauth_issuer
        ):
            raise ValueError("OAUTH_ISSUER is an address such as https://clinic.example")
        if self.jwt_signing_key and not self.development and not (self.oauth_issuer or "").startswith("https://"):
            raise ValueError("JWT_SIGNING_KEY needs OAUTH_ISSUER, an https address")

    def older_secret_keys(self) -> list[str]:
        """Keys before SECRET_KEY: they sign nothing, and what they have signed is still believed.

        Raises ValueError for a short one.
        """
        listed = self.secret_key_fallbacks.get_secret_value().split(",")
        keys = [key.strip() for key in listed if key.strip()]
        if any(_is_short(key) for key in keys):
            raise ValueError(f"SECRET_KEY_FALLBACKS has a key shorter than {SHORTEST_SECRET} bytes")
        return keys

    def internal_credentials(self) -> list[tuple[str, str]]:
        """The portal's credentials as (tenant key, token); raises ValueError where one is not `tenant:TOKEN`."""
        pairs = [pair.strip() for pair in self.internal_tokens.get_secret_value().split(",") if pair.strip()]
        split = [tuple(pair.split(":", 1)) for pair in pairs]
        if any(len(pair) != 2 or not all(pair) for pair in split):
            raise ValueError("INTERNAL_TOKENS is a list such as demo:TOKEN,demo:TOKEN2")
        return [(pair[0], pair[1]) for pair in split]

    def provider_service_signing_keys(self) -> list[tuple[str, str, str]]:
        """The keys requests to the provider service are signed with; raises ValueError as for internal requests."""
        return _signing_keys(self.provider_service_keys, "PROVIDER_SERVICE_KEYS")

    def encryption_key_list(self) -> list[tuple[str, bytes]]:
        """The keys of encrypted columns as (id, 32 bytes), the writing one first.

        Raises ValueError, which never quotes a key, where one is not `id:BASE64`, or an id is there twice.
        """
        given = self.encryption_keys.get_secret_value() if self.encryption_keys else ""
        keys = [_encryption_key(one.strip()) for one in given.split(",") if one.strip()]
        if len({name for name, _ in keys}) < len(keys) or len({key for _, key in keys}) < len(keys):
            raise ValueError("ENCRYPTION_KEYS has an id or a key twice")
        return keys

    def internal_signing_keys(self) -> list[tuple[str, str, str]]:
        """The keys internal requests are signed with, as (tenant key, id, secret).

        Raises ValueError where one is not `tenant:id:secret`, an id stands twice, a secret is short, or bare tokens are
        refused and no key is there.
        """
        keys = _signing_keys(self.internal_keys, "INTERNAL_KEYS")
        if self.internal_require_signed and not keys:
            raise ValueError("INTERNAL_REQUIRE_SIGNED needs INTERNAL_KEYS")
        return keys


def load(**overrides: object) -> Settings:
    """The settings of this process; in development, secrets that are not set are made once and kept in `var/`."""
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(_said(one["loc"], one["msg"]) for one in error.errors())
        missing = " On a developer's machine set CAREAPP_ENV=development." if NEEDS in wrong else ""
        raise SystemExit(f"careapp does not start: {wrong}.{missing}") from None
    if not settings.development:
        return settings
    made = {
        name: _kept_secret(settings.var_dir / f"{name}.secret")
        for name in ("secret_key", "jwt_secret")
        if not getattr(settings, name)
        and not (name == "jwt_secret" and (settings.jwt_public_key or settings.jwt_jwks_url))
    }
    if not settings.encryption_keys:
        made["encryption_keys"] = _kept_secret(settings.var_dir / "encryption_keys.secret", new_encryption_key)
    if not settings.jwt_signing_key:
        made["jwt_signing_key"] = _kept_secret(settings.var_dir / "jwt_signing_key.secret", new_signing_key)
    return settings.model_copy(update={name: SecretStr(value) for name, value in made.items()})


def _said(place: tuple[int | str, ...], message: str) -> str:
    """What is refused: one setting by the name of its variable, or several in the words of who compared them."""
    said = message.removeprefix("Value error, ")
    return f"{str(place[0]).upper()}: {said[0].lower()}{said[1:]}" if place else said


def _signing_keys(listed: SecretStr, name: str) -> list[tuple[str, str, str]]:
    """Keys as (tenant key, id, secret) from a list; raises ValueError for what is malformed, short or there twice."""
    entries = [entry.strip() for entry in listed.get_secret_value().split(",") if entry.strip()]
    split = [tuple(entry.split(":", 2)) for entry in entries]
    if any(len(entry) != 3 or not all(entry) for entry in split):
        raise ValueError(f"{name} is a list such as demo:KEY1:SECRET,demo:KEY2:SECRET2")
    if len({entry[1] for entry in split}) < len(split):
        raise ValueError(f"{name} names one id twice")
    if any(_is_short(entry[2]) for entry in split):
        raise ValueError(f"{name} has a secret shorter than {SHORTEST_SECRET} bytes")
    return [(entry[0], entry[1], entry[2]) for entry in split]


def new_signing_key() -> str:
    """A new P-256 private key as PEM, as JWT_SIGNING_KEY takes it."""
    from cryptography.hazmat.primitives.asymmetric import ec  # here, as few processes need it and it loads slowly
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _is_private(url: str | None) -> bool:
    """Whether nobody on the way can read or change what this address answers (ASVS 5.0 12.3.1)."""
    return not url or urlsplit(url).scheme == "https" or urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


def _is_short(secret: str) -> bool:
    return len(secret.encode()) < SHORTEST_SECRET


def new_encryption_key(name: str = "dev") -> str:
    """A new random key as ENCRYPTION_KEYS takes it."""
    return f"{name}:{base64.b64encode(secrets.token_bytes(ENCRYPTION_KEY_BYTES)).decode()}"


def _encryption_key(given: str) -> tuple[str, bytes]:
    name, _, encoded = given.partition(":")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        key = b""
    if not KEY_ID.fullmatch(name) or len(key) != ENCRYPTION_KEY_BYTES:
        raise ValueError(
            f"ENCRYPTION_KEYS is a list such as 2026a:BASE64,2025b:BASE64 of {ENCRYPTION_KEY_BYTES} random bytes each"
        )
    return name, key


def _kept_secret(path: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(48)) -> str:
    """The secret in a file only its owner reads, made at first use; two processes that make it at once agree on one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        own = path.with_suffix(f".{os.getpid()}")
        own.touch(mode=0o600)
        own.write_text(make())
        try:
            os.link(own, path)
        except FileExistsError:
            pass  # the other process was first: its secret is the one
        finally:
            own.unlink()
    return path.read_text()
