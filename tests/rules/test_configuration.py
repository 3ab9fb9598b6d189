"""docs/operations/configuration.md: every setting is in it with what it means, and what else is read is named."""

import ast
import re

import pytest
from pydantic import BaseModel, SecretStr

from careapp.cli.configuration import BESIDE, PAGE, is_secret, page, variable
from careapp.config import Settings
from careapp.settings import SUBJECTS, setting
from tests.conftest import ROOT

NAMED = {name: field for subject in SUBJECTS for name, field in subject.model_fields.items()}
READERS = {"web", "jobs", "commands"}
OF_THE_SYSTEM = {"PATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "FLASK_RUN_FROM_CLI"}  # flask sets the last one itself
OURS = re.compile(r"(CAREAPP|OTEL)_[A-Z_]+")
OF_SHELLS = re.compile(r"\$\{?([A-Z][A-Z_]+)")


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


def test_every_setting_stands_under_one_heading() -> None:
    assert set(NAMED) == set(Settings.model_fields), "a setting belongs into careapp/settings.py"
    assert sum(len(subject.model_fields) for subject in SUBJECTS) == len(NAMED)


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_setting_says_what_it_means_and_who_reads_it(name: str) -> None:
    field = NAMED[name]
    assert len((field.description or "").split()) >= 3, "say what it is for: setting(default, meaning, read_by)"
    assert "|" not in field.description, "it would end the cell of a table"
    assert isinstance(field.json_schema_extra, dict)
    assert set(field.json_schema_extra["read_by"].split(", ")) <= READERS
    if name.endswith(("secret", "password", "keys", "tokens", "signing_key")):
        assert is_secret(field), "a secret is a SecretStr"


def test_secrets_have_no_default() -> None:
    held = {name: field.default for name, field in NAMED.items() if is_secret(field)}
    assert {name for name, value in held.items() if value not in (None, SecretStr(""))} == set()
    assert {"secret_key", "database_url", "internal_tokens"} <= set(held)


def read_from_the_environment() -> set[str]:
    """Names of variables that code of the application or the command lines of its processes ask for."""
    found: set[str] = set()
    for path in (ROOT / "careapp").rglob("*.py"):
        text = path.read_text()
        if "environ" in text or "getenv" in text:
            texts = (one.value for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Constant))
            found |= {one for one in texts if isinstance(one, str) and OURS.fullmatch(one)}
            found |= set(re.findall(r"os\.environ(?:\.get\(|\[)\"([A-Z_]+)\"", text))
    for name in ("Procfile", "Dockerfile"):
        commands = [
            line for line in (ROOT / name).read_text().splitlines() if line.startswith(("web:", "jobs:", "CMD"))
        ]
        found |= {one for line in commands for one in OF_SHELLS.findall(line)}
    return found


def test_what_is_read_beside_the_settings_is_named() -> None:
    known = {variable(name, field) for name, field in NAMED.items()} | set(BESIDE) | OF_THE_SYSTEM
    found = read_from_the_environment()
    assert {"WEB_WORKERS", "HOST", "CAREAPP_CRASH_POINT"} <= found, "this looks where they are read"
    assert found - known == set()


def test_what_the_page_of_traces_promises_is_named() -> None:
    page = (ROOT / "docs" / "operations" / "observability.md").read_text()
    promised = set(re.findall(r"OTEL_[A-Z_]+", page))
    named = {*BESIDE, *(variable(name, field) for name, field in NAMED.items())}
    assert {"OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_BSP_"} <= promised
    assert {one for one in promised if not any(name.startswith(one) for name in named)} == set()
    assert "secret" in BESIDE["OTEL_EXPORTER_OTLP_HEADERS"][1]


def test_the_rules_notice_what_they_are_for() -> None:
    class Bad(BaseModel):
        """Bad"""

        token: str = "abc"
        key: SecretStr | None = setting(None, "a key of something", "web")

    assert Bad.model_fields["token"].description is None
    assert not is_secret(Bad.model_fields["token"])
    assert is_secret(Bad.model_fields["key"])
