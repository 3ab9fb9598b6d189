"""What the application asks of PostgreSQL ends with its transaction, as a pooler gives the next one another session."""

import ast
import re

import pytest

from tests.rules.test_code_rules import FILES, source, texts

# With connections of their own, as roles that never go through a pooler: owner, relay, backup, superuser.
DIRECT = re.compile(
    r"(localdb|cli|jobs)/|outbox/(relay|drain|upkeep|kafka_sender)\.py|audit/|terminology/loading\.py"
    r"|operations/indexes\.py"  # which migrations call
    r"|operations/tenant_deletion\.py|partitions\.py"
)

OUTLIVES = {
    "a setting of the session": r"^\s*SET\s+(?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b)\w+(\.\w+)?\s*(=|\bTO\b)",
    "a setting of the session, by function": r"\bset_config\([^()]*,\s*false\s*\)",
    "a lock of the session": r"\bpg_(try_)?advisory_(un)?lock(_shared|_all)?\(",
    "a listener": r"^\s*(UN)?LISTEN\s+\S+\s*$",
    "a prepared statement": r"^\s*(PREPARE|DEALLOCATE)\s+\w",
    "a cursor that outlives its transaction": r"\bWITH HOLD\b",
    "a temporary table": r"\bCREATE\s+TEMP(ORARY)?\b(?!.*ON COMMIT DROP)",
}


def faults(code: str) -> list[str]:
    """What a module asks for that the next transaction would not find, or somebody else's would."""
    parts = [part for said in texts(ast.parse(code)) for part in said.split(";")]
    return [name for name, pattern in OUTLIVES.items() if any(re.search(pattern, part, re.I | re.S) for part in parts)]


@pytest.mark.parametrize("file", [file for file in FILES if not DIRECT.match(file)])
def test_nothing_outlives_a_transaction(file: str) -> None:
    assert faults(source(file)) == []


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("SET timezone = 'UTC'", "a setting of the session"),
        ("SET app.tenant_id TO '7'", "a setting of the session"),
        ("SELECT set_config('app.tenant_id', :tenant, false)", "a setting of the session, by function"),
        ("SELECT pg_try_advisory_lock(1)", "a lock of the session"),
        ("LISTEN outbox", "a listener"),
        ("DEALLOCATE ALL", "a prepared statement"),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "a cursor that outlives its transaction"),
        ("CREATE TEMP TABLE t (a int)", "a temporary table"),
    ],
)
def test_the_rule_notices_what_it_is_for(said: str, named: str) -> None:
    assert faults(f"run({said!r})") == [named]


@pytest.mark.parametrize(
    "said",
    [
        "SET LOCAL lock_timeout = '5s'", "SELECT set_config('lock_timeout', '2s', true)", "SET TRANSACTION READ ONLY",
        "UPDATE outbox\nSET parked_at = now()", "SELECT pg_advisory_xact_lock(1)",
        "CREATE TEMP TABLE t (a int) ON COMMIT DROP",
    ],
)  # fmt: skip
def test_the_rule_leaves_alone_what_ends_with_it(said: str) -> None:
    assert faults(f"run({said!r})") == []
