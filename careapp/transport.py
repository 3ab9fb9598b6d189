"""Connections to PostgreSQL and Kafka: what an installation may ask for, and what production refuses as open to others.

A connection to this host itself needs no TLS. Any other needs it, unless a setting says that the network in between is
trusted (ASVS 5.0 12.3.1, 12.3.2, 12.3.3).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

KafkaProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
KafkaMechanism = Literal["SCRAM-SHA-512", "PLAIN"]

_HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class KafkaAccess:
    """How the broker is reached and who we are there. The password shows in no text made of this."""

    protocol: KafkaProtocol = "PLAINTEXT"
    ca_file: Path | None = None  # unset: the authorities this system trusts
    certificate_file: Path | None = None  # our own, where the broker asks for one
    key_file: Path | None = None
    mechanism: KafkaMechanism | None = None
    username: str | None = None
    password: SecretStr | None = None

    @property
    def encrypted(self) -> bool:
        """Whether it is TLS."""
        return self.protocol in ("SSL", "SASL_SSL")

    @property
    def with_account(self) -> bool:
        """Whether we sign in by name and password."""
        return self.protocol in ("SASL_SSL", "SASL_PLAINTEXT")

    def check(self) -> None:
        """Raise ValueError, which never quotes the password, where the settings contradict each other."""
        if self.with_account and not (self.mechanism and self.username and self.password):
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL={self.protocol} needs KAFKA_SASL_MECHANISM, KAFKA_USERNAME, KAFKA_PASSWORD"
            )
        if not self.with_account and (self.mechanism or self.username or self.password):
            raise ValueError("KAFKA_USERNAME and the like need KAFKA_SECURITY_PROTOCOL=SASL_SSL")
        if self.mechanism == "PLAIN" and not self.encrypted:
            raise ValueError("KAFKA_SASL_MECHANISM=PLAIN shows the password to the network: it needs SASL_SSL")
        files = {
            "KAFKA_CA_FILE": self.ca_file,
            "KAFKA_CERTIFICATE_FILE": self.certificate_file,
            "KAFKA_KEY_FILE": self.key_file,
        }
        if not self.encrypted and any(files.values()):
            raise ValueError("KAFKA_CA_FILE and the like need KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL")
        if bool(self.certificate_file) != bool(self.key_file):
            raise ValueError("KAFKA_CERTIFICATE_FILE and KAFKA_KEY_FILE come together")
        for name, file in files.items():
            if file and not file.is_file():
                raise ValueError(f"{name} names no file")


def check_kafka_is_private(servers: str | None, access: KafkaAccess) -> None:
    """Raise ValueError where events, or the password, would cross a network for everybody on it to read or change."""
    hosts = [urlsplit(f"//{server.strip()}").hostname for server in (servers or "").split(",") if server.strip()]
    if not access.encrypted and not all(host in _HERE for host in hosts):
        raise ValueError(
            "KAFKA_SECURITY_PROTOCOL has to be SSL or SASL_SSL for a broker on another host; "
            "KAFKA_NETWORK_TRUSTED=true says that nobody else is on the network in between"
        )


def check_database_is_private(name: str, url: str | None) -> None:
    """Raise ValueError, which never quotes the address, where `url` leads to another host without proof of who it is.

    By libpq's rules: several hosts with commas between, a path or nothing is a socket of this host, and `host` or
    `hostaddr` in the query stand before what the address itself names.
    """
    if not url:
        return
    address = urlsplit(url)
    query = parse_qs(address.query)
    network = address.netloc.rpartition("@")[2]
    named = [*query.get("hostaddr", ()), *query.get("host", ())] or [_without_port(one) for one in network.split(",")]
    if _are_here(unquote(one) for names in named for one in names.split(",")):
        return
    if query.get("sslmode") != ["verify-full"]:
        raise ValueError(
            f"{name} leads to another host and needs ?sslmode=verify-full&sslrootcert=FILE at its end; "
            "DATABASE_NETWORK_TRUSTED=true says that nobody else is on the network in between"
        )


def _are_here(hosts: Iterable[str]) -> bool:
    return all(not host or host in _HERE or host.startswith(("/", "@")) for host in hosts)


def _without_port(host: str) -> str:
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
