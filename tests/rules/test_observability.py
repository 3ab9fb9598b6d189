"""Board, alert rules and their page: they name what the application exposes, and Prometheus' own tool agrees."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from careapp.telemetry import metrics
from careapp.telemetry.metrics import REGISTRY
from tests.conftest import ROOT
from tests.telemetry.labels import jobs

PLACE = ROOT / "deploy" / "observability"
PAGE = ROOT / "docs" / "operations" / "observability.md"
NAME = re.compile(r"\bcareapp_\w+")
SERIES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
# Told on the page, and of no use on the board or in a rule by themselves.
NOT_DRAWN: set[str] = set()


def families() -> list[Any]:
    """Every metric the application has."""
    return list(REGISTRY.collect())


def exposed() -> set[str]:
    """The names of all series."""
    return {family.name + ending for family in families() for ending in SERIES[family.type]}


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    return [rule for group in yaml.safe_load((PLACE / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]


def board() -> dict[str, Any]:
    """The board."""
    loaded: dict[str, Any] = json.loads((PLACE / "board.json").read_text())
    return loaded


def queries() -> list[str]:
    """What the panels of the board ask for."""
    return [target["expr"] for panel in board()["panels"] for target in panel.get("targets", ())]


def promtool(*arguments: str, place: Path = PLACE) -> None:
    """Run Prometheus' own tool; it ends well or the test fails with what it says."""
    tool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if tool is None:
        pytest.skip("NOT TESTED: promtool is not installed (Debian's package prometheus has it)")
    done = subprocess.run([tool, *arguments], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_board_name_only_what_is_exposed() -> None:
    named = set(NAME.findall(str([rule["expr"] for rule in rules()] + queries())))
    assert len(named) > 20
    assert named - exposed() == set()


def test_every_metric_is_drawn() -> None:
    named = set(NAME.findall(str(queries())))
    unseen = {family.name for family in families() if not any(name.startswith(family.name) for name in named)}
    assert unseen == NOT_DRAWN


def test_each_metric_is_one_of_web_of_jobs_or_of_both() -> None:
    names = [family.name for family in families()]
    for kind, elsewhere in metrics.ELSEWHERE.items():
        for prefix in elsewhere:
            assert any(name.startswith(prefix) for name in names), f"{kind}: {prefix}"
    assert not {name for name in names if all(name.startswith(one) for one in metrics.ELSEWHERE.values())}


def test_the_page_tells_every_metric_in_the_words_of_the_code() -> None:
    page = PAGE.read_text()
    rows = [
        f"| `{family.name}{'_total' if family.type == 'counter' else ''}` | {family.type} | {family.documentation} |"
        for family in families()
    ]
    assert [row for row in rows if row not in page] == [], "write these rows into docs/operations/observability.md"
    assert len(re.findall(r"^\| `careapp_", page, re.M)) == len(rows), "the page tells a metric that is gone"


def test_the_page_tells_every_job() -> None:
    [section] = re.findall(r"^## Jobs$(.*?)^## ", PAGE.read_text(), re.M | re.S)
    assert set(re.findall(r"`([a-z -]+)`", section.partition("|---")[2].replace("\n", " "))) == jobs()


def test_every_alert_says_what_to_do() -> None:
    headings = set(re.findall(r"^### (\w+)$", PAGE.read_text(), re.M))
    alerts = {rule["alert"] for rule in rules()}
    assert headings == alerts
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["runbook"] == f"docs/operations/observability.md#{rule['alert'].lower()}"


def test_every_rule_has_a_test_in_which_it_speaks_and_one_in_which_it_is_silent() -> None:
    cases = [
        case
        for test in yaml.safe_load((PLACE / "alerts_test.yaml").read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    speaking = {case["alertname"] for case in cases if case.get("exp_alerts")}
    silent = {case["alertname"] for case in cases if not case.get("exp_alerts")}
    assert speaking == silent == {rule["alert"] for rule in rules()}


def test_the_board_can_be_drawn() -> None:
    panels = board()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert all(target["datasource"]["uid"] == "${source}" for target in panel.get("targets", ()))


def test_prometheus_takes_rules_and_settings() -> None:
    promtool("check", "rules", "alerts.yaml")
    promtool("check", "config", "prometheus.yaml")


def test_prometheus_takes_the_settings_for_kubernetes(tmp_path: Path) -> None:
    """All but how pods are found, which Debian's promtool is built without and `tests/deploy` looks at."""
    settings = yaml.safe_load((PLACE / "prometheus-kubernetes.yaml").read_text())
    for job in settings["scrape_configs"]:
        assert job.pop("kubernetes_sd_configs")
        job["static_configs"] = [{"targets": ["pod:1"]}]
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings))
    shutil.copy(PLACE / "alerts.yaml", tmp_path)
    promtool("check", "config", "settings.yaml", place=tmp_path)


def test_the_rules_do_what_their_tests_say() -> None:
    promtool("test", "rules", "alerts_test.yaml")


def test_prometheus_understands_what_the_board_asks_for(tmp_path: Path) -> None:
    asked = [
        {"record": f"panel:{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, query in enumerate(queries())
    ]
    (tmp_path / "board.yaml").write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": asked}]}))
    promtool("check", "rules", "board.yaml", place=tmp_path)
