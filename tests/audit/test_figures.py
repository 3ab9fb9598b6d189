"""Figures of the chains: what waits for its seal, how far the seals are, and which newest ones are not right."""

import pytest

from careapp.audit import sealer
from careapp.jobs import upkeep
from careapp.telemetry import metrics
from tests.audit.conftest import Log


def test_they_tell_how_far_the_seals_are_and_what_waits(log: Log) -> None:
    before = sealer.figures(log.database.relay)
    log.write()
    assert sealer.figures(log.database.relay).unsealed_seconds > 0
    log.seal()
    log.sealed()
    after = sealer.figures(log.database.relay)
    assert after.seals - before.seals == 2


def test_the_gauges_are_theirs(log: Log) -> None:
    log.sealed()
    figures = sealer.figures(log.database.relay)
    upkeep.measure_audit(log.database.relay)
    assert metrics.REGISTRY.get_sample_value("careapp_audit_seals") >= figures.seals > 0
    upkeep.check_newest_seals(log.database.relay)
    assert metrics.REGISTRY.get_sample_value("careapp_audit_chains_broken") == sealer.broken_chains(log.database.relay)


@pytest.mark.parametrize(
    "change",
    ["UPDATE audit_seal SET ids[1] = ids[1] + 1 WHERE tenant_id = %(tenant)s AND n = 2",
     "UPDATE audit_seal SET hash = sha256('x') WHERE tenant_id = %(tenant)s AND n = 2",
     "UPDATE audit_seal SET sealed_at = sealed_at - interval '1 day' WHERE tenant_id = %(tenant)s AND n = 3",
     "DELETE FROM audit_seal WHERE tenant_id = %(tenant)s AND n = 2"],
)  # fmt: skip
def test_a_seal_that_was_changed_or_taken_out_is_seen(log: Log, change: str) -> None:
    for _ in range(3):
        log.sealed(1)
    before = sealer.broken_chains(log.database.relay)
    assert log.tamper(change) == 1
    assert sealer.broken_chains(log.database.relay) == before + 1
