"""Fixtures of the chain's tests: the log of one tenant, sealed, and the power to tamper with it."""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import pytest
from apiflask import APIFlask

from careapp import localdb
from careapp.access import Actor
from careapp.audit import sealer
from careapp.audit.anchors import Anchor
from careapp.audit.verify import Finding, Report, reading, verify
from tests import factories as make
from tests.audit.sealing import seal
from tests.conftest import TestTenant, everything
from tests.database import TestDatabase
from tests.looking import audits


@dataclass(frozen=True)
class Log:
    """A tenant's log: sealing it, verifying it, and changing it as nobody may."""

    database: TestDatabase
    tenant: TestTenant
    god: Actor

    def seal(self) -> int:
        """Seal what waits; returns how many rows that were."""
        return seal(self.database.relay, self.tenant.id)

    def write(self, count: int = 3) -> list[int]:
        """Rows of the log, by acts; returns their numbers."""
        before = {row.id for row in audits(self.god)}
        for _ in range(count):
            make.a_patient(self.god)
        return [row.id for row in audits(self.god) if row.id not in before]

    def sealed(self, count: int = 3) -> list[int]:
        """Rows of the log in a seal of their own."""
        written = self.write(count)
        assert self.seal() == count
        return written

    def verify(self, *anchors: Anchor) -> list[Finding]:
        """What is wrong."""
        return list(self.report(*anchors)[1])

    def report(self, *anchors: Anchor) -> tuple[Report, list[Finding]]:
        """How the log stands, and what is wrong."""
        report = Report(self.tenant.key)
        with reading(self.database.relay) as connection:
            return report, list(verify(connection, self.tenant.id, report, anchors))

    def anchor(self) -> Anchor:
        """The newest link."""
        with sealer.connected(self.database.relay) as connection:
            [mine] = [one for one in sealer.newest_anchors(connection) if one.tenant == self.tenant.key]
        return mine

    def tamper(self, statement: str, **values: object) -> int:
        """Change the log as a superuser who switches the triggers off; returns how many rows were hit."""
        with psycopg.connect(localdb.libpq_url(self.database.whole)) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("SET search_path = care, public")
            return connection.execute(statement, {"tenant": self.tenant.id, **values}).rowcount


@pytest.fixture
def log(app: APIFlask, database: TestDatabase, tenant: TestTenant, god: Actor) -> Log:
    """The log of this test's tenant."""
    return Log(database, tenant, god)


@pytest.fixture
def other_log(app: APIFlask, database: TestDatabase, new_tenant: Callable[..., TestTenant]) -> Log:
    """The log of another tenant."""
    made = new_tenant()
    return Log(database, made, everything(made))
