"""What a release changes: a Job of its own, and every pod that reads a setting that changed."""

import shutil
from pathlib import Path

import pytest

from tests.deploy.rendered import KUBERNETES, Overlay, containers
from tools.kustomize import NoKustomize


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The manifests of an operator, who edits them."""
    return Path(shutil.copytree(KUBERNETES, tmp_path / "kubernetes"))


def edited(copy: Path, file: str, before: str, after: str) -> Overlay:
    """Production with one text changed."""
    path = copy / "overlays" / "production" / file
    assert path.read_text().count(before) == 1
    path.write_text(path.read_text().replace(before, after))
    try:
        return Overlay.build("production", copy)
    except NoKustomize as error:
        pytest.skip(f"NOT TESTED: the manifests, because {error}")


def test_each_release_has_its_own_job(production: Overlay, copy: Path) -> None:
    later = edited(copy, "installation.yaml", 'release: "1"', "release: 2026-11b")
    assert [one["metadata"]["name"] for one in (*production.all("Job"), *later.all("Job"))] == [
        "migrate-1", "migrate-2026-11b",
    ]  # fmt: skip


def test_a_changed_setting_is_rolled_out(production: Overlay, copy: Path) -> None:
    later = edited(copy, "installation.yaml", "host: clinic.example", "host: other.example")
    sources = [
        {str(one["envFrom"]) for pod in ("web", "portal", "jobs") for one in containers(overlay.pods()[pod])}
        for overlay in (production, later)
    ]
    assert not sources[0] & sources[1], "every pod's template is another one"


def test_the_public_name_stands_in_one_place(copy: Path) -> None:
    later = edited(copy, "installation.yaml", "host: clinic.example", "host: other.example")
    assert "clinic.example" not in str(later.objects).replace("kafka.example", "")
    [settings] = [one["data"] for one in later.all("ConfigMap") if one["metadata"]["name"].startswith("settings-")]
    assert (settings["TRUSTED_HOSTS"], settings["OAUTH_ISSUER"]) == ("other.example", "https://other.example")


def test_an_image_is_set_by_its_digest(copy: Path) -> None:
    digest = "sha256:" + "ab" * 32
    file = copy / "overlays" / "production" / "kustomization.yaml"
    file.write_text(file.read_text().replace("sha256:" + "0" * 64, digest))
    later = edited(copy, "installation.yaml", 'release: "1"', 'release: "2"')
    images = {one["image"] for pod in later.pods().values() for one in containers(pod)}
    assert images == {f"registry.example/careapp@{digest}", f"registry.example/careapp-backup@{digest}"}
