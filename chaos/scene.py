"""Where a run happens: two tenants, each with providers, times to book, patients and somebody at the front desk."""

import secrets
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import psycopg
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from careapp import commands, create_app
from careapp.access import Actor, Permission, Role
from careapp.identity.users import create_user
from careapp.operations.tenants import create_tenant
from chaos.clients import Clinic
from chaos.postgres import Postgres

TENANTS = ("north", "south")
PROVIDERS, PATIENTS = 4, 60
SLOTS_A_PROVIDER, SLOT = 60, timedelta(minutes=20)
TOKEN_LIFE, TOKEN_AGE = 4 * 3600, 3600  # issued an hour ago: a run sets clocks back, and a token from later is none

_PATIENTS = """
INSERT INTO patients (tenant_id, family, given, birth_date, gender)
SELECT %(tenant)s, 'Family ' || n, ARRAY['Given ' || n], date '1950-01-01' + n, 'unknown'
FROM generate_series(1, %(count)s) AS n RETURNING locator"""

# A third of the times take a group of three: there a lost update would let in a fourth.
_SLOTS = """
INSERT INTO provider_slots (tenant_id, provider_id, clinic_id, starts_at, ends_at, capacity)
SELECT %(tenant)s, %(provider)s, %(clinic)s, %(first)s + n * %(slot)s, %(first)s + (n + 1) * %(slot)s,
       CASE WHEN n %% 3 = 0 THEN 3 ELSE 1 END
FROM generate_series(0, %(count)s - 1) AS n RETURNING locator"""


def lay(postgres: Postgres, key: RSAPrivateKey) -> list[Clinic]:
    """Fill the empty, migrated database. The settings of a process of ours stand in the environment already."""
    app = create_app()
    with psycopg.connect(postgres.superuser, autocommit=True, options="-c search_path=care,public") as connection:
        clinics = [_clinic(connection, postgres, tenant, key) for tenant in TENANTS]
    for clinic, tenant_id in clinics:
        with app.app_context(), commands.unit_of(_everything(tenant_id, clinic.key), name="chaos.scene"):
            create_user(
                _everything(tenant_id, clinic.key), email=clinic.email, name="Front desk", password=clinic.password,
                roles=[Role.FRONT_DESK],
            )  # fmt: skip
    return [clinic for clinic, _ in clinics]


def _clinic(connection: Any, postgres: Postgres, tenant: str, key: RSAPrivateKey) -> tuple[Clinic, int]:
    tenant_id = create_tenant(postgres.addresses.owner, key=tenant, name=tenant.title(), time_zone="Asia/Yangon")
    this = {"tenant": tenant_id}
    clinic_id = connection.execute(
        "INSERT INTO clinics (tenant_id, name, time_zone) VALUES (%(tenant)s, 'Clinic', 'Asia/Yangon') RETURNING id",
        this,
    ).fetchone()[0]
    slots: list[str] = []
    provider = ""
    tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
    for number in range(PROVIDERS):
        provider_id, provider = connection.execute(
            "INSERT INTO providers (tenant_id, name, specialty, status, activated_at)"
            " VALUES (%(tenant)s, %(name)s, 'GENERAL_PRACTICE', 'ACTIVE', now()) RETURNING id, locator",
            {**this, "name": f"Dr Provider {number}"},
        ).fetchone()
        given = {
            "provider": provider_id,
            "clinic": clinic_id,
            "first": tomorrow,
            "slot": SLOT,
            "count": SLOTS_A_PROVIDER,
        }
        slots += [row[0] for row in connection.execute(_SLOTS, {**this, **given})]
    patients = [row[0] for row in connection.execute(_PATIENTS, {**this, "count": PATIENTS})]
    password = secrets.token_urlsafe(24)
    made = Clinic(tenant, _token(tenant, key), patients, slots, provider, f"desk@{tenant}.example", password)
    return made, tenant_id


def _token(tenant: str, key: RSAPrivateKey) -> str:
    """A token as an identity provider would sign it, for a system that may book and a clinician's moves."""
    issued = int(time.time()) - TOKEN_AGE
    claims = {
        "iss": "careapp", "aud": "careapp", "iat": issued, "exp": issued + TOKEN_AGE + TOKEN_LIFE, "sub": "chaos",
        "jti": str(uuid.uuid4()), "tenant": tenant, "roles": ["front_desk", "clinician"],
    }  # fmt: skip
    return jwt.encode(claims, key, algorithm="RS256")


def _everything(tenant_id: int, key: str) -> Actor:
    return Actor(tenant_id, key, "chaos", frozenset(Permission), frozenset(Role))
