"""Rules of the code itself, read from its syntax: where a commit may stand, how long things are, what says what."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "careapp"
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))

# The only place that ends a transaction of the application, and what it does that by.
MAY_COMMIT = {"commands.py", "transactions.py"}
LONGEST_MODULE, LONGEST_FUNCTION, LONGEST_VIEW = 300, 40, 25
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def source(file: str) -> str:
    return (ROOT / file).read_text()


def commits(tree: ast.AST) -> list[int]:
    """The lines that call something's commit()."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
    return [call.lineno for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "commit"]


def texts(tree: ast.AST) -> Iterator[str]:
    """All texts in the code, docstrings included."""
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def writes_outbox(tree: ast.AST) -> bool:
    """Whether the code inserts into the outbox: in SQL, or by a helper that is given its table."""
    helpers = {"insert", "insert_many", "insert_unless_clash", "postgres_insert"}
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    by_helper = any(
        isinstance(call.func, ast.Name) and call.func.id in helpers and "OutboxEvent" in ast.dump(call)
        for call in calls
    )
    return by_helper or any(re.search(r"\binsert\s+into\s+(care\.)?outbox\b(?!_)", text, re.I) for text in texts(tree))


def functions(tree: ast.AST) -> Iterator[Function]:
    """All functions, those inside others too."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length(node: Function) -> int:
    """Lines from the signature to the end; decorators do not count."""
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def public_without_docstring(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    """Public functions, classes and methods that do not say what they mean; what stands inside a function may."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from public_without_docstring(node.body, f"{node.name}.")


def is_view(file: str) -> bool:
    """Whether a file holds views of pages or handlers of the API."""
    return file.split("/")[0] in {"web", "api", "internal"}


@pytest.mark.parametrize("file", FILES)
def test_a_module_keeps_to_the_rules(file: str) -> None:
    code = source(file)
    tree = ast.parse(code)
    assert code.startswith(('"""', "#")), "the first line says what the file is for"
    assert code.count("\n") <= LONGEST_MODULE
    longest = LONGEST_VIEW if is_view(file) else LONGEST_FUNCTION
    assert [(node.name, length(node)) for node in functions(tree) if length(node) > longest] == []
    assert list(public_without_docstring(tree.body)) == []
    assert UNFINISHED.findall(code) == []
    assert not commits(tree) or file in MAY_COMMIT, "only the outermost command commits"
    assert not writes_outbox(tree) or file == "outbox/writer.py", "events are published, not inserted"


def test_the_rules_notice_what_they_are_for() -> None:
    bad = ast.parse('def act():\n    db.session.commit()\n    run("INSERT INTO outbox (topic) VALUES (1)")\n')
    assert (commits(bad), writes_outbox(bad)) == ([2], True)
    assert list(public_without_docstring(bad.body)) == ["act"]
    assert writes_outbox(ast.parse("insert_many(OutboxEvent, rows)"))
    assert not writes_outbox(ast.parse('run("INSERT INTO outbox_head VALUES (1)")'))
    assert UNFINISHED.search("# " + "TODO later")


def test_commits_stand_where_they_are_named() -> None:
    assert {file for file in FILES if commits(ast.parse(source(file)))} <= MAY_COMMIT
    assert commits(ast.parse(source("commands.py")))


def test_no_other_place_ends_a_transaction_by_sql() -> None:
    ending = re.compile(r"^\s*(commit|begin|rollback)\s*;?\s*$", re.I)
    found = {file for file in FILES if any(ending.match(text) for text in texts(ast.parse(source(file))))}
    assert found == {"prepared.py"}  # which rolls back just before the driver does, on its behalf, and to savepoints


# Where an actor's clinics are compared with others, and a page that names them to himself.
KNOWS_CLINICS = {"disclosure/scope.py", "overviews/account.py"}


def uses_of_clinics(tree: ast.AST) -> list[int]:
    """The lines that do more with an actor's clinics than ask whether he has a scope at all."""
    asked = {
        id(node.left) for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and all(isinstance(one, ast.Is | ast.IsNot) for one in node.ops)
    }  # fmt: skip
    return [
        node.lineno for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "clinic_ids" and id(node) not in asked
        and isinstance(node.value, ast.Name) and node.value.id == "actor"
    ]  # fmt: skip


def test_the_clinic_scope_is_decided_in_one_place() -> None:
    assert {file for file in FILES if uses_of_clinics(ast.parse(source(file)))} == KNOWS_CLINICS
    assert uses_of_clinics(ast.parse("mine = row.clinic_id in actor.clinic_ids")) == [1]
    assert uses_of_clinics(ast.parse("scoped = actor.clinic_ids is not None")) == []


def statements_not_kept(tree: ast.AST) -> list[str]:
    """Functions that build a statement once, by their return type, and do not keep it."""
    return [
        one.name for one in functions(tree)
        if one.returns and re.match(r"(Select|CompoundSelect|Returning\w+)\b", ast.unparse(one.returns))
        and any("cache" in ast.unparse(decorator) for decorator in one.decorator_list)
    ]  # fmt: skip


def test_a_kind_of_reader_comes_of_a_reader() -> None:
    """A condition that is built for another kind than its values are of could open what he may not see."""
    assert [file for file in FILES if re.search(r"\bKind\(", source(file))] == ["disclosure/rules.py"]


def bound_limits(tree: ast.AST) -> list[int]:
    """The lines that limit a statement by a number that is bound: PostgreSQL would plan such a statement anew each time
    it runs (`at_most`). A page's length, which whoever asks chooses, is a parameter with a name.
    """
    return [
        node.lineno for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "limit"
        and not ast.unparse(node.args[0]).startswith(("at_most(", "bindparam("))
    ]  # fmt: skip


def test_constant_limits_stand_in_statements() -> None:
    assert {file: found for file in FILES if (found := bound_limits(ast.parse(source(file))))} == {}
    assert bound_limits(ast.parse("some.limit(3).limit(MOST).limit(at_most(3)).limit(bindparam('n'))")) == [1, 1]


def test_what_is_built_once_is_kept() -> None:
    assert [name for file in FILES for name in statements_not_kept(ast.parse(source(file)))] == []
    assert statements_not_kept(ast.parse("@cache\ndef rows() -> Select[Any]: ...")) == ["rows"]
