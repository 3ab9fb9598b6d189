"""Checks of what this installation calls: Kafka and its topics, the identity provider, published keys, providers."""

from collections.abc import Iterator
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from careapp.cli.doctor.report import UNWISE, WRONG, CannotCheck, Installation, check
from careapp.errors import Unauthenticated, Upstream
from careapp.outbox import topics
from careapp.outbox.kafka_sender import CONNECT_MS, access_options
from careapp.outbox.upkeep import KEPT_DAYS
from careapp.providers.port import ProviderService
from careapp.surface.jwks import KeySet
from careapp.surface.oidc.provider import Provider

Found = Iterator[tuple[str, str, str]]

NOBODY = "PRV-0000-000000"  # a provider no service has, so that the answer is short
NO_KEY = "none-of-this-name"
DAY_MS = 86_400_000


@check("kafka", "Kafka answers and has every topic, with the partitions asked for, keeping events for a week")
def kafka(at: Installation) -> Found:
    """Topics that were made by hand may differ from the settings; compacted ones lose events."""
    given = at.settings
    if not given.kafka_bootstrap_servers:
        raise CannotCheck("KAFKA_BOOTSTRAP_SERVERS is not set: events go to the log.")
    try:
        with KafkaAdminClient(
            bootstrap_servers=given.kafka_bootstrap_servers, bootstrap_timeout_ms=CONNECT_MS,
            **access_options(given.kafka_access),
        ) as admin:  # fmt: skip
            there = {one["name"]: one for one in admin.describe_topics()}
            wanted = sorted(set(topics.ALL) & set(there))
            configs = _configs(admin, wanted)
    except KafkaError as error:
        yield (WRONG, f"Kafka does not answer at {given.kafka_bootstrap_servers} ({type(error).__name__}).",
               "Is it up, and are KAFKA_BOOTSTRAP_SERVERS and our account right? Events wait meanwhile.")  # fmt: skip
        return
    for topic in sorted(set(topics.ALL) - set(there)):
        yield WRONG, f"Kafka has no topic {topic}.", "Jobs make topics when they connect; may their account do so?"
    for topic in wanted:
        yield from _topic(given, there[topic], configs.get(topic, {}))


def _topic(given: Any, topic: dict[str, Any], config: dict[str, str]) -> Found:
    name, parts = topic["name"], topic["partitions"]
    copies = min((len(part["replica_nodes"]) for part in parts), default=0)
    if len(parts) != given.kafka_partitions:
        yield (UNWISE, f"Topic {name} has {len(parts)} partitions, KAFKA_PARTITIONS says {given.kafka_partitions}.",
               "Correct the setting; more partitions would break the order of a key's events.")  # fmt: skip
    if copies < given.kafka_replication_factor:
        yield (UNWISE, f"Topic {name} has {copies} copies, KAFKA_REPLICATION_FACTOR says"
               f" {given.kafka_replication_factor}.", "Reassign its partitions.")  # fmt: skip
    if "compact" in config.get("cleanup.policy", ""):
        yield WRONG, f"Topic {name} is compacted: only the last event of a key stays.", "Set cleanup.policy=delete."
    kept = int(config.get("retention.ms", "-1"))
    if 0 <= kept < KEPT_DAYS * DAY_MS:
        yield (UNWISE, f"Topic {name} keeps events for {kept / DAY_MS:.1f} days.",
               f"Keep them {KEPT_DAYS} days (retention.ms), so that consumers may be down for days.")  # fmt: skip


def _configs(admin: KafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """The settings of topics by name, those that were left at the broker's default included."""
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    [described] = admin.describe_configs(asked, config_filter="all").values() if asked else [{}]
    return {name: {key: str(one["value"]) for key, one in settings.items()} for name, settings in described.items()}


@check("identity provider", "the identity provider publishes its addresses and keys")
def identity_provider(at: Installation) -> Found:
    """OpenID Connect Discovery 1.0 §4, and the keys it names."""
    if not at.settings.oidc_issuer:
        raise CannotCheck("OIDC_ISSUER is not set: staff sign in with passwords here.")
    provider = Provider(at.settings)
    try:
        provider.endpoints()
    except Upstream:
        yield (WRONG, f"The identity provider does not answer at {at.settings.oidc_issuer}, or is another one.",
               "Open …/.well-known/openid-configuration from here; `issuer` in it must be OIDC_ISSUER.")  # fmt: skip
        return
    yield from _published(provider.keys, "The identity provider", "Look at the jwks_uri it publishes.")


@check("token keys", "the keys of API tokens can be read")
def token_keys(at: Installation) -> Found:
    """JWT_JWKS_URL, as web reads it."""
    if not at.settings.jwt_jwks_url:
        raise CannotCheck("JWT_JWKS_URL is not set.")
    yield from _published(KeySet.at(at.settings.jwt_jwks_url), "JWT_JWKS_URL", "Open it from this machine.")


def _published(keys: KeySet, who: str, remedy: str) -> Found:
    try:
        keys.key(NO_KEY)
    except Unauthenticated:
        return  # they were read, and none is called so
    except Upstream:
        yield WRONG, f"{who} publishes no keys that can be read: no token can be checked.", remedy


@check("provider service", "the provider service answers what this installation may ask")
def provider_service(at: Installation) -> Found:
    """One signed question with the key of each tenant, for a provider that is nobody."""
    service = ProviderService.of(at.settings)
    if service is None:
        raise CannotCheck("PROVIDER_SERVICE_URL is not set: the directory here is asked.")
    for tenant in dict.fromkeys(key[0] for key in at.settings.provider_service_signing_keys()):
        try:
            service.network_status(tenant, NOBODY)
        except Upstream:
            yield (WRONG, f"The provider service does not answer for tenant {tenant}: nothing can be booked.",
                   "Is PROVIDER_SERVICE_URL right, and does it know the key in PROVIDER_SERVICE_KEYS?")  # fmt: skip
