"""Settings of the manifests: each is one of ours, and with them alone the application starts in production."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from careapp.config import Settings, new_encryption_key, new_signing_key
from tests.conftest import ROOT
from tests.deploy.rendered import Overlay, containers, main_container

DOCKERFILE = (ROOT / "Dockerfile").read_text()
VARIABLES = {str(field.validation_alias or name).upper(): field for name, field in Settings.model_fields.items()}
OF_THE_IMAGE = set(re.findall(r"\$\{?([A-Z_]+)", DOCKERFILE.split("CMD")[-1]))  # what its own command reads
OF_THE_SCRIPT = {"backup": {"KEPT_DAYS"}}
NOWHERE = "postgresql+psycopg://care@127.0.0.1:9/care"
SECRETS = {
    "SECRET_KEY": "k" * 48, "ENCRYPTION_KEYS": new_encryption_key("tests"), "JWT_SIGNING_KEY": new_signing_key(),
    "INTERNAL_KEYS": f"demo:portal-1:{'s' * 40}",
    **{f"DATABASE_{name}URL": NOWHERE for name in ("", "OWNER_", "RELAY_", "BACKUP_")},
}  # fmt: skip
DATABASE_ROLES = {
    "web": {"DATABASE_URL"}, "portal": {"DATABASE_URL"}, "jobs": {"DATABASE_URL", "DATABASE_RELAY_URL"},
    "migrate": {"DATABASE_URL", "DATABASE_OWNER_URL"}, "backup": {"DATABASE_URL", "DATABASE_BACKUP_URL"},
}  # fmt: skip
# What one pod says of itself: its routes, and what its probes are answered, in production and under its own settings.
ASK = """
import json, sys
from careapp import create_app
app = create_app()
client = app.test_client()
probes = json.loads(sys.argv[1])
answers = [[path, client.get(path, headers=headers).status_code] for path, headers in probes]
print(json.dumps({"rules": sorted(rule.rule for rule in app.url_map.iter_rules()), "answers": answers}))
"""


def is_secret(name: str) -> bool:
    return "SecretStr" in str(VARIABLES[name].annotation) or re.fullmatch(r"DATABASE_([A-Z]+_)?URL", name) is not None


def test_every_variable_is_a_setting(overlay: Overlay) -> None:
    for name, pod in overlay.pods().items():
        known = set(VARIABLES) | OF_THE_IMAGE | OF_THE_SCRIPT.get(name, set())
        for container in containers(pod):
            optional = {one["name"] for one in container.get("env", [])}
            assert set(overlay.environment(container, SECRETS)) | optional <= known


def test_secrets_stand_in_references_alone(overlay: Overlay) -> None:
    assert not overlay.all("Secret")
    for values in overlay.all("ConfigMap"):
        names = set(values["data"]) & set(VARIABLES)
        assert not [name for name in names if is_secret(name)]
    for name, pod in overlay.pods().items():
        for container in containers(pod):
            for variable in container.get("env", []):
                plain = {"TRUSTED_HOSTS", "CAREAPP_ENV", "KEPT_DAYS"} if name == "backup" else set()
                assert "valueFrom" in variable or variable["name"] in plain


def test_every_secret_has_a_place(overlay: Overlay) -> None:
    """So that a new one cannot be forgotten: it would have nowhere to come from but a ConfigMap."""
    placed = {one["name"] for pod in overlay.pods().values() for one in main_container(pod).get("env", [])}
    development_alone, bare = {"JWT_SECRET"}, {"INTERNAL_TOKENS"}  # the portal's requests are signed here
    assert {name for name in VARIABLES if is_secret(name)} - placed == development_alone | bare


def test_each_pod_has_the_roles_of_the_database_it_needs(overlay: Overlay) -> None:
    for name, pod in overlay.pods().items():
        given = {one for one in overlay.environment(main_container(pod), SECRETS) if one.startswith("DATABASE_")}
        assert given - {"DATABASE_POOL_SIZE"} == DATABASE_ROLES[name]
        for container in pod["spec"].get("initContainers", []):
            given = {one for one in overlay.environment(container, SECRETS) if one.startswith("DATABASE_")}
            assert given - {"DATABASE_POOL_SIZE"} == {"DATABASE_URL"}
    references = str(overlay.pods()["backup"])
    assert "ENCRYPTION_KEYS'" not in references, "the keys are kept apart from the backups"


def settings_of(overlay: Overlay, name: str) -> dict[str, str]:
    """The variables of a pod, with what its script makes up."""
    environment = overlay.environment(main_container(overlay.pods()[name]), SECRETS)
    if name == "backup":
        assert "ENCRYPTION_KEYS" not in environment
        environment["ENCRYPTION_KEYS"] = SECRETS["ENCRYPTION_KEYS"]
    return environment


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any setting of ours."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("name", DATABASE_ROLES)
def test_production_takes_the_settings_of_each_pod(overlay: Overlay, name: str, alone: pytest.MonkeyPatch) -> None:
    for variable, value in settings_of(overlay, name).items():
        alone.setenv(variable, value)
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    assert settings.env == "production"
    assert settings.internal_require_signed is (name == "portal")


def test_production_refuses_to_start_without_one_of_them(overlay: Overlay, alone: pytest.MonkeyPatch) -> None:
    for variable, value in settings_of(overlay, "web").items():
        if variable != "ENCRYPTION_KEYS":
            alone.setenv(variable, value)
    with pytest.raises(ValidationError, match="production needs ENCRYPTION_KEYS"):
        Settings(_env_file=None)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["web", "portal"])
def test_a_server_has_its_routes_and_answers_its_probes(
    production: Overlay, name: str, tmp_path: Path, alone: pytest.MonkeyPatch
) -> None:
    container = main_container(production.pods()[name])
    probes = [container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    asked = [(one["path"], {header["name"]: header["value"] for header in one["httpHeaders"]}) for one in probes]
    environment = {**os.environ, **settings_of(production, name), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(asked)], cwd=tmp_path, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    # 503: it was asked, and there is no database here. A host it does not trust would be 400, a path it has not 404.
    assert said["answers"] == [["/healthz", 200], ["/healthz", 200], ["/readyz", 503]]
    inside = [rule for rule in said["rules"] if rule.startswith("/internal")]
    assert bool(inside) is (name == "portal")
    assert ("/sign-in" in said["rules"]) is (name == "web")
