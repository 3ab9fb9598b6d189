"""Every refusal of the domain has its sentence in the words of pages, so that it can be said in any language."""

import ast
from collections.abc import Iterator

from careapp.errors import Invalid, Refusal
from careapp.web.refusals import RULES
from tests.conftest import ROOT

SAID_ELSEWHERE = {
    "STALE_VERSION": "refusals.STALE",
    "CONFIRM_FIRST": "leads to a page that asks",
    "NEW_PASSWORD_NEEDED": "leads to a page that asks",
    "FACTOR_NEEDED": "leads to a page that asks",
    "CHECKS_WARN": "an Invalid: beside its field",
    "LIKELY_DUPLICATE": "the form shows who it may be",
    "CONFLICT": "no refusal is without a code of its own",
    "NOT_READY": "of the health address",
    "VERSION_REQUIRED": "of the JSON surfaces: every form has its version",
}
# What no page shows; and web, whose refusals are in the reader's language from the start.
LEFT_OUT = ("api", "internal", "fhir", "cli", "web")


def kinds() -> Iterator[type[Refusal]]:
    """All refusals but Invalid, whose texts stand beside their fields."""
    todo = list(Refusal.__subclasses__())
    while todo:
        kind = todo.pop()
        if not issubclass(kind, Invalid):
            yield kind
            todo += kind.__subclasses__()


def codes() -> set[str]:
    """Every code a refusal has by its kind, or is raised with."""
    names = {kind.__name__ for kind in kinds()} | {"__init__"}
    found = {kind.code for kind in kinds()}
    for path in (ROOT / "careapp").rglob("*.py"):
        if path.relative_to(ROOT / "careapp").parts[0] in LEFT_OUT:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in names:
                given = [one.value for one in node.keywords if one.arg == "code"]
                found |= {str(one.value) for one in given if isinstance(one, ast.Constant)}
    return found


def test_every_code_has_its_sentence() -> None:
    found = codes()
    assert {"SLOT_UNAVAILABLE", "RESTRICTED", "OTHER_TENANT"} <= found, "codes are not found: nothing is compared"
    assert found - SAID_ELSEWHERE.keys() == found & RULES.keys(), sorted(found - SAID_ELSEWHERE.keys() - RULES.keys())


def test_every_text_beside_a_field_can_be_told_in_another_language() -> None:
    found = list(beside_fields())
    assert len(found) > 30, "texts are not found: nothing is looked at"
    plain = [f"{path}:{text.lineno}" for path, text in found if isinstance(text, ast.Constant | ast.JoinedStr)]
    assert plain == [], "say these with errors.Sentence"


def beside_fields() -> Iterator[tuple[str, ast.expr]]:
    """What the domain tells of fields: the texts in Invalid({…}), and those put into a dict that becomes one."""
    for path in (ROOT / "careapp").rglob("*.py"):
        inside = path.relative_to(ROOT / "careapp")
        if inside.parts[0] in (*LEFT_OUT, "surface"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            texts: list[ast.expr] = []
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "Invalid"
                and isinstance(node.args[0], ast.Dict)
            ):
                of_programs = [ast.unparse(one) == "'Idempotency-Key'" for one in node.args[0].keys if one]
                texts = [] if any(of_programs) else node.args[0].values
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith(("errors", "faults")):
                texts = node.value.values if isinstance(node.value, ast.Dict) else [node.value]
            for text in texts:
                for one in [text.body, text.orelse] if isinstance(text, ast.IfExp) else [text]:
                    yield str(inside), one
