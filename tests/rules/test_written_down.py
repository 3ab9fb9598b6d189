"""What ASVS wants written down is what the code does: keys, connections, limits, times, ways in, hashes."""

import ast
import re
from collections.abc import Iterator
from inspect import getmembers, isclass
from pathlib import Path

import pytest
from apiflask import APIFlask
from pydantic import SecretStr
from wtforms import PasswordField

import careapp
from careapp import paging
from careapp.config import Settings
from careapp.identity import attempts, service_clients
from careapp.identity.drafts import MOST_OF_A_USER
from careapp.surface import json_input, many_fields, slow_bodies
from careapp.web import forms
from careapp.wiring import LARGEST_BODY
from tests.conftest import ROOT
from tests.rules.test_routes import PUBLIC

HOME = Path(careapp.__file__).parent
SECURITY = ROOT / "docs" / "security"
OPERATING = (SECURITY / "operating.md").read_text(encoding="utf-8")
SIGN_IN = (SECURITY / "sign-in.md").read_text(encoding="utf-8")
OWN_NAMES = {"oauth_issuer", "jwt_issuer"}  # what this installation calls itself
SHA1_IN = "identity/known_passwords.py"  # lists of breached passwords are in SHA-1
EXCUSED = {"group.stem", "named[stored]", "statement", "make"}  # of lists in code; SQL of the command line by psycopg


def section(page: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    found = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", page, re.M | re.S)
    assert found, heading
    return found[1]


def setting_names(ending: str) -> list[str]:
    """The settings whose name ends so, as an operator writes them."""
    return [name.upper() for name in Settings.model_fields if name.endswith(ending) and name not in OWN_NAMES]


def test_every_secret_has_its_line_among_the_keys() -> None:
    """ASVS 5.0 11.1.1, 11.1.2, 13.3.4."""
    secret = [name.upper() for name, field in Settings.model_fields.items() if SecretStr in _kinds(field.annotation)]
    assert len(secret) >= 8
    keys = section(OPERATING, "Keys and secrets")
    assert [name for name in secret if f"`{name}`" not in keys] == []


def _kinds(annotation: object) -> tuple[object, ...]:
    return (annotation, *getattr(annotation, "__args__", ()))


def test_every_server_that_is_spoken_to_has_its_line_among_the_connections() -> None:
    """ASVS 5.0 13.1.1."""
    named = [*setting_names("_url"), *setting_names("_issuer"), *setting_names("_servers")]
    assert len(named) >= 7
    connections = section(OPERATING, "Connections")
    assert [name for name in named if f"`{name}`" not in connections] == []


def test_the_limits_are_those_of_the_code() -> None:
    """ASVS 5.0 2.1.3, 15.1.3."""
    limits = section(OPERATING, "Limits")
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    for said in (
        f"{defaults['rate_limit_person']:,} a person", f"{defaults['rate_limit_service']:,} a program",
        f"{defaults['rate_limit_address']:,} an unknown network address", f"{LARGEST_BODY // 1024**2} MiB",
        f"{json_input.DEEPEST} deep", f"{many_fields.MOST_FIELDS:,} fields",
        f"{paging.MAX_LIMIT} rows of the API", f"| {service_clients.MOST_CLIENTS} |",
        f"| {MOST_OF_A_USER}, ", f"{slow_bodies.PATIENCE:.0f} s for a body", f"{slow_bodies.PERMITS} at once",
    ):  # fmt: skip
        assert said in limits, said


def test_the_times_of_sessions_are_those_of_the_settings() -> None:
    """ASVS 5.0 6.1.1, 7.1.1."""
    of = {name: field.default for name, field in Settings.model_fields.items()}
    for said in (
        f"{of['session_idle_seconds'] // 60} minutes", f"{of['session_life_seconds'] // 3600} hours",
        f"{of['step_up_seconds'] // 60} minutes", str(attempts.FREE_FAILURES), str(attempts.ADDRESS_FAILURES),
    ):  # fmt: skip
        assert re.search(rf"\b{said}\b|\b{_in_words(said)}\b", SIGN_IN, re.I), said


def _in_words(said: str) -> str:
    number, _, unit = said.partition(" ")
    return f"{ {'5': 'five', '12': 'twelve', '15': 'fifteen', '20': 'twenty'}.get(number, number) } {unit}".strip()


def test_every_way_in_is_written_down(app: APIFlask) -> None:
    """ASVS 5.0 6.1.3: whatever gives a session or a token to somebody who has none."""
    ways = ("sign_in", "federation", "second_stage", "oauth", "backchannel")
    rules = [rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.split(".")[0] in ways]
    public = [rule for rule in app.url_map.iter_rules() if rule.endpoint in PUBLIC and rule.rule in rules]
    pages = SIGN_IN + (SECURITY / "api-tokens.md").read_text(encoding="utf-8")
    assert len(public) >= 10
    assert sorted({rule.rule for rule in public if f"{rule.rule}`" not in pages and f"{rule.rule}?" not in pages}) == []


def test_what_anybody_may_see_is_written_down(app: APIFlask) -> None:
    """ASVS 5.0 13.4.5: every public address, and none that is no more."""
    readme = (SECURITY / "README.md").read_text(encoding="utf-8")
    [row] = re.findall(r"^\| anybody \|.*$", readme, re.M)
    said = re.findall(r"`(/[^`]+)`", row)
    public = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint in PUBLIC}
    assert {rule for rule in public if not any(rule == one or rule.startswith(f"{one}/") for one in said)} == set()
    assert {one for one in said if not any(rule == one or rule.startswith(f"{one}/") for rule in public)} == set()


def form_classes() -> Iterator[tuple[str, type]]:
    """All forms by name."""
    for path in Path(forms.__file__).parent.glob("*.py"):
        module = __import__(f"careapp.web.forms.{path.stem}", fromlist=["x"])
        yield from ((name, one) for name, one in getmembers(module, isclass) if issubclass(one, forms.fields.CareForm))


def test_every_password_is_typed_masked() -> None:
    """ASVS 5.0 6.2.6; and nothing else is, so that no field is masked by mistake."""
    seen = set()
    for name, form in form_classes():
        for field in dir(form):
            unbound = getattr(form, field, None)
            kind = getattr(unbound, "field_class", None)
            if kind is not None:
                assert issubclass(kind, PasswordField) == ("password" in field), (name, field)
                seen.add(field)
    assert {"password", "old_password", "new_password"} <= seen


def names_of_calls(tree: ast.AST, module: str) -> set[str]:
    """What is taken from a module in this code, as `module.name` or imported by name."""
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _named(node.value, module)}
    return used | {
        one.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == module
        for one in node.names
    }  # fmt: skip


def _named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def test_hashes_are_sha_256() -> None:
    """ASVS 5.0 11.4.1, 11.4.3, 11.2.1: SHA-256 of the standard library, in full length; SHA-1 for one foreign list."""
    for place, tree in modules():
        allowed = {"sha256", "sha1"} if place == SHA1_IN else {"sha256"}
        assert names_of_calls(tree, "hashlib") <= allowed, place
        assert names_of_calls(tree, "hmac") <= {"compare_digest", "new", "digest"}, place


def test_no_regular_expression_and_no_format_comes_from_outside() -> None:
    """ASVS 5.0 1.2.9, 1.3.10: what a function compiles or fills in is a text of the code, or a constant in capitals."""
    for place, tree in modules():
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for call in (node for function in functions for node in ast.walk(function) if isinstance(node, ast.Call)):
            if not isinstance(call.func, ast.Attribute):
                continue
            if _named(call.func.value, "re") and call.args:
                assert is_fixed(call.args[0]), (place, ast.unparse(call))
            if call.func.attr in ("format", "format_map"):
                assert is_fixed(call.func.value) or isinstance(call.func.value, ast.Call), (place, ast.unparse(call))


def modules() -> Iterator[tuple[str, ast.Module]]:
    """All modules of the application, parsed, by their path in it."""
    for path in sorted(HOME.rglob("*.py")):
        yield path.relative_to(HOME).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def is_fixed(node: ast.expr) -> bool:
    """Whether an expression is made of the code's own texts: a text, a constant in capitals, or an excused one."""
    if isinstance(node, ast.JoinedStr):
        return all(is_fixed(part.value) for part in node.values if isinstance(part, ast.FormattedValue))
    if isinstance(node, ast.BinOp):
        return is_fixed(node.left) and is_fixed(node.right)
    return isinstance(node, ast.Constant) or ast.unparse(node).split(".")[-1].isupper() or ast.unparse(node) in EXCUSED


@pytest.mark.parametrize("code", ["re.compile(text)", "text.format(1)", "re.match(f'{text}', x)", "re.sub('a' + b, c)"])
def test_the_rule_sees(code: str) -> None:
    call = ast.parse(code).body[0].value  # type: ignore[attr-defined]
    assert not is_fixed(call.func.value if "format" in code else call.args[0])
