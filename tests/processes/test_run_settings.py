"""`make run` takes its port and the portal's token from the environment, then from `.env`, and hands both on."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import run


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout with a `.env`; the environment is put back afterwards."""
    kept = dict(os.environ)
    for name in ("PORT", "INTERNAL_TOKENS", "INTERNAL_KEYS", "WEB_WORKERS"):
        os.environ.pop(name, None)
    os.environ["CAREAPP_VAR"] = str(tmp_path / "var")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("PORT=8123\nINTERNAL_TOKENS=demo:from-the-file\nWEB_WORKERS=3\n")
    yield tmp_path
    os.environ.clear()
    os.environ.update(kept)


def test_the_file_counts(directory: Path) -> None:
    settings = run.settings_for_all()
    assert settings.port == 8123
    assert settings.internal_credentials() == [("demo", "from-the-file")]
    handed_on = {name: os.environ[name] for name in ("PORT", "INTERNAL_TOKENS", "WEB_WORKERS")}
    assert handed_on == {"PORT": "8123", "INTERNAL_TOKENS": "demo:from-the-file", "WEB_WORKERS": "3"}


def test_the_environment_counts_more(directory: Path) -> None:
    os.environ["PORT"] = "8124"
    assert run.settings_for_all().port == 8124
    assert os.environ["PORT"] == "8124"


def test_without_any_a_token_is_made_once(directory: Path) -> None:
    (directory / ".env").unlink()
    settings = run.settings_for_all()
    [(tenant, token)] = settings.internal_credentials()
    assert (settings.port, tenant) == (8000, "demo")
    assert len(token) >= 32
    [(tenant, name, secret)] = settings.internal_signing_keys()
    assert (tenant, name) == ("demo", "local")
    assert secret != token
    del os.environ["INTERNAL_TOKENS"], os.environ["INTERNAL_KEYS"]
    assert run.settings_for_all().internal_credentials() == [("demo", token)]
    assert run.settings_for_all().internal_signing_keys() == [("demo", "local", secret)]
