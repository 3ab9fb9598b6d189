"""Migrations only add: the version before goes on serving on the new schema. What must take away says why it may."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

VERSIONS = Path(__file__).resolve().parents[2] / "migrations" / "versions"
SINCE = "0007"  # those before were never run under load
TAKES_AWAY = {"drop_table", "drop_column", "drop_constraint", "drop_index", "rename_table"}
IN_SQL = re.compile(
    r"\b(drop\s+(table|column|constraint|index)|rename\s+(to|column)|alter\s+(column\s+)?\w+\s+(type|set\s+not\s+null)"
    r"|lock\s+table)\b", re.I,
)  # fmt: skip

# What takes something away all the same: how often, and why the version before does not notice.
ALLOWED = {
    "0007": (6, "the audit log becomes a partition of a table with its old name, in one short transaction"),
    "0020": (1, "the function by which jobs drop days of what was sent"),
    "0021": (1, "an index that another one takes the place of; the version before finds that one as good"),
    "0023": (10, "the appointments become a partition of a table with their old name, in one short transaction"),
    "0024": (2, "indexes that others take the place of and the names of; the version before finds those as good"),
}

FILES = sorted(path for path in VERSIONS.glob("[0-9]*.py") if path.name[:4] >= SINCE)


def upward(tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes of all but downgrade() and what only it uses by name."""
    for node in tree.body:
        if not (isinstance(node, ast.FunctionDef) and node.name == "downgrade"):
            yield from ast.walk(node)


def taken_away(source: str) -> list[str]:
    """What a migration drops, renames, narrows or locks on its way up."""
    found = []
    for node in upward(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            narrows = ast.unparse(named.get("nullable", ast.Constant(True))) == "False" or "type_" in named
            renames = "new_column_name" in named
            if called in TAKES_AWAY or (called == "alter_column" and (narrows or renames)):
                found.append(ast.unparse(node)[:80])
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [match[0] for match in IN_SQL.finditer(node.value)]
    return found


def added_without_default(source: str) -> list[str]:
    """Columns added to a table that the version before cannot fill: NOT NULL and no default."""
    found = []
    for node in upward(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_column":
            told = ast.unparse(node)
            if "nullable=False" in told and "server_default" not in told and "Computed" not in told:
                found.append(told[:80])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_migration_takes_nothing_away(path: Path) -> None:
    found = taken_away(path.read_text())
    assert len(found) == ALLOWED.get(path.name[:4], (0, ""))[0], found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_version_before_can_still_insert(path: Path) -> None:
    assert added_without_default(path.read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        'op.drop_column("patients", "x")', 'drop_index("patients_x")',
        'op.execute("ALTER TABLE patients DROP COLUMN x")',
        'op.alter_column("patients", "x", nullable=False)', 'op.alter_column("patients", "x", new_column_name="y")',
        'op.execute("ALTER TABLE patients RENAME COLUMN x TO y")', 'op.execute("ALTER TABLE p ALTER x SET NOT NULL")',
    ],
)  # fmt: skip
def test_the_rule_sees_what_takes_away(line: str) -> None:
    assert taken_away(f"def upgrade():\n    {line}\n") != []
    assert taken_away(f"def downgrade():\n    {line}\n") == []


def test_the_rule_sees_a_column_without_a_default() -> None:
    line = 'op.add_column("patients", sa.Column("x", sa.Text(), nullable=False))'
    assert added_without_default(f"def upgrade():\n    {line}\n") != []
