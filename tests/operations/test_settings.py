"""What an installation may set, and which surfaces it serves by it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask

from careapp import config
from careapp.db import db
from tests.conftest import make_app
from tests.database import TestDatabase

LONG = "x" * 32
KEY, OTHER_KEY = "QUJD" * 10 + "QUI=", "REVG" * 10 + "REU="  # 32 bytes each
PRODUCTION = {
    "CAREAPP_ENV": "production", "SECRET_KEY": LONG, "TRUSTED_HOSTS": "care.example",
    "DATABASE_URL": "postgresql+psycopg://care_app@database/care?sslmode=verify-full",
    "ENCRYPTION_KEYS": config.new_encryption_key("one"),
}  # fmt: skip


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The environment of an installation, and no `.env`."""
    monkeypatch.chdir(tmp_path)
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize("tokens", ["demo:x", f"demo:{LONG},demo:{'x' * 31}"])
def test_production_takes_no_short_portal_token(production: pytest.MonkeyPatch, tokens: str) -> None:
    production.setenv("INTERNAL_TOKENS", tokens)
    with pytest.raises(SystemExit, match="INTERNAL_TOKENS has a token shorter than 32 bytes"):
        config.load()


def test_production_takes_a_long_portal_token(production: pytest.MonkeyPatch) -> None:
    production.setenv("INTERNAL_TOKENS", f"demo:{LONG}")
    assert config.load().internal_credentials() == [("demo", LONG)]


@pytest.mark.parametrize("name", ["JWT_JWKS_URL", "PROVIDER_SERVICE_URL"])
def test_production_asks_nobody_over_plain_http(production: pytest.MonkeyPatch, name: str) -> None:
    for private in ("https://other.example/x", "http://127.0.0.1:9/x", "http://[::1]:9/x"):
        production.setenv(name, private)
        config.load()
    for open_to_all in ("http://other.example/x", "http://127.0.0.1.other.example/x", "http://10.0.0.7/x"):
        production.setenv(name, open_to_all)
        with pytest.raises(SystemExit, match=f"{name} is an https:// address"):
            config.load()


@pytest.mark.parametrize("tokens", ["demo", ":token", "demo:"])
def test_a_malformed_list_of_tokens_is_named(production: pytest.MonkeyPatch, tokens: str) -> None:
    production.setenv("INTERNAL_TOKENS", tokens)
    with pytest.raises(SystemExit, match="INTERNAL_TOKENS is a list"):
        config.load()


def test_an_empty_variable_counts_as_unset(production: pytest.MonkeyPatch) -> None:
    for name in ("JWT_JWKS_URL", "JWT_PUBLIC_KEY", "JWT_ISSUER", "JWT_AUDIENCE", "INTERNAL_TOKENS", "PORT", "SURFACES"):
        production.setenv(name, "")
    settings = config.load()
    assert (settings.jwt_jwks_url, settings.jwt_public_key) == (None, None)
    assert (settings.jwt_issuer, settings.jwt_audience) == ("careapp", "careapp")
    assert (settings.port, settings.surfaces, settings.internal_credentials()) == (8000, "all", [])


def test_an_empty_secret_is_none(production: pytest.MonkeyPatch) -> None:
    production.setenv("SECRET_KEY", "")
    with pytest.raises(SystemExit, match="production needs SECRET_KEY"):
        config.load()


@pytest.mark.parametrize("name", ["PORT", "METRICS_PORT", "JOBS_PORT"])
def test_a_port_that_no_machine_has_is_refused_by_its_name(production: pytest.MonkeyPatch, name: str) -> None:
    for given in ("1", "65535"):
        production.setenv(name, given)
        assert getattr(config.load(), name.lower()) == int(given)
    for given, said in (
        ("0", "greater than or equal to 1"),
        ("65536", "less than or equal to 65535"),
        ("x", "integer"),
    ):
        production.setenv(name, given)
        with pytest.raises(SystemExit, match=f"careapp does not start: {name}: input should be .*{said}"):
            config.load()


@contextmanager
def serving(database: TestDatabase, var: Path, **settings: Any) -> Iterator[APIFlask]:
    """An application with these settings, until the block ends."""
    made = make_app(database, var, internal_tokens=f"demo:{LONG}", **settings)
    yield made
    with made.app_context():
        db.engine.dispose()


def endpoints(app: APIFlask) -> set[str]:
    """The first part of every endpoint's name."""
    return {rule.endpoint.split(".")[0] for rule in app.url_map.iter_rules()}


def test_the_portal_can_be_served_alone(database: TestDatabase, tmp_path: Path) -> None:
    with serving(database, tmp_path, surfaces="internal") as app:
        assert endpoints(app) == {"internal", "health"}
        client = app.test_client()
        for path in ("/", "/sign-in", "/static/app.css", "/api/v1/episodes", "/api/openapi.json"):
            answer = client.get(path)
            assert (answer.status_code, answer.json["code"]) == (404, "NOT_FOUND"), path
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert client.get("/internal/episodes/EPI-2026-000001").status_code == 401
        assert client.get("/readyz").status_code == 200


def test_the_portal_can_be_left_out(database: TestDatabase, tmp_path: Path) -> None:
    with serving(database, tmp_path, surfaces="public") as app:
        assert "internal" not in endpoints(app)
        client = app.test_client()
        given = {"X-Internal-Token": LONG}
        assert client.get("/internal/episodes/EPI-2026-000001", headers=given).status_code == 404
        assert client.get("/sign-in").status_code == 200
        document = client.get("/api/openapi.json").json
        assert not [path for path in document["paths"] if path.startswith("/internal")]
        assert client.get("/api/docs").status_code == 200


@pytest.mark.parametrize(
    "keys",
    [
        "one",
        "one:",
        ":AAAA",
        "one:AAAA",
        f"a b:{KEY}",
        f"one:{KEY}x",
        f"one:{KEY},two:{KEY}",
        f"one:{KEY},one:{OTHER_KEY}",
    ],
)
def test_encryption_keys_that_are_none_are_refused_without_being_shown(
    production: pytest.MonkeyPatch, keys: str
) -> None:
    production.setenv("ENCRYPTION_KEYS", keys)
    with pytest.raises(SystemExit, match="ENCRYPTION_KEYS") as refused:
        config.load()
    assert KEY not in str(refused.value)


def test_production_starts_without_encryption_keys_in_no_case(production: pytest.MonkeyPatch) -> None:
    production.setenv("ENCRYPTION_KEYS", "")
    with pytest.raises(SystemExit, match="production needs ENCRYPTION_KEYS"):
        config.load()


def test_development_makes_a_key_once_that_only_its_owner_reads(production: pytest.MonkeyPatch, tmp_path: Path) -> None:
    production.delenv("ENCRYPTION_KEYS")
    first, second = (config.load(CAREAPP_ENV="development", CAREAPP_VAR=tmp_path) for _ in range(2))
    assert first.encryption_key_list() == second.encryption_key_list()
    assert [name for name, _ in first.encryption_key_list()] == ["dev"]
    assert (tmp_path / "encryption_keys.secret").stat().st_mode & 0o777 == 0o600
    assert "dev:" not in repr(first)


HERE_AND_TLS = [
    "postgresql+psycopg://care_app@/care",
    "postgresql+psycopg:///care?host=/var/run/postgresql",
    "postgresql+psycopg://care_app@%2Fvar%2Frun%2Fpostgresql/care",
    "postgresql+psycopg://care_app:p%40ss@127.0.0.1:5433/care",
    "postgresql+psycopg://care_app@[::1]:5433/care",
    "postgresql+psycopg://care_app@localhost/care?sslmode=disable",
    "postgresql+psycopg://care_app@localhost,127.0.0.1/care",
    "postgresql+psycopg://care_app@database/care?sslmode=verify-full&sslrootcert=/etc/ca.pem",
    "postgresql+psycopg://care_app@one,two/care?sslmode=verify-full",
]
OPEN_TO_OTHERS = [
    "postgresql+psycopg://care_app@database/care",
    "postgresql+psycopg://care_app@database/care?sslmode=require",
    "postgresql+psycopg://care_app@database/care?sslmode=verify-ca&sslrootcert=/etc/ca.pem",
    "postgresql+psycopg://care_app@database/care?sslmode=verify-full&sslmode=prefer",
    "postgresql+psycopg://care_app@10.0.0.7:5432/care",
    "postgresql+psycopg://care_app@localhost.example/care",
    "postgresql+psycopg://care_app@[fe80::1]/care",
    "postgresql+psycopg://care_app@localhost,database/care",
    "postgresql+psycopg://care_app@localhost/care?host=database",
    "postgresql+psycopg://care_app@localhost/care?hostaddr=10.0.0.7",
    "postgresql+psycopg:///care?host=/run/postgresql,database",
]
URLS = [
    "DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_RELAY_URL", "DATABASE_BACKUP_URL", "DATABASE_HEALTH_URL",
    "DATABASE_REPLICA_URL",
]  # fmt: skip


@pytest.mark.parametrize("url", HERE_AND_TLS)
def test_production_takes_a_database_here_or_one_that_proves_who_it_is(
    production: pytest.MonkeyPatch, url: str
) -> None:
    production.setenv("DATABASE_URL", url)
    config.load()


@pytest.mark.parametrize("url", OPEN_TO_OTHERS)
def test_production_takes_no_other_database_over_an_open_network(production: pytest.MonkeyPatch, url: str) -> None:
    for name in URLS:
        with production.context() as changed:
            changed.setenv(name, url.replace("care_app@", "care_app:pass-41@"))
            with pytest.raises(SystemExit, match=f"{name} leads to another host") as refused:
                config.load()
            assert "pass-41" not in str(refused.value)
            changed.setenv("DATABASE_NETWORK_TRUSTED", "true")
            config.load()


def test_a_developers_database_may_be_anywhere(production: pytest.MonkeyPatch) -> None:
    production.setenv("CAREAPP_ENV", "development")
    production.setenv("DATABASE_URL", OPEN_TO_OTHERS[0])
    config.load()


ACCOUNT = {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_USERNAME": "relay", "KAFKA_PASSWORD": "pass-41"}
BROKER = {"KAFKA_BOOTSTRAP_SERVERS": "one:9092,two:9092"}
GOOD_KAFKA: list[dict[str, str]] = [
    {"KAFKA_SECURITY_PROTOCOL": "SSL", **BROKER},
    {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", **BROKER, **ACCOUNT},
    {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", **BROKER, **ACCOUNT, "KAFKA_SASL_MECHANISM": "PLAIN"},
    {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092,[::1]:9092,localhost:9092"},
    {"KAFKA_NETWORK_TRUSTED": "true", **BROKER},
    {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_NETWORK_TRUSTED": "true", **BROKER, **ACCOUNT},
]
BAD_KAFKA: list[tuple[str, dict[str, str]]] = [
    ("has to be SSL or SASL_SSL", BROKER),
    ("has to be SSL or SASL_SSL", {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092,two:9092"}),
    ("has to be SSL or SASL_SSL", {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", **BROKER, **ACCOUNT}),
    (
        "PLAIN shows the password",
        {
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", **BROKER, **ACCOUNT, "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_NETWORK_TRUSTED": "true",
        },
    ),
    ("needs KAFKA_SASL_MECHANISM", {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", **BROKER, **ACCOUNT, "KAFKA_PASSWORD": ""}),
    ("need KAFKA_SECURITY_PROTOCOL=SASL_SSL", {"KAFKA_SECURITY_PROTOCOL": "SSL", **BROKER, **ACCOUNT}),
    ("need KAFKA_SECURITY_PROTOCOL=SSL", {"KAFKA_CA_FILE": "ca.pem", "KAFKA_NETWORK_TRUSTED": "true", **BROKER}),
    ("come together", {"KAFKA_SECURITY_PROTOCOL": "SSL", **BROKER, "KAFKA_CERTIFICATE_FILE": "own.pem"}),
    ("KAFKA_CA_FILE names no file", {"KAFKA_SECURITY_PROTOCOL": "SSL", **BROKER, "KAFKA_CA_FILE": "nowhere.pem"}),
    ("KAFKA_SASL_MECHANISM:",
     {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", **BROKER, **ACCOUNT, "KAFKA_SASL_MECHANISM": "X"}),
]  # fmt: skip


@pytest.mark.parametrize("given", GOOD_KAFKA)
def test_production_takes_a_broker_here_or_by_tls_or_on_a_trusted_network(
    production: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    for name, value in given.items():
        production.setenv(name, value)
    config.load()


@pytest.mark.parametrize(("why", "given"), BAD_KAFKA)
def test_production_refuses_a_broker_others_could_read_and_half_an_account(
    production: pytest.MonkeyPatch, why: str, given: dict[str, str]
) -> None:
    for name, value in given.items():
        production.setenv(name, value)
    with pytest.raises(SystemExit, match=why) as refused:
        config.load()
    assert "pass-41" not in str(refused.value)


def test_older_secret_keys_are_as_long_as_new_ones(production: pytest.MonkeyPatch) -> None:
    production.setenv("SECRET_KEY_FALLBACKS", f"{LONG}, {'y' * 32},")
    assert config.load().older_secret_keys() == [LONG, "y" * 32]
    production.setenv("SECRET_KEY_FALLBACKS", f"{LONG},{'y' * 31}")
    with pytest.raises(SystemExit, match="SECRET_KEY_FALLBACKS has a key shorter than 32 bytes"):
        config.load()
