"""Every object is one of Kubernetes' own, by the published schemas, and every pod and reference keeps to our rules."""

import copy
import re
from typing import Any

import kubernetes_validate
import pytest

from careapp.jobs.process import LONGEST_PASS
from careapp.outbox.relay import SIDE_BY_SIDE
from tests.conftest import ROOT
from tests.deploy.rendered import Object, Overlay, containers, main_container, matches

DOCKERFILE = (ROOT / "Dockerfile").read_text()
OLDEST = "1.30"  # the first with `preStop.sleep` switched on
NEWEST = ".".join(kubernetes_validate.latest_version().split(".")[:2])
SERVING = {"web", "portal"}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_is_valid(overlay: Overlay, version: str) -> None:
    assert len(overlay.objects) > 25
    for one in overlay.objects:
        assert kubernetes_validate.validate(one, version, strict=True) == version


def test_the_schemas_notice_a_misspelt_field(overlay: Overlay) -> None:
    wrong = copy.deepcopy(overlay.one("Deployment", "web"))
    wrong["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readinesProbe"):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


def test_nothing_is_left_to_fill_in(overlay: Overlay) -> None:
    text = str(overlay.objects)
    assert re.findall(r"\bHOST\b|RELEASE|careapp\.invalid|192\.0\.2\.0/32", text) == []
    assert not [one for one in overlay.all("ConfigMap") if one["metadata"]["name"] == "installation"]
    namespaces = {one["metadata"].get("namespace") for one in overlay.objects if one["kind"] != "Namespace"}
    assert namespaces == {overlay.all("Namespace")[0]["metadata"]["name"]}


def test_every_pod_is_restricted(overlay: Overlay) -> None:
    assert overlay.all("Namespace")[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert set(overlay.pods()) == {"web", "portal", "jobs", "migrate", "backup"}
    for pod in overlay.pods().values():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False, "variables such as PORTAL_PORT could be taken for settings"
        assert spec["securityContext"] == {
            "runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        }  # fmt: skip
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        allowed = {"emptyDir", "configMap", "persistentVolumeClaim"}
        assert all(set(volume) - {"name"} <= allowed for volume in spec["volumes"])
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
            }  # fmt: skip


def test_the_image_runs_as_who_the_pods_say(overlay: Overlay) -> None:
    assert "--uid 10001 --gid 10001" in DOCKERFILE
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.M)[-1] == "10001:10001"
    assert DOCKERFILE.rstrip().split("\nFROM ")[-1].startswith("runtime AS app"), "the last stage is what is built"


def test_every_pod_has_an_account_without_rights(overlay: Overlay) -> None:
    accounts = {one["metadata"]["name"] for one in overlay.all("ServiceAccount")}
    assert {pod["spec"]["serviceAccountName"] for pod in overlay.pods().values()} == accounts
    assert all(one["automountServiceAccountToken"] is False for one in overlay.all("ServiceAccount"))
    assert not overlay.all("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


def test_images_are_named_by_digest(overlay: Overlay) -> None:
    images = {name: {one["image"] for one in containers(pod)} for name, pod in overlay.pods().items()}
    assert all(re.fullmatch(r"[^@:]+@sha256:[0-9a-f]{64}", one) for found in images.values() for one in found)
    assert len({one for name, found in images.items() if name != "backup" for one in found}) == 1, "one release"


def test_every_container_says_what_it_needs(overlay: Overlay) -> None:
    for pod in overlay.pods().values():
        for container in containers(pod):
            wanted = container["resources"]
            assert set(wanted["requests"]) == set(wanted["limits"]) == {"cpu", "memory"}
            assert mebibytes(wanted["requests"]["memory"]) <= mebibytes(wanted["limits"]["memory"])


def mebibytes(quantity: str) -> int:
    assert quantity.endswith("Mi"), quantity
    return int(quantity.removesuffix("Mi"))


def test_ports_agree(overlay: Overlay) -> None:
    [exposed] = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.M)
    for name, setting in (("web", "PORT"), ("portal", "PORT"), ("jobs", "JOBS_PORT")):
        container = main_container(overlay.pods()[name])
        ports = {one["name"]: one["containerPort"] for one in container["ports"]}
        given = overlay.environment(container, AnySecret())[setting]
        assert str(ports["health" if name == "jobs" else "http"]) == given
        assert given == exposed or name == "jobs"
        assert name == "jobs" or str(ports["metrics"]) == overlay.environment(container, AnySecret())["METRICS_PORT"]
        scraped = overlay.pods()[name]["metadata"]["annotations"]["prometheus.io/port"]
        assert scraped == str(ports["health" if name == "jobs" else "metrics"])
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in ports
    for service in overlay.all("Service"):
        [pod] = overlay.selected({"matchLabels": service["spec"]["selector"]})
        names = {one["name"] for one in main_container(overlay.pods()[pod])["ports"]}
        assert {one["targetPort"] for one in service["spec"]["ports"]} <= names


class AnySecret(dict[str, str]):
    """Says something for every secret."""

    def __missing__(self, key: str) -> str:
        return "secret"


def test_what_is_named_is_there(overlay: Overlay) -> None:
    for pod in overlay.pods().values():
        mounted = {one["name"] for container in containers(pod) for one in container["volumeMounts"]}
        assert mounted == {one["name"] for one in pod["spec"]["volumes"]}
        for volume in pod["spec"]["volumes"]:
            if "configMap" in volume and not volume["configMap"].get("optional"):
                overlay.one("ConfigMap", volume["configMap"]["name"])
            if "persistentVolumeClaim" in volume:
                overlay.one("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
    for deployment in overlay.all("Deployment"):
        template = deployment["spec"]["template"]
        labels = template["metadata"]["labels"]
        assert matches(deployment["spec"]["selector"], labels)
        for spread in template["spec"]["topologySpreadConstraints"]:
            assert overlay.selected(spread["labelSelector"]) == {labels["app.kubernetes.io/name"]}


def test_autoscalers_have_what_they_scale(overlay: Overlay) -> None:
    scalers = {one["spec"]["scaleTargetRef"]["name"]: one["spec"] for one in overlay.all("HorizontalPodAutoscaler")}
    assert set(scalers) == {"web", "jobs"}
    for name, spec in scalers.items():
        target = overlay.one(spec["scaleTargetRef"]["kind"], name)
        assert "replicas" not in target["spec"], "a rollout would undo what the autoscaler did"
        assert 2 <= spec["minReplicas"] <= spec["maxReplicas"]
    [cpu] = scalers["web"]["metrics"]
    assert cpu["resource"]["name"] == "cpu"
    assert "cpu" in main_container(overlay.pods()["web"])["resources"]["requests"]
    [lag] = scalers["jobs"]["metrics"]
    assert lag["external"]["metric"]["name"] == "careapp_outbox_oldest_seconds"


def test_a_node_can_be_drained(overlay: Overlay) -> None:
    scalers = {one["metadata"]["name"]: one["spec"]["minReplicas"] for one in overlay.all("HorizontalPodAutoscaler")}
    budgets: dict[str, list[Object]] = {}
    for budget in overlay.all("PodDisruptionBudget"):
        [pod] = overlay.selected(budget["spec"]["selector"])
        budgets.setdefault(pod, []).append(budget)
    for deployment in overlay.all("Deployment"):
        name = deployment["metadata"]["name"]
        [budget] = budgets.pop(name)  # with two, the eviction is refused
        replicas = deployment["spec"].get("replicas", scalers.get(name))
        assert 1 <= budget["spec"]["maxUnavailable"] < replicas, "one may go, and one stays"
    assert not budgets


def test_the_end_of_a_pod_leaves_time_for_what_is_under_way(overlay: Overlay) -> None:
    kill = int(re.findall(r"--workers-kill-timeout (\d+)s", DOCKERFILE)[0])
    for name in SERVING:
        pod = overlay.pods()[name]["spec"]
        sleep = main_container(overlay.pods()[name])["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert sleep >= 5, "as long as it takes until nobody sends it requests"
        assert pod["terminationGracePeriodSeconds"] >= sleep + kill + 5
    assert overlay.pods()["jobs"]["spec"]["terminationGracePeriodSeconds"] > LONGEST_PASS


def test_a_pod_begins_when_its_tables_are_there(overlay: Overlay) -> None:
    for deployment in overlay.all("Deployment"):
        [first] = deployment["spec"]["template"]["spec"]["initContainers"]
        assert first["command"][:5] == ["flask", "--app", "wsgi", "database", "await"]
        assert deployment["spec"]["progressDeadlineSeconds"] > int(first["command"][-1])
    for name in SERVING:
        deployment = overlay.one("Deployment", name)
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, "the version before serves on"
    [job] = overlay.all("Job")
    assert job["metadata"]["name"] == "migrate-1"


def test_a_database_can_take_all_connections(overlay: Overlay) -> None:
    """At full size, with one pod more of each during a rollout; docs/operations/kubernetes.md has the sum."""
    most: dict[str, Any] = {
        one["metadata"]["name"]: one["spec"]["maxReplicas"] for one in overlay.all("HorizontalPodAutoscaler")
    }
    settings = overlay.environment(main_container(overlay.pods()["web"]), AnySecret())
    a_pod = int(settings["WEB_WORKERS"]) * (int(settings["DATABASE_POOL_SIZE"]) + 1)  # one asks for readiness
    portal = overlay.one("Deployment", "portal")["spec"]["replicas"]
    serving = (most["web"] + 1 + portal + 1) * a_pod
    jobs = (most["jobs"] + 1) * (int(settings["DATABASE_POOL_SIZE"]) + SIDE_BY_SIDE + 2)  # sealer, figures
    document = (ROOT / "docs" / "operations" / "kubernetes.md").read_text()
    assert f"| {overlay.name} | {serving} | {jobs} | {serving + jobs + 5} |" in document
