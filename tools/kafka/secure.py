"""TLS listeners for the broker, beside its plain one: with accounts (SASL_SSL), and with clients' certificates (SSL).

The authority and its certificates are made anew each time, for 127.0.0.1, and are good for an hour.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tools.ports import free_port

LIFE = timedelta(hours=1)
Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as PEM files."""

    file: Path
    key_file: Path

    @property
    def both(self) -> str:
        """Key and certificate in one text, as Kafka wants them."""
        return self.key_file.read_text() + self.file.read_text()


class Authority:
    """An authority of its own that signs certificates, with its files in a directory."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory, self._name = directory, name
        directory.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = directory / f"{name}.pem"
        self.file.write_bytes(self._sign(name, self._key, authority=True).public_bytes(Encoding.PEM))

    def certificate(self, name: str) -> Certificate:
        """A certificate for 127.0.0.1 with that common name, good for servers and clients."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = Certificate(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        made.file.write_bytes(self._sign(name, key).public_bytes(Encoding.PEM))
        made.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made

    def _sign(self, name: str, key: Key, *, authority: bool = False) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + LIFE)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([here]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Listeners:
    """What a Broker needs for two more listeners: `with_account` and `by_certificate` are their ports."""

    def __init__(self, directory: Path, accounts: Mapping[str, str]) -> None:
        self.authority = Authority(directory, "authority")
        self.with_account, self.by_certificate = free_port(), free_port()
        self._accounts = accounts
        self._store = directory / "broker-store.pem"
        self._store.write_text(self.authority.certificate("broker").both)

    def addresses(self) -> str:
        """As `listeners` wants them."""
        return f"SASL_SSL://127.0.0.1:{self.with_account},SSL://127.0.0.1:{self.by_certificate}"

    def settings(self) -> dict[str, str]:
        """Lines of server.properties."""
        module, account = "org.apache.kafka.common.security", "listener.name.sasl_ssl"
        plain = " ".join(f'user_{name}="{password}"' for name, password in self._accounts.items())
        return {
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._store),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.file),
            "listener.name.ssl.ssl.client.auth": "required",
            f"{account}.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            f"{account}.scram-sha-512.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
            f"{account}.plain.sasl.jaas.config": f"{module}.plain.PlainLoginModule required {plain};",
        }

    def format_options(self) -> list[str]:
        """Options with which the storage tool writes the accounts into a new cluster."""
        scram = (f"SCRAM-SHA-512=[name={name},password={password}]" for name, password in self._accounts.items())
        return [part for account in scram for part in ("--add-scram", account)]
