"""What goes into the image: one locked set, by hashes, whichever of them the build is told to take."""

import re

import pytest

from tests.conftest import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
PINNED = re.compile(r"^([\w.\[\]-]+==\S+).*\n    --hash=sha256:", re.M)


def pinned(name: str) -> set[str]:
    """The packages of a set with their versions, those that have a hash."""
    return set(PINNED.findall((ROOT / "requirements" / f"{name}.txt").read_text()))


def test_the_image_takes_the_set_it_is_told_and_checks_its_hashes() -> None:
    assert re.findall(r"^ARG REQUIREMENTS=(.*)$", DOCKERFILE, re.M) == ["app"]
    assert re.findall(r"^COPY requirements/(.*)$", DOCKERFILE, re.M) == ["${REQUIREMENTS}.txt requirements/locked.txt"]
    installs = re.findall(r"pip .*?install (.*)$", DOCKERFILE, re.M)
    assert installs == ["--no-cache-dir --require-hashes -r requirements/locked.txt"]
    assert "venv --without-pip" in DOCKERFILE, "what serves needs nothing that installs"


def test_each_set_for_an_image_is_whole() -> None:
    """What `app` runs with, in the same versions: an image with the other Kafka client differs in that alone, so one
    bill, and one question for advisories, is for both.
    """
    assert len(pinned("app")) > 30
    assert pinned("app") - pinned("confluent") == set()
    [more] = pinned("confluent") - pinned("app")
    assert more.startswith("confluent-kafka==")


@pytest.mark.parametrize("page", ["docs/operations/kubernetes.md", "docs/operations/configuration.md"])
def test_operators_are_told_how_to_have_the_other_client(page: str) -> None:
    assert "--build-arg REQUIREMENTS=confluent" in (ROOT / page).read_text()
