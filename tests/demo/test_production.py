"""Demo users have a password everybody knows: production does not get them by accident."""

import pytest
from apiflask import APIFlask

from careapp.cli.demo import demo


def test_production_is_refused(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> None:
    production = app.config["SETTINGS"].model_copy(update={"env": "production"})
    monkeypatch.setitem(app.config, "SETTINGS", production)
    result = app.test_cli_runner().invoke(demo)
    assert result.exit_code == 1
    assert "password that everybody knows" in result.output
