"""Fixtures: each overlay, built once a worker."""

from functools import cache

import pytest

from tests.deploy.rendered import OVERLAYS, Overlay
from tools.kustomize import NoKustomize


@cache
def built(name: str) -> Overlay:
    """The overlay; the tests only read it."""
    return Overlay.build(name)


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> Overlay:
    """Each overlay in turn."""
    return built_or_skipped(request.param)


@pytest.fixture
def production() -> Overlay:
    """The overlay of production alone, where each would tell the same."""
    return built_or_skipped("production")


def built_or_skipped(name: str) -> Overlay:
    """The overlay, built; the test is skipped where nothing can build it."""
    try:
        return built(name)
    except NoKustomize as error:
        pytest.skip(f"NOT TESTED: the manifests, because {error}")
