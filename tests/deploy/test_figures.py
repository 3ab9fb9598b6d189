"""Prometheus on Kubernetes: by the settings that ship, it finds every pod that tells figures, once, and no other."""

import re
from collections.abc import Iterator

import pytest
import yaml

from careapp.telemetry import metrics
from tests.conftest import ROOT
from tests.deploy.rendered import Object, Overlay, containers

SETTINGS = yaml.safe_load((ROOT / "deploy" / "observability" / "prometheus-kubernetes.yaml").read_text())
TELLING = {("web", "9464", "/metrics"), ("portal", "9464", "/metrics"), ("jobs", "8001", "/metrics")}
Labels = dict[str, str]


def clean(name: str) -> str:
    return re.sub(r"\W", "_", name)


def discovered(name: str, pod: Object, phase: str) -> Iterator[Labels]:
    """What Prometheus knows of a running pod before it relabels: an entry a port, and one a container without ports."""
    about = {"__meta_kubernetes_pod_name": f"{name}-1", "__meta_kubernetes_pod_phase": phase}
    for kind in ("annotation", "label"):
        given = pod["metadata"].get(f"{kind}s", {})
        about |= {f"__meta_kubernetes_pod_{kind}_{clean(key)}": value for key, value in given.items()}
    for container in containers(pod):
        for port in container.get("ports") or [{}]:
            number = {"__meta_kubernetes_pod_container_port_number": str(port["containerPort"])} if port else {}
            yield {**about, **number}


def relabelled(labels: Labels, rules: list[Object]) -> Labels | None:
    """The labels a target has in the end, None where it is not asked; the actions these settings use."""
    for rule in rules:
        value = ";".join(labels.get(name, "") for name in rule["source_labels"])
        action, target = rule.get("action", "replace"), rule.get("target_label", "")
        if action == "keep" and not re.fullmatch(rule["regex"], value):
            return None
        if action == "keepequal" and value != labels.get(target, ""):
            return None
        if action == "replace":
            labels = {**labels, target: value}
        assert action in ("keep", "keepequal", "replace")
    return labels


@pytest.fixture
def rules() -> list[Object]:
    """How the settings that ship relabel."""
    [job] = SETTINGS["scrape_configs"]
    assert re.fullmatch(r"careapp-.*", job["job_name"]), "the alert OneDoesNotAnswer goes by that"
    [found] = job["kubernetes_sd_configs"]
    assert found["role"] == "pod"
    return list(job["relabel_configs"])


def asked(overlay: Overlay, rules: list[Object], phase: str) -> list[tuple[str, str, str]]:
    """Process, port and path of each target in an overlay's namespace."""
    entries = [entry for name, pod in overlay.pods().items() for entry in discovered(name, pod, phase)]
    assert len(entries) > len(TELLING), "some are to be left out"
    found = [labels for entry in entries if (labels := relabelled(entry, rules)) is not None]
    assert len({one["instance"] for one in found}) == len(found)
    return [
        (one["process"], one["__meta_kubernetes_pod_container_port_number"], one["__metrics_path__"]) for one in found
    ]


def test_each_pod_that_tells_figures_is_asked_once(overlay: Overlay, rules: list[Object]) -> None:
    found = asked(overlay, rules, "Running")
    assert sorted(found) == sorted(TELLING)


def test_no_label_of_a_target_hides_one_of_a_figure(rules: list[Object]) -> None:
    """Prometheus would give the figure's another name, and rules and board ask for the one it has."""
    of_figures = {name for one in vars(metrics).values() for name in getattr(one, "_labelnames", ())}
    assert {"task", "kind"} <= of_figures
    given = {rule.get("target_label", "__") for rule in rules}
    assert "process" in given
    assert given & of_figures == set()


def test_one_that_waits_for_migrations_is_not_asked(production: Overlay, rules: list[Object]) -> None:
    assert asked(production, rules, "Pending") == []


def test_the_namespace_is_the_one_of_the_manifests(production: Overlay) -> None:
    [namespace] = production.all("Namespace")
    [found] = SETTINGS["scrape_configs"][0]["kubernetes_sd_configs"]
    assert found["namespaces"]["names"] == [namespace["metadata"]["name"]]
