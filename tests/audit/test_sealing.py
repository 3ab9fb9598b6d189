"""Sealing: nothing is left out under late commits, idle tenants get no seal, and it goes on after a restore."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from careapp import localdb
from careapp.audit import sealer
from tests.audit.conftest import Log
from tests.jobs.relays import PATIENCE_SECONDS

WRITE = (
    "INSERT INTO audit_event (tenant_id, actor, action, outcome, patients, detail)"
    " SELECT %(tenant)s, 'test', 'test.act', 'done', '{}', '{}' FROM generate_series(1, %(rows)s)"
)
WRITERS, TRANSACTIONS = 8, 40


def as_app(log: Log) -> psycopg.Connection[Any]:
    """A connection of the app role, bound to the log's tenant."""
    connection = psycopg.connect(localdb.libpq_url(log.database.app))
    connection.execute("SELECT set_config('app.tenant_id', %s, false)", [str(log.tenant.id)])
    connection.commit()
    return connection


def seals(log: Log, columns: str) -> list[tuple[Any, ...]]:
    """The links of the tenant's chain."""
    with sealer.connected(log.database.relay) as connection:
        statement = f"SELECT {columns} FROM audit_seal WHERE tenant_id = %s ORDER BY n"
        return connection.execute(statement, [log.tenant.id]).fetchall()


def test_eight_writers_who_commit_late_and_two_sealers_leave_no_gap(log: Log) -> None:
    over, enough = threading.Event(), threading.Event()
    turn = threading.Barrier(WRITERS)
    parts: list[int] = []

    def write(number: int) -> None:
        """Every writer's transactions are open while all others write, and commit in another order than they began.

        They go on until some were sealed meanwhile: that waits for each older transaction of the whole server.
        """
        ends = time.monotonic() + PATIENCE_SECONDS
        with as_app(log) as connection:
            for count in itertools.count():
                if count >= TRANSACTIONS and (enough.wait(0.05) or time.monotonic() > ends):
                    return
                connection.execute(WRITE, {"tenant": log.tenant.id, "rows": 1 + number % 3})
                if count % 4 == 0 and count < TRANSACTIONS:
                    turn.wait(PATIENCE_SECONDS)
                    threading.Event().wait(0.002 * ((number * 7 + count) % WRITERS))
                (connection.rollback if (number + count) % 10 == 9 else connection.commit)()

    def keep_sealing(_: int) -> int:
        sealed = 0
        with sealer.connected(log.database.relay) as connection:
            while not over.is_set():
                if part := sealer.seal(connection, log.tenant.id):
                    sealed += part
                    parts.append(part)
                if len(parts) > 3:
                    enough.set()
        return sealed

    with ThreadPoolExecutor(WRITERS + 2) as pool:
        sealing = [pool.submit(keep_sealing, number) for number in range(2)]
        try:
            list(pool.map(write, range(WRITERS)))
        finally:
            over.set()
        sealed = sum(one.result() for one in sealing)
    sealed += log.seal()
    report, findings = log.report()
    assert findings == []
    assert (report.waiting, report.rows) == (0, sealed)
    assert report.seals > 3, "the sealers sealed while the writers wrote"
    numbers = [number for (ids,) in seals(log, "ids") for number in ids]
    assert len(numbers) == len(set(numbers)) == sealed


def test_what_is_not_committed_waits_and_nothing_behind_it_is_sealed(log: Log) -> None:
    log.sealed(1)
    with as_app(log) as late:
        late.execute(WRITE, {"tenant": log.tenant.id, "rows": 2})
        log.write(2)
        with sealer.connected(log.database.relay) as connection:
            assert sealer.seal(connection, log.tenant.id) == 0
        assert log.report()[0].waiting == 2
        late.commit()
    assert log.seal() == 4
    assert log.verify() == []


def test_an_idle_tenant_gets_no_seal(log: Log) -> None:
    log.sealed(1)
    assert log.seal() == 0
    assert len(seals(log, "n")) == 1


def test_much_at_once_is_sealed_in_parts_and_no_transaction_is_parted(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealer, "ROWS_OF_A_SEAL", 10)
    with as_app(log) as connection:
        for rows in (4, 4, 4, 30, 4, 4):
            connection.execute(WRITE, {"tenant": log.tenant.id, "rows": rows})
            connection.commit()
    assert log.seal() == 50
    assert seals(log, "cardinality(ids)") == [(12,), (38,)]
    assert log.verify() == []


def test_every_tenant_is_sealed_though_one_cannot_be(log: Log, other_log: Log) -> None:
    log.sealed()
    log.tamper("UPDATE audit_seal SET xid_to = '9223372036854775807' WHERE tenant_id = %(tenant)s")  # as if restored
    log.write(1)
    other_log.write(2)
    with capture_logs() as logs:
        while other_log.report()[0].waiting:
            sealer.seal_all(log.database.relay)
    assert {entry["tenant"] for entry in logs if entry["event"] == "audit not sealed"} == {log.tenant.key}
    assert other_log.report()[0].seals >= 1


def restored(log: Log) -> None:
    """Make the log look like one whose transactions were numbered by another server, far ahead of this one."""
    log.tamper("UPDATE audit_event SET xid = (xid::text::bigint + 4000000000)::text::xid8 WHERE tenant_id = %(tenant)s")
    log.tamper(
        "UPDATE audit_seal s SET xid_to = (xid_to::text::bigint + 4000000000)::text::xid8, digests = (SELECT"
        " array_agg(audit_digest(1, e) ORDER BY e.id) FROM audit_event e WHERE e.tenant_id = s.tenant_id"
        " AND e.id = ANY (s.ids)) WHERE tenant_id = %(tenant)s"
    )
    log.tamper("UPDATE audit_seal s SET hash = audit_seal_hash(s) WHERE tenant_id = %(tenant)s")


def test_after_a_restore_a_new_chain_goes_on_from_the_old(log: Log) -> None:
    log.sealed(3)
    log.write(2)  # in the dump, and never sealed
    restored(log)
    assert log.verify() == []
    with sealer.connected(log.database.relay) as connection:
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="restored"):
            sealer.seal(connection, log.tenant.id)
        assert sealer.new_chain(connection, log.tenant.id) == 2
    assert log.report()[0].waiting == 0
    first, *_ = log.sealed(3)
    report, findings = log.report()
    assert (findings, report.seals, report.rows) == ([], 3, 8)
    assert seals(log, "chain, cardinality(ids)") == [(1, 3), (2, 2), (2, 3)]
    log.tamper("UPDATE audit_event SET actor = 'user:666' WHERE tenant_id = %(tenant)s AND id = %(id)s", id=first)
    assert [(one.kind, one.number) for one in log.verify()] == [("changed", first)]
    log.tamper("DELETE FROM audit_seal WHERE tenant_id = %(tenant)s AND n = 2")
    assert ("seal", 3) in {(one.kind, one.number) for one in log.verify()}
