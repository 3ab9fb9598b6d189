"""The whole on one machine: what Prometheus asks there by the settings that ship is served, and nowhere else."""

import pytest
import yaml

from tests.conftest import ROOT
from tests.deploy.rendered import Object

SERVICES: dict[str, Object] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
PROMETHEUS: Object = yaml.safe_load((ROOT / "deploy" / "observability" / "prometheus.yaml").read_text())
# Of web it is on no address that another container reaches unless that is said; jobs listen on every one.
NEEDED = {"web": {"METRICS_PORT": "9464", "METRICS_HOST": "0.0.0.0"}, "jobs": {"JOBS_PORT": "8001"}}


def test_each_process_that_tells_figures_is_asked() -> None:
    targets = [
        one for job in PROMETHEUS["scrape_configs"] for given in job["static_configs"] for one in given["targets"]
    ]
    assert sorted(targets) == ["jobs:8001", "web:9464"]


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_asked_is_served_and_published_nowhere(name: str) -> None:
    service = SERVICES[name]
    assert service["environment"].items() >= NEEDED[name].items()
    assert service.get("ports", []) == (["127.0.0.1:8000:8000"] if name == "web" else [])
