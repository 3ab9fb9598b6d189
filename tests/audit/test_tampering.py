"""Tampering: whatever a superuser changes past the triggers, verify names it, and nothing else."""

import pytest

from careapp.audit.anchors import Anchor
from tests.audit.conftest import Log

AS_IT_WAS = (
    "INSERT INTO audit_event (tenant_id, at, xid, actor, action, outcome, subject, patients, detail, purpose, id)"
    " OVERRIDING SYSTEM VALUE SELECT tenant_id, {at}, {xid}, 'user:666', action, outcome, subject, patients, detail,"
    " purpose, {id} FROM audit_event WHERE tenant_id = %(tenant)s AND id = %(id)s"
)
EDITS = {
    "actor": "'user:666'",
    "on_behalf_of": "'user:666'",
    "purpose": "'ETREAT'",
    "action": "'patient.read'",
    "outcome": "'seen'",
    "subject": "'PTY-2026-999999'",
    "request_id": "'other'",
    "detail": "'{\"count\": 1}'",
    "xid": "(xid::text::bigint + 1)::text::xid8",
    "xid ": "'1'",
}


def test_an_untouched_log_is_clean_and_says_what_waits(log: Log) -> None:
    assert log.report()[0].rows == 0
    log.sealed()
    log.sealed(2)
    log.write(4)
    report, findings = log.report()
    assert findings == []
    assert (report.rows, report.seals, report.waiting) == (9, 2, 4)
    assert log.seal() == 4
    report, findings = log.report(log.anchor())
    assert (findings, report.waiting) == ([], 0)


@pytest.mark.parametrize("column", EDITS)
def test_an_edited_row_is_named(log: Log, column: str) -> None:
    _, second, _ = log.sealed()
    log.sealed()
    edit = f"UPDATE audit_event SET {column} = {EDITS[column]} WHERE tenant_id = %(tenant)s AND id = %(id)s"
    assert log.tamper(edit, id=second) == 1
    [finding] = log.verify()
    assert (finding.kind, finding.number) == ("changed", second)
    assert str(second) in finding.text


def test_a_row_with_other_patients_is_named_and_so_is_his_log(log: Log) -> None:
    _, second, _ = log.sealed()
    log.tamper(
        "UPDATE audit_event SET patients = ARRAY['PTY-2026-999999'] WHERE tenant_id = %(tenant)s AND id = %(id)s",
        id=second,
    )
    found = {(one.kind, one.number) for one in log.verify()}
    assert found == {("changed", second), ("patient missing", second), ("patient extra", second)}


def test_a_re_dated_row_is_named(log: Log) -> None:
    first, *_ = log.sealed()
    for table, number in (("audit_event", "id"), ("audit_patients", "event_id")):  # both, as a careful hand would
        log.tamper(
            f"UPDATE {table} SET at = at - interval '7 days' WHERE tenant_id = %(tenant)s AND {number} = %(id)s",
            id=first,
        )
    [finding] = log.verify()
    assert (finding.kind, finding.number) == ("changed", first)


def test_a_deleted_row_is_named(log: Log) -> None:
    _, second, third = log.sealed()
    for number in (second, third):
        for table, column in (("audit_event", "id"), ("audit_patients", "event_id")):
            log.tamper(f"DELETE FROM {table} WHERE tenant_id = %(tenant)s AND {column} = %(id)s", id=number)
    assert [(one.kind, one.number) for one in log.verify()] == [("deleted", second), ("deleted", third)]


@pytest.mark.parametrize(("new", "xid"), [("-7", "xid"), ("999999999999", "xid"), ("-7", "'0'")])
def test_an_inserted_row_is_named(log: Log, new: str, xid: str) -> None:
    first, *_ = log.sealed()
    log.tamper(AS_IT_WAS.format(at="at", xid=xid, id=new), id=first)
    kinds = {(one.kind, one.number) for one in log.verify()}
    assert ("inserted", int(new)) in kinds
    assert kinds <= {("inserted", int(new)), ("patient missing", int(new))}


def test_a_second_row_of_the_same_number_is_named(log: Log) -> None:
    first, *_ = log.sealed()
    log.tamper(AS_IT_WAS.format(at="at + interval '1 s'", xid="xid", id="id"), id=first)
    assert ("changed", first) in {(one.kind, one.number) for one in log.verify()}


def test_rows_that_changed_places_are_named(log: Log) -> None:
    first, second, third = log.sealed()
    said = "subject, patients, detail"
    swap = (
        f"UPDATE audit_event e SET ({said}) = (SELECT {said} FROM audit_event o WHERE o.tenant_id = e.tenant_id"
        " AND o.id = %(first)s::bigint + %(third)s - e.id)"
        " WHERE tenant_id = %(tenant)s AND id IN (%(first)s, %(third)s)"
    )
    assert log.tamper(swap, first=first, third=third) == 2
    assert {one.number for one in log.verify() if one.kind == "changed"} == {first, third}
    assert second not in {one.number for one in log.verify()}


@pytest.mark.parametrize(
    "change",
    [
        "hash = sha256('x')", "prev = sha256('x')", "sealed_at = sealed_at - interval '1 day'", "digests = digests[2:]",
        "ids = ids[2:]", "ids[1] = 7", "digests[1] = sha256('x')", "xid_to = '99999999'", "xid_from = '1'",
        "after_id = 7", "chain = 2", "version = 2",
    ],
)  # fmt: skip
def test_a_changed_seal_is_named(log: Log, change: str) -> None:
    for _ in range(3):
        log.sealed(2)
    log.tamper(f"UPDATE audit_seal SET {change} WHERE tenant_id = %(tenant)s AND n = 2")
    assert ("seal", 2) in {(one.kind, one.number) for one in log.verify()}


def test_a_seal_redone_with_its_hash_breaks_the_next(log: Log) -> None:
    rows = log.sealed(2)
    log.sealed(2)
    log.tamper("UPDATE audit_event SET actor = 'user:666' WHERE tenant_id = %(tenant)s AND id = %(id)s", id=rows[0])
    log.tamper(
        "UPDATE audit_seal s SET digests[1] = (SELECT audit_digest(1, e) FROM audit_event e WHERE e.tenant_id ="
        " s.tenant_id AND e.id = s.ids[1]) WHERE tenant_id = %(tenant)s AND n = 1"
    )
    log.tamper("UPDATE audit_seal s SET hash = audit_seal_hash(s) WHERE tenant_id = %(tenant)s AND n = 1")
    assert [(one.kind, one.number) for one in log.verify()] == [("seal", 2)]


def test_a_seal_that_is_taken_out_is_missed(log: Log) -> None:
    for _ in range(3):
        log.sealed(1)
    log.tamper("DELETE FROM audit_seal WHERE tenant_id = %(tenant)s AND n = 2")
    found = {(one.kind, one.number) for one in log.verify()}
    assert ("seal", 3) in found
    assert {kind for kind, _ in found} == {"seal", "inserted"}


def test_a_tail_that_is_cut_off_shows_against_an_anchor_only(log: Log) -> None:
    log.sealed()
    kept = log.anchor()
    log.sealed()
    newest = log.anchor()
    cut = (
        "DELETE FROM {} WHERE tenant_id = %(tenant)s AND {} ="
        " ANY ((SELECT ids FROM audit_seal WHERE n = 2 AND tenant_id = %(tenant)s)::bigint[])"
    )
    log.tamper(cut.format("audit_event", "id"))
    log.tamper(cut.format("audit_patients", "event_id"))
    log.tamper("DELETE FROM audit_seal WHERE tenant_id = %(tenant)s AND n = 2")
    assert log.verify(kept) == []
    assert [(one.kind, one.number) for one in log.verify(kept, newest)] == [("cut off", 2)]
    log.sealed(1)  # the chain goes on from the cut
    [finding] = log.verify(kept, newest)
    assert (finding.kind, finding.number) == ("cut off", 2)
    assert "not the one" in finding.text


def test_another_tenants_anchor_says_nothing_of_this_one(log: Log) -> None:
    log.sealed()
    assert log.verify(Anchor("elsewhere", 7, "00" * 32)) == []


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ("DELETE FROM audit_patients WHERE tenant_id = %(tenant)s AND event_id = %(id)s", {"patient missing"}),
        (
            "INSERT INTO audit_patients SELECT tenant_id, 'PTY-2026-999999', at, event_id FROM audit_patients"
            " WHERE tenant_id = %(tenant)s AND event_id = %(id)s",
            {"patient extra"},
        ),
        (
            "UPDATE audit_patients SET patient = 'PTY-2026-999999' WHERE tenant_id = %(tenant)s AND event_id = %(id)s",
            {"patient missing", "patient extra"},
        ),
        (
            "UPDATE audit_patients SET at = at - interval '1 day' WHERE tenant_id = %(tenant)s AND event_id = %(id)s",
            {"patient missing", "patient extra"},
        ),
    ],
)
def test_the_log_by_patient_is_compared_as_well(log: Log, change: str, kinds: set[str]) -> None:
    _, second, _ = log.sealed()
    assert log.tamper(change, id=second) == 1
    findings = log.verify()
    assert {one.kind for one in findings} == kinds
    assert {one.number for one in findings} == {second}


def test_what_is_wrong_with_one_tenant_is_not_said_of_another(log: Log, other_log: Log) -> None:
    first, *_ = log.sealed()
    other_log.sealed()
    log.tamper("UPDATE audit_event SET actor = 'user:666' WHERE tenant_id = %(tenant)s AND id = %(id)s", id=first)
    assert other_log.verify() == []
    assert len(log.verify()) == 1
