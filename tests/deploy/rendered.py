"""An overlay as it would be applied: its objects, and what the tests ask of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT
from tools import kustomize

Object = dict[str, Any]

KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())


@dataclass(frozen=True)
class Overlay:
    """The objects of one overlay."""

    name: str
    objects: list[Object]

    @classmethod
    def build(cls, name: str, manifests: Path = KUBERNETES) -> "Overlay":
        """Build it. Raises NoKustomize, ValueError."""
        text = kustomize.build(manifests / "overlays" / name)
        return cls(name, [one for one in yaml.safe_load_all(text) if one])

    def all(self, *kinds: str) -> list[Object]:
        """The objects of these kinds."""
        return [one for one in self.objects if one["kind"] in kinds]

    def one(self, kind: str, name: str) -> Object:
        """The object of this kind and name."""
        [found] = [one for one in self.all(kind) if one["metadata"]["name"] == name]
        return found

    def pods(self) -> dict[str, Object]:
        """The templates of all pods, by the name in their label."""
        found = {}
        for one in self.all("Deployment", "Job", "CronJob"):
            spec = one["spec"]["jobTemplate"]["spec"] if one["kind"] == "CronJob" else one["spec"]
            found[spec["template"]["metadata"]["labels"]["app.kubernetes.io/name"]] = spec["template"]
        return found

    def selected(self, selector: Object) -> set[str]:
        """The names of the pods a selector matches."""
        return {name for name, pod in self.pods().items() if matches(selector, pod["metadata"]["labels"])}

    def environment(self, container: Object, secrets: dict[str, str]) -> dict[str, str]:
        """The variables of a container, with `secrets` for what stands in Secrets, without those that may be missing.

        Raises KeyError for a secret that is not named, ValueError for what is not in the overlay.
        """
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            found |= self.one("ConfigMap", source["configMapRef"]["name"])["data"]
        for variable in container.get("env", []):
            given = variable.get("valueFrom", {})
            reference = given.get("secretKeyRef", {})
            if reference.get("optional"):
                continue
            if reference:
                found[variable["name"]] = secrets[reference["key"]]
            elif given:
                found[variable["name"]] = {"metadata.uid": "5b3e6b57-2b0c-4a0a-9c39-0d0c6d3f5e11"}[
                    given["fieldRef"]["fieldPath"]
                ]
            else:
                found[variable["name"]] = variable["value"]
        return found


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector matches; the operators the manifests use."""
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def main_container(pod: Object) -> Object:
    """The container that is there while the pod lives."""
    [container] = pod["spec"]["containers"]
    return dict(container)


def containers(pod: Object) -> Iterator[Object]:
    """All containers of a pod, those included that only begin it."""
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]
