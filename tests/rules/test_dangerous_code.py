"""What the code never does: what injection, unsafe parsing and code from data would need (ASVS 5.0 1.2, 1.3, 1.5)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "careapp"
MODULES = sorted(ROOT.rglob("*.py"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((ROOT / "static").glob("*.js"))

# Code or objects out of data, other parsers, directories and mail that this application has nothing to do with.
MODULES_REFUSED = frozenset({
    "dill", "ftplib", "imaplib", "ldap", "ldap3", "lxml", "marshal", "memcache", "pickle", "poplib", "pylibmc",
    "random", "requests", "shelve", "smtplib", "telnetlib", "xml", "xmlrpc", "yaml",
})  # fmt: skip
CALLS_REFUSED = frozenset({"eval", "exec", "compile", "system", "popen", "render_template_string", "from_string"})
# Numbers that nobody may guess come from `secrets`; these are an invented clinic, the same each time, and a pause.
RANDOM_IN = ("demo/", "outbox/relay.py")
PROGRAMS_IN = ("localdb/", "operations/backups.py")  # no shell, not for web
MARKUP_IN = ("web/admin/audit_words.py", "web/language.py")  # texts of our catalogues; what is put into them is escaped
SCRIPT_REFUSED = re.compile(r"\beval\(|new Function|document\.write|postMessage|localStorage|sessionStorage\.set|"
                            r"indexedDB|outerHTML\s*=|insertAdjacentHTML|__proto__|document\.cookie")  # fmt: skip


def found(tree: ast.AST) -> Iterator[str]:
    """What is refused, in the order it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            yield from (f"import {name}" for name in names if name.split(".")[0] in MODULES_REFUSED | {"subprocess"})
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            of = getattr(getattr(node.func, "value", None), "id", "")
            putting_sql_in_words = name == "compile" and "dialect" in [one.arg for one in node.keywords]
            if name in CALLS_REFUSED and of != "re" and not putting_sql_in_words:
                yield f"{name}()"
            yield from (f"{one.arg}=True" for one in node.keywords if one.arg == "shell" and _is(one.value, True))
            yield from ("verify=False" for one in node.keywords if one.arg == "verify" and _is(one.value, False))
            if name == "Markup" and not all(isinstance(one, ast.Constant) for one in node.args):
                yield "Markup() of what is no constant"


def _is(node: ast.expr, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_does_nothing_dangerous(module: Path) -> None:
    place = module.relative_to(ROOT).as_posix()
    excused = {"import random"} if place.startswith(RANDOM_IN) else set()
    excused |= {"import subprocess"} if place.startswith(PROGRAMS_IN) else set()
    excused |= {"Markup() of what is no constant"} if place in MARKUP_IN else set()
    assert set(found(ast.parse(module.read_text(encoding="utf-8")))) - excused == set()


FOREIGN = re.compile(r"<(?:script|link|img|iframe|form)\b[^>]*\b(?:src|href|action)=[\"'](?:https?:)?//")


def test_pages_take_nothing_from_elsewhere() -> None:
    """ASVS 5.0 3.7.1: no script, style, picture or frame of another site."""
    assert [path.name for path in TEMPLATES if FOREIGN.search(path.read_text(encoding="utf-8"))] == []
    assert FOREIGN.search('<script defer src="https://cdn.example/x.js">')
    assert FOREIGN.search("<link rel=stylesheet href='//cdn.example/x.css'>")


def test_templates_leave_escaping_on() -> None:
    assert len(TEMPLATES) > 50
    bad = re.compile(r"\|\s*safe\b|autoescape\s+false|<script(?![^>]*\ssrc=)|javascript:")
    assert [path.name for path in TEMPLATES if bad.search(path.read_text(encoding="utf-8"))] == []


def test_scripts_run_no_text_and_store_nothing() -> None:
    assert len(SCRIPTS) >= 3
    bad = {path.name: SCRIPT_REFUSED.findall(path.read_text(encoding="utf-8")) for path in SCRIPTS}
    assert {name: hits for name, hits in bad.items() if hits} == {}


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from xml.etree import ElementTree", "eval(x)", "env.from_string(x)", "os.system(x)",
     "run(x, shell=True)", "get(x, verify=False)", "Markup(x)", "import subprocess"],
)  # fmt: skip
def test_the_rule_sees(code: str) -> None:
    assert len(list(found(ast.parse(code)))) == 1


def test_the_rule_lets_pass() -> None:
    assert list(found(ast.parse("re.compile(x)\nMarkup('<b>')\nimport secrets\nrun(x, shell=False)"))) == []
