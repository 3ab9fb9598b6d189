"""Kafka by TLS and by account, on a real broker with both: who is who, by both clients, and no word of the password."""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from apiflask import APIFlask
from structlog.testing import capture_logs

from careapp.access import Actor
from careapp.config import Settings
from careapp.outbox.relay import Relay
from careapp.outbox.sender_choice import sender_for
from tests.conftest import TestTenant
from tests.jobs.history import Reader, judge
from tests.jobs.relays import relay_role, unsent, wait_until
from tests.jobs.speaking import Ledger, saying, speak
from tools.kafka.broker import Broker
from tools.kafka.secure import Authority, Listeners

NAME, PASSWORD, WRONG = "care_relay", "right-Password-41", "wrong-Password-97"


@pytest.fixture(scope="module")
def listeners(tmp_path_factory: pytest.TempPathFactory) -> Listeners:
    """The two listeners with TLS."""
    return Listeners(tmp_path_factory.mktemp("certificates"), {NAME: PASSWORD})


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, listeners: Listeners) -> Iterator[Broker]:
    """A broker with them, and a plain one beside, by which tests look at what has arrived."""
    with Broker(tmp_path_factory.mktemp("secured"), secure=listeners) as running:
        yield running


@pytest.fixture
def by_account(client: str, secured: Broker, listeners: Listeners) -> Callable[..., Settings]:
    """by_account(kafka_password="x") are settings of a production that is right but for what the test says."""

    def make(**wrong: object) -> Settings:
        right = {
            "kafka_bootstrap_servers": f"127.0.0.1:{listeners.with_account}", "kafka_security_protocol": "SASL_SSL",
            "kafka_ca_file": listeners.authority.file, "kafka_sasl_mechanism": "SCRAM-SHA-512",
            "kafka_username": NAME, "kafka_password": PASSWORD,
        }  # fmt: skip
        return Settings(_env_file=None, CAREAPP_ENV="development", kafka_client=client, **{**right, **wrong})

    return make


def delivers(settings: Settings, app: APIFlask, actor: Actor, tenant: TestTenant, secured: Broker) -> None:
    """Assert that two events of this test arrive."""
    sender = sender_for(settings)
    with closing(Relay(app.config["DATABASE_RELAY_URL"], sender)) as relay:
        sender.connect()
        with closing(Reader(secured.bootstrap)) as reader:
            said = [saying("EPI-2026-000001"), saying("EPI-2026-000002")]
            speak(actor, said)
            wait_until(lambda: relay.run_pass() == 0 and unsent(app, tenant.id) == 0)
            assert judge(app, tenant, reader.read(tenant), Ledger({one.mark for one in said})) == 0


def refuses(settings: Settings, app: APIFlask, actor: Actor, tenant: TestTenant) -> list[str]:
    """Assert that nothing leaves and the outbox is as it was; gives what was logged, as text."""
    speak(actor, [saying("EPI-2026-000003")])
    with closing(Relay(app.config["DATABASE_RELAY_URL"], sender_for(settings))) as relay, capture_logs() as logs:
        assert relay.run_pass() == 0
    assert [entry["event"] for entry in logs] == ["broker does not answer"]
    with relay_role(app) as connection:
        state = connection.execute(
            "SELECT attempts, parked_at, published_at FROM outbox WHERE tenant_id = %s", [tenant.id]
        ).fetchall()
    assert state == [(0, None, None)], "an event is not at fault"
    return [repr(entry) for entry in logs]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_the_right_password_delivers(
    mechanism: str, by_account: Callable[..., Settings], app: APIFlask, speaker: Actor, tenant: TestTenant,
    secured: Broker,
) -> None:  # fmt: skip
    delivers(by_account(kafka_sasl_mechanism=mechanism), app, speaker, tenant, secured)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_a_wrong_password_delivers_nothing_and_is_not_logged(
    mechanism: str, by_account: Callable[..., Settings], app: APIFlask, speaker: Actor, tenant: TestTenant,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    settings = by_account(kafka_sasl_mechanism=mechanism, kafka_password=WRONG)
    with caplog.at_level(logging.DEBUG):
        logged = refuses(settings, app, speaker, tenant)
    said = "\n".join([*logged, caplog.text, *capfd.readouterr(), repr(settings), repr(settings.kafka_access)])
    assert WRONG not in said


def test_a_broker_of_an_unknown_authority_gets_nothing(
    by_account: Callable[..., Settings], app: APIFlask, speaker: Actor, tenant: TestTenant, tmp_path: Path
) -> None:
    refuses(by_account(kafka_ca_file=Authority(tmp_path, "other").file), app, speaker, tenant)


def test_without_a_file_the_systems_authorities_decide(
    by_account: Callable[..., Settings], app: APIFlask, speaker: Actor, tenant: TestTenant
) -> None:
    refuses(by_account(kafka_ca_file=None), app, speaker, tenant)


def test_a_certificate_has_to_name_the_host(
    by_account: Callable[..., Settings], listeners: Listeners, app: APIFlask, speaker: Actor, tenant: TestTenant
) -> None:
    elsewhere = by_account(kafka_bootstrap_servers=f"localhost:{listeners.with_account}")  # it names 127.0.0.1 alone
    refuses(elsewhere, app, speaker, tenant)


def test_without_tls_nothing_is_said(
    by_account: Callable[..., Settings], app: APIFlask, speaker: Actor, tenant: TestTenant
) -> None:
    refuses(by_account(kafka_security_protocol="SASL_PLAINTEXT", kafka_ca_file=None), app, speaker, tenant)


def test_our_own_certificate_delivers(
    by_account: Callable[..., Settings], listeners: Listeners, app: APIFlask, speaker: Actor, tenant: TestTenant,
    secured: Broker,
) -> None:  # fmt: skip
    own = listeners.authority.certificate("relay")
    delivers(by_account(**by_certificate(listeners, own.file, own.key_file)), app, speaker, tenant, secured)


def test_without_one_or_with_a_strangers_nothing_leaves(
    by_account: Callable[..., Settings], listeners: Listeners, app: APIFlask, speaker: Actor, tenant: TestTenant,
    tmp_path: Path,
) -> None:  # fmt: skip
    stranger = Authority(tmp_path, "other").certificate("relay")
    settings = by_account(**by_certificate(listeners, stranger.file, stranger.key_file))
    refuses(settings, app, speaker, tenant)
    with closing(Relay(app.config["DATABASE_RELAY_URL"], sender_for(settings_without(settings)))) as relay:
        assert relay.run_pass() == 0


def by_certificate(listeners: Listeners, certificate: Path, key: Path) -> dict[str, object]:
    """What a sign-in by certificate changes."""
    return {
        "kafka_bootstrap_servers": f"127.0.0.1:{listeners.by_certificate}", "kafka_security_protocol": "SSL",
        "kafka_certificate_file": certificate, "kafka_key_file": key,
        "kafka_sasl_mechanism": None, "kafka_username": None, "kafka_password": None,
    }  # fmt: skip


def settings_without(settings: Settings) -> Settings:
    """The same without a certificate of ours."""
    return settings.model_copy(update={"kafka_certificate_file": None, "kafka_key_file": None})
