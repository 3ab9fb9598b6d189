"""A tenant on its way out in a crowd: a legal hold that is set at the same moment, and suspensions at once."""

from functools import partial
from typing import Any

import pytest

from careapp.access import Actor
from careapp.erasure import holds
from careapp.operations import tenant_deletion, tenants
from careapp.operations.tenant_deletion import NotDeleted
from tests import factories as make
from tests.database import TestDatabase
from tests.looking import one
from tests.races.crowd import Crowd, Meanwhile, done, refused

TOMBSTONE = "SELECT deleted_at IS NOT NULL FROM tenants WHERE id = :it"
HELD = "SELECT count(*) FROM legal_holds WHERE lifted_at IS NULL"


def test_no_tenant_is_deleted_beside_a_hold_that_is_being_set(
    god: Actor, crowd: Crowd, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = make.a_patient(god).locator

    def delete() -> NotDeleted | None:
        try:
            with tenant_deletion.alone(database.owner, god.tenant_id):
                tenant_deletion.begin(database.owner, god, by="The board", reason="It closed", export=None)
        except NotDeleted as refusal:
            return refusal
        return None

    deleting = Meanwhile(monkeypatch, holds, "record").do(delete)
    outcomes = crowd([partial(holds.set_hold, god, patient, reason="A court asks"), deleting])
    assert (one(god, HELD), one(god, TOMBSTONE, it=god.tenant_id)) == (1, False)
    assert "legal hold" in str(outcomes[1])


@pytest.mark.parametrize("act", [tenants.suspend, tenants.resume])
def test_a_tenant_is_suspended_and_let_in_again_once(
    god: Actor, crowd: Crowd, database: TestDatabase, act: Any
) -> None:
    given = {"by": "The board", "reason": "Unpaid"}
    if act is tenants.resume:
        tenants.suspend(database.owner, god, **given)
        given.pop("reason")
    outcomes = crowd([partial(act, database.owner, god, **given)] * 6)
    assert (len(done(outcomes)), set(refused(outcomes))) == (1, {"ALREADY_SO"})
    told = "SELECT count(*) FROM audit_event WHERE action = :it AND outcome = 'done'"
    assert one(god, told, it=f"tenant.{act.__name__}") == 1
