"""Keeping the log: partitions ahead, anchors outside, months that go, and the commands for all of it."""

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from apiflask import APIFlask
from click.testing import Result
from structlog.testing import capture_logs

from careapp import localdb
from careapp.audit.anchors import Anchor, read_anchors
from careapp.jobs.upkeep import anchor_audit
from careapp.partitions import make_ahead
from tests.audit.conftest import Log
from tests.looking import audits, events, rows

Run = Callable[..., Result]
OLD = "audit_event_2014_03"


@pytest.fixture
def run(app: APIFlask) -> Run:
    """run("verify", …) is `flask audit verify …`."""
    return lambda *words, typed="": app.test_cli_runner().invoke(args=["audit", *words], input=typed)


def test_months_ahead_are_made_once_and_rows_of_no_month_are_kept(log: Log) -> None:
    make_ahead(log.database.relay)  # what a day adds that has begun since the database was made
    with psycopg.connect(localdb.libpq_url(log.database.owner), autocommit=True) as owner:
        ahead = "SELECT max(relname) FROM pg_class WHERE relname ~ '^audit_event_[0-9]{4}_[0-9]{2}$'"
        [(last,)] = owner.execute(ahead).fetchall()
        for parent in ("audit_event", "audit_patients"):
            owner.execute(f"DROP TABLE {str(last).replace('audit_event', parent)}")
    assert make_ahead(log.database.relay) == [last, str(last).replace("audit_event", "audit_patients")]
    assert make_ahead(log.database.relay) == []
    written = log.sealed(2)
    assert log.tamper("UPDATE audit_event SET at = '2001-02-03' WHERE tenant_id = %(tenant)s") == 2
    place = "SELECT DISTINCT tableoid::regclass::text FROM audit_event"
    assert [row[0] for row in rows(log.god, place)] == ["audit_event_other"]
    assert {one.number for one in log.verify()} == set(written)
    log.tamper("DELETE FROM audit_event WHERE tenant_id = %(tenant)s")
    log.tamper("DELETE FROM audit_patients WHERE tenant_id = %(tenant)s")


def test_an_anchor_leaves_as_an_event_and_as_a_line_of_the_log(log: Log, app: APIFlask, run: Run) -> None:
    log.sealed()
    newest = log.anchor()
    with capture_logs() as logs:
        anchor_audit()
    [event] = [one for one in events(log.god) if one.topic == "care.audit.anchored"]
    assert event.key == log.tenant.key
    assert (event.envelope["data"]["n"], event.envelope["data"]["hash"]) == (newest.n, newest.hash)
    [line] = [one for one in logs if one["event"] == "audit anchored" and one["tenant"] == log.tenant.key]
    assert (line["n"], line["hash"]) == (newest.n, newest.hash)
    row = audits(log.god)[-1]
    assert (row.actor, row.action, row.purpose) == ("jobs", "audit.anchor", "HSYSADMIN")
    printed = run("anchors").output
    assert f"{log.tenant.key} {newest.n} {newest.hash}\n" in printed
    assert newest in read_anchors(printed)
    assert read_anchors(json.dumps(event.envelope)) == read_anchors(json.dumps(line)) == [newest]


def test_a_tenant_without_a_seal_has_no_anchor(log: Log) -> None:
    anchor_audit()
    assert [one for one in events(log.god) if one.topic == "care.audit.anchored"] == []


@pytest.mark.parametrize(
    "text", ["demo 1", "demo x " + "00" * 32, "demo 1 00", "{}", '{"tenant": 1', "demo 0 " + "0" * 64]
)
def test_what_is_no_anchor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line 2 is no anchor"):
        read_anchors(f"\n{text}\n")


def test_the_command_names_tenant_and_row_and_ends_with_one(log: Log, run: Run, tmp_path: Path) -> None:
    first, *_ = log.sealed()
    kept = tmp_path / "anchors.txt"
    kept.write_text(log.anchor().line())
    log.write(2)
    clean = run("verify", "--tenant", log.tenant.key, "--anchors", str(kept))
    assert clean.exit_code == 0, clean.output
    assert "5 rows" in clean.output
    assert "2 not sealed yet" in clean.output
    log.tamper("UPDATE audit_event SET actor = 'user:666' WHERE tenant_id = %(tenant)s AND id = %(id)s", id=first)
    found = run("verify", "--tenant", log.tenant.key)
    assert found.exit_code == 1
    assert f"{log.tenant.key}: row {first} (seal 1) is not what was sealed" in found.output
    kept.write_text(Anchor(log.tenant.key, 9, "00" * 32).line())
    assert "cut off" in run("verify", "--tenant", log.tenant.key, "--anchors", str(kept)).output
    kept.write_text("nonsense")
    assert run("verify", "--anchors", str(kept)).exit_code == 1
    assert run("verify", "--tenant", "nobody").exit_code == 1
    assert "is not what was sealed" in run("new-chain", "--tenant", log.tenant.key).output


def test_a_new_chain_is_begun_only_by_who_types_whose(log: Log, run: Run) -> None:
    """Nothing takes a seal back."""
    log.sealed()
    before = log.anchor()
    for words, typed in (
        (["--tenant", log.tenant.key], "all"),
        ([], log.tenant.key),
        (["--tenant", log.tenant.key], ""),
    ):
        refused = run("new-chain", *words, typed=f"{typed}\n")
        assert (refused.exit_code, "a new chain begins" in refused.output) == (1, False), refused.output
        assert log.anchor() == before
    begun = run("new-chain", "--tenant", log.tenant.key, typed=f"{log.tenant.key}\n")
    assert f"{log.tenant.key}: a new chain begins after seal {before.n + 1}." in begun.output
    assert "3 rows, last seal" in begun.output, "who decides sees how the log stands"
    assert log.anchor().n == before.n + 1
    assert log.verify() == []


@pytest.fixture
def old_log(log: Log) -> Log:
    """A log with three rows of March 2014, two of today, and everything sealed."""
    with psycopg.connect(localdb.libpq_url(log.database.owner), autocommit=True) as owner:
        for parent in ("audit_event", "audit_patients"):
            part = OLD.replace("audit_event", parent)
            owner.execute(
                f"CREATE TABLE {part} PARTITION OF {parent} FOR VALUES FROM ('2014-03-01Z') TO ('2014-04-01Z')"
            )
            owner.execute("SELECT audit_protect_partition(%s)", [part])
    log.write(3)
    for table in ("audit_event", "audit_patients"):
        log.tamper(f"UPDATE {table} SET at = '2014-03-05Z' WHERE tenant_id = %(tenant)s")
    log.seal()
    log.sealed(2)
    return log


@pytest.fixture(autouse=True)
def _no_old_months(request: pytest.FixtureRequest) -> object:
    """What a refused retirement left is dropped."""
    yield
    if "old_log" in request.fixturenames:
        database = request.getfixturevalue("database")
        with psycopg.connect(localdb.libpq_url(database.owner), autocommit=True) as owner:
            for part in (OLD, OLD.replace("audit_event", "audit_patients")):
                owner.execute(f"DROP TABLE IF EXISTS {part}")


def test_a_month_goes_as_a_whole_and_the_chain_is_still_proven(old_log: Log, run: Run) -> None:
    retired = run("retire", "--before", "2014-04", "--by", "Records office")
    assert retired.exit_code == 0, retired.output
    assert f"{OLD}: 3 rows retired." in retired.output
    report, findings = old_log.report()
    assert findings == []
    assert [(one.part, one.rows, one.by) for one in report.retired] == [(OLD, 3, "Records office")]
    assert report.rows == 3  # two of today, and the one that tells of it
    told = audits(old_log.god)[-1]
    assert (told.action, told.subject, told.detail["rows"], told.detail["by"]) == (
        "audit.retire",
        OLD,
        3,
        "Records office",
    )
    assert old_log.seal() == 1
    assert "retired" in run("verify", "--tenant", old_log.tenant.key).output
    old_log.tamper("UPDATE audit_retired SET ids = '{}' WHERE tenant_id = %(tenant)s")
    assert {one.kind for one in old_log.verify()} == {"retired", "deleted"}


def test_a_retirement_that_the_log_does_not_tell_of_is_named(old_log: Log, run: Run) -> None:
    run("retire", "--before", "2014-04", "--by", "Records office")
    old_log.tamper("UPDATE audit_retired SET hash = sha256('x') WHERE tenant_id = %(tenant)s")
    assert [one.kind for one in old_log.verify()] == ["retired", "retired"]


def test_what_was_changed_or_is_not_sealed_or_is_young_stays(old_log: Log, run: Run) -> None:
    young = run("retire", "--before", "2026-01", "--by", "x")
    assert (young.exit_code, "must be kept" in young.output) == (1, True)
    written = old_log.write(1)[0]
    for table, column in (("audit_event", "id"), ("audit_patients", "event_id")):
        old_log.tamper(
            f"UPDATE {table} SET at = '2014-03-06Z' WHERE tenant_id = %(tenant)s AND {column} = %(id)s", id=written
        )
    waiting = run("retire", "--before", "2014-04", "--by", "x")
    assert (waiting.exit_code, "no seal holds yet" in waiting.output) == (1, True)
    old_log.seal()
    old_log.tamper("UPDATE audit_event SET actor = 'user:666' WHERE tenant_id = %(tenant)s AND id = %(id)s", id=written)
    changed = run("retire", "--before", "2014-04", "--by", "x")
    assert (changed.exit_code, "not what was sealed" in changed.output) == (1, True)
    assert old_log.report()[0].rows == 6
