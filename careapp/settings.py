"""The settings themselves, by subject: name, type, default, what each means and which process reads it.

`docs/operations/configuration.md` is written from this file (`make docs`). What values are refused stands in config.py.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr

from careapp.transport import KafkaMechanism, KafkaProtocol

WEB, JOBS, BOTH = "web", "jobs", "web, jobs"
A_PORT: dict[str, Any] = {"ge": 1, "le": 65_535}
COMMANDS, SENDING, ALL = "commands", "jobs, commands", "web, jobs, commands"


def setting(default: object, meaning: str, read_by: str = ALL, *, secret: bool = False, **more: Any) -> Any:
    """A field with its default, its meaning in words and who reads it.

    `secret` marks what must not be seen though it is no SecretStr, such as an address with a password in it; `more`
    goes to pydantic's Field: limits, an alias.
    """
    return Field(default, description=meaning, json_schema_extra={"read_by": read_by, "secret": secret}, **more)


class Process(BaseModel):
    """The process"""

    env: Literal["production", "development"] = setting(
        "production", "`development` makes up secrets once, keeps them in `var/` and allows plain HTTP",
        validation_alias="CAREAPP_ENV",
    )  # fmt: skip
    var_dir: Path = setting(
        Path("var"), "directory for the embedded database and made-up secrets; empty in production",
        validation_alias="CAREAPP_VAR",
    )  # fmt: skip
    port: int = setting(8000, "where web listens", WEB, **A_PORT)
    web_workers: int = setting(2, "worker processes of web, each with its own database connections", WEB, ge=1)
    jobs_port: int | None = setting(
        None, "where jobs tells a supervisor whether a job hangs, and its figures (`/metrics`): on every address of the"
        " machine and without a password, so keep it behind a firewall", JOBS, **A_PORT,
    )  # fmt: skip
    metrics_port: int | None = setting(
        None, "where one worker of web answers who asks for the figures of all (`/metrics`), and `/readyz`; jobs has"
        " them on `JOBS_PORT`", WEB, **A_PORT,
    )  # fmt: skip
    metrics_host: str = setting(
        "127.0.0.1", "on which address of the machine `METRICS_PORT` is; `JOBS_PORT` is on all", WEB
    )
    otel_exporter_otlp_endpoint: str | None = setting(
        None, "a collector of traces (OTLP over HTTP), such as `http://collector:4318`; without it nothing is traced",
        BOTH,
    )  # fmt: skip
    slow_query_ms: int = setting(
        500, "a statement that takes longer is logged by its shape, without values; 0 logs none", BOTH, ge=0
    )
    surfaces: Literal["all", "public", "internal"] = setting(
        "all", "`public` leaves out the portal's routes, `internal` serves them and the health checks alone, so that"
        " they can stand on a listener of their own", WEB,
    )  # fmt: skip
    poll_memory_seconds: float = setting(
        1.0, "how long a worker goes by what it found out for screens that ask whether something has changed: that"
        " nothing has, and that a session goes on; 0 asks the database for each", WEB, ge=0, le=1,
    )  # fmt: skip
    trusted_hosts: str = setting("", "host names it answers to, blanks between; production needs it", WEB)
    trusted_proxies: int = setting(0, "how many proxies stand before it and pass on addresses", WEB, ge=0)


class Database(BaseModel):
    """The database"""

    database_url: str | None = setting(
        None, "address as `care_app`; production needs it, development has an embedded server", ALL, secret=True
    )
    database_owner_url: str | None = setting(
        None, "as `care_owner`: migrations, tenants, key rotation; give it to no serving process", COMMANDS, secret=True
    )
    database_relay_url: str | None = setting(
        None, "as `care_relay`, which sends events and seals the audit log", SENDING, secret=True
    )
    database_backup_url: str | None = setting(None, "as `care_backup`, for `flask backup`", COMMANDS, secret=True)
    database_network_trusted: bool = setting(
        False, "whether nobody else is on the network to PostgreSQL; else production asks `sslmode=verify-full` of"
        " every address that leads to another host",
    )  # fmt: skip
    database_pool_size: int = setting(4, "connections of one process; as many as a web worker has threads", BOTH, ge=1)
    database_pooler: Literal["none", "transaction"] = setting(
        "none", "`transaction` where DATABASE_URL leads to PgBouncer in that mode; the relay's address never does",
        BOTH,
    )  # fmt: skip
    database_health_url: str | None = setting(
        None, "address that is asked whether the database answers, past a pooler's queue; else DATABASE_URL", WEB,
        secret=True,
    )  # fmt: skip
    database_replica_url: str | None = setting(
        None, "as `care_app`, a streaming replica for reads that may be late", WEB, secret=True
    )
    replica_longest_lag_seconds: float = setting(
        10.0, "by how many seconds they may be late; beyond, the primary answers", WEB, gt=0, le=300
    )


class Secrets(BaseModel):
    """Keys of this installation"""

    secret_key: SecretStr | None = setting(
        None,
        "signs session cookies, forms and the codes on printed prescriptions; 32 bytes or more; production needs it",
    )
    secret_key_fallbacks: SecretStr = setting(
        SecretStr(""), "keys before `SECRET_KEY`, commas between: they sign nothing, what they have signed still holds",
        WEB,
    )  # fmt: skip
    encryption_keys: SecretStr | None = setting(
        None, "encrypt the most sensitive texts: `NAME:BASE64` of 32 random bytes, commas between, the first writes,"
        " all read (`flask keys`); production needs it",
    )  # fmt: skip


class SignIn(BaseModel):
    """Staff signing in"""

    session_idle_seconds: int = setting(15 * 60, "after this long without a request a sign-in ends", WEB, ge=1)
    session_life_seconds: int = setting(12 * 3600, "after this long every sign-in ends", WEB, ge=1)
    step_up_seconds: int = setting(
        5 * 60, "how long a sign-in, or a password given again, is proof enough for a dangerous act", WEB
    )
    breached_passwords_file: Path | None = setting(
        None, "Pwned Passwords as one sorted file of SHA-1 (`flask passwords check-list`); without it a built-in one",
        "web, commands",
    )  # fmt: skip
    webauthn_rp_id: str | None = setting(
        None, "the host name passkeys are bound to; without it the first of `TRUSTED_HOSTS`", WEB
    )
    oidc_issuer: str | None = setting(None, "identity provider for staff; discovery starts at this https address", WEB)
    oidc_client_id: str | None = setting(None, "who we are to the identity provider", WEB)
    oidc_client_secret: SecretStr | None = setting(None, "our secret at the identity provider", WEB)
    oidc_scopes: str = setting("openid profile email", "what is asked of it; must name `openid`", WEB)
    oidc_tenant_claim: str = setting("tenant", "claim that holds the tenant's key; dots lead inside", WEB)
    oidc_roles_claim: str = setting("roles", "claim that holds the roles; dots lead inside", WEB)
    oidc_label: str = setting("single sign-on", "what its button says", WEB)
    oidc_link_by_email: bool = setting(
        False, "whether a verified address of the provider may join a local account of that address", WEB
    )


class Tokens(BaseModel):
    """Tokens of the API"""

    jwt_jwks_url: str | None = setting(None, "where the keys of tokens are published, https in production", WEB)
    jwt_public_key: str | None = setting(None, "one public key (PEM) instead", WEB)
    jwt_secret: SecretStr | None = setting(None, "one shared key, 32 bytes or more; development only", "web, commands")
    jwt_issuer: str = setting("careapp", "what `iss` of a token must be", "web, commands")
    jwt_audience: str = setting("careapp", "what `aud` of a token must name", "web, commands")
    jwt_max_life_seconds: int = setting(12 * 3600, "a token that lives longer is refused", WEB, ge=1)
    jwt_signing_key: SecretStr | None = setting(
        None, "P-256 keys (PEM) that sign tokens of service clients, the first signs; without one there are none", WEB
    )
    oauth_issuer: str | None = setting(None, "the https address such tokens name; needed with the keys", WEB)


class Portal(BaseModel):
    """The portal's routes and the provider service"""

    internal_tokens: SecretStr = setting(
        SecretStr(""), "the portal's credentials, `tenant:TOKEN,tenant:TOKEN2`, 32 bytes or more each; without any its"
        " routes answer 404", WEB,
    )  # fmt: skip
    internal_keys: SecretStr = setting(SecretStr(""), "keys of signed requests, `tenant:id:secret,…`", WEB)
    internal_require_signed: bool = setting(False, "whether bare tokens are refused", WEB)
    provider_service_url: str | None = setting(
        None, "a service that is asked whether a provider takes part before a slot is booked; without it the directory"
        " here", WEB,
    )  # fmt: skip
    provider_service_keys: SecretStr = setting(
        SecretStr(""), "the keys such requests are signed with, `tenant:id:secret,…`", WEB
    )


class Limits(BaseModel):
    """Limits and retention"""

    rate_limit_person: int = setting(1200, "requests a minute of somebody signed in", WEB, ge=1)
    rate_limit_service: int = setting(12_000, "requests a minute of a program", WEB, ge=1)
    rate_limit_address: int = setting(1200, "requests a minute of a network address that is nobody yet", WEB, ge=1)
    audit_kept_years: int = setting(10, "how long `flask audit retire` leaves the log alone at least", COMMANDS, ge=1)


class Kafka(BaseModel):
    """Events"""

    kafka_bootstrap_servers: str | None = setting(
        None, "the brokers; without any, jobs writes events to the log, and commands that send refuse in production",
        SENDING,
    )  # fmt: skip
    kafka_replication_factor: int = setting(
        1, "copies of topics that are missing and made; 3 in production", SENDING, ge=1
    )
    kafka_partitions: int = setting(6, "partitions of topics that are missing and made", SENDING, ge=1)
    kafka_client: Literal["kafka-python", "confluent"] = setting(
        "kafka-python",
        "`confluent` sends several times as fast and needs `requirements/confluent.txt`, which"
        " an image has that is built with `--build-arg REQUIREMENTS=confluent`",
        SENDING,
    )
    kafka_security_protocol: KafkaProtocol = setting(
        "PLAINTEXT", "`SSL` is TLS, `SASL_SSL` with an account as well; what production refuses stands in"
        " [operating.md](../security/operating.md#connections)", SENDING,
    )  # fmt: skip
    kafka_ca_file: Path | None = setting(
        None, "certificates of the authorities that may vouch for the broker, PEM; without it those of the system",
        SENDING,
    )  # fmt: skip
    kafka_certificate_file: Path | None = setting(
        None, "our own certificate, where the broker asks for one, PEM", SENDING
    )
    kafka_key_file: Path | None = setting(None, "the private key of our certificate, PEM without a password", SENDING)
    kafka_sasl_mechanism: KafkaMechanism | None = setting(
        None, "how the password is proven; `PLAIN` sends it, so it needs `SASL_SSL`", SENDING
    )
    kafka_username: str | None = setting(None, "name of our account at the broker", SENDING)
    kafka_password: SecretStr | None = setting(None, "password of our account at the broker", SENDING)
    kafka_network_trusted: bool = setting(
        False, "whether nobody else is on the network to the broker; else production asks TLS of a broker on another"
        " host", SENDING,
    )  # fmt: skip


# The headings of the page, in its order; a new class of settings belongs in here and among the bases of `Settings`.
SUBJECTS: tuple[type[BaseModel], ...] = (Process, Database, Secrets, SignIn, Tokens, Portal, Limits, Kafka)
