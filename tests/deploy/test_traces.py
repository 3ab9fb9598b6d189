"""Traces from Kubernetes: with the component, each serving pod says whereto, is let out there, and shows no secret."""

import shutil
from pathlib import Path

import kubernetes_validate
import pytest

from tests.deploy.rendered import KUBERNETES, Overlay, main_container
from tests.deploy.test_manifests import NEWEST
from tests.deploy.test_reach import policies
from tests.deploy.test_settings import SECRETS
from tools.kustomize import NoKustomize

TRACED = {"web", "portal", "jobs"}
ENDPOINT, HEADERS = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"


@pytest.fixture
def traced(tmp_path: Path) -> Overlay:
    """Production with the component."""
    copy = Path(shutil.copytree(KUBERNETES, tmp_path / "kubernetes"))
    file = copy / "overlays" / "production" / "kustomization.yaml"
    before = "components:\n"
    assert file.read_text().count(before) == 1
    file.write_text(file.read_text().replace(before, f"{before}  - ../../components/traces\n"))
    try:
        return Overlay.build("production", copy)
    except NoKustomize as error:
        pytest.skip(f"NOT TESTED: the manifests, because {error}")


def test_each_serving_pod_sends_its_traces_and_is_let_out(traced: Overlay, production: Overlay) -> None:
    for name in traced.pods():
        ways = [rule for rule in policies(traced, name, "egress") if rule not in policies(production, name, "egress")]
        if name not in TRACED:
            assert ways == []
            continue
        [way] = ways
        assert way["to"] == [{"namespaceSelector": {"matchLabels": {"careapp/collector": "true"}}}]
        given = traced.environment(main_container(traced.pods()[name]), SECRETS)
        assert given[ENDPOINT].endswith(f":{way['ports'][0]['port']}")
        assert given["KAFKA_BOOTSTRAP_SERVERS"].startswith("kafka-0."), "the overlay's own settings are still there"
        assert ENDPOINT not in production.environment(main_container(production.pods()[name]), SECRETS)


def test_the_collectors_secret_is_a_reference_that_may_be_missing(traced: Overlay) -> None:
    for name in TRACED:
        [header] = [one for one in main_container(traced.pods()[name])["env"] if one["name"] == HEADERS]
        reference = {"name": "collector", "key": HEADERS, "optional": True}
        assert header == {"name": HEADERS, "valueFrom": {"secretKeyRef": reference}}


def test_every_object_is_valid(traced: Overlay) -> None:
    for one in traced.objects:
        assert kubernetes_validate.validate(one, NEWEST, strict=True) == NEWEST
