"""The contracts of imports name all they are for: a new layer, and a new file of tables, is under them as well."""

import tomllib
from typing import Any

from tests.conftest import ROOT
from tests.rules.test_code_rules import FILES, source

MAY_KNOW_FLASK = {"db"}  # Flask-SQLAlchemy
# Tables that stand with the functions surfaces call.
WITH_FUNCTIONS = {"idempotency", "identity.request_limits", "lifecycle"}


def contract(name: str) -> dict[str, Any]:
    """The contract of this name in pyproject.toml."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [found] = [one for one in told["contracts"] if one["name"] == name]
    return found  # type: ignore[no-any-return]


def below(layer: str) -> set[str]:
    """The modules of every layer below this one."""
    layers: list[str] = contract("Imports go one way")["layers"]
    return {name for one in layers[layers.index(layer) + 1 :] for name in one.split(" | ")}


def with_tables() -> set[str]:
    """The modules that declare a table."""
    return {file.removesuffix(".py").replace("/", ".") for file in FILES if "    __tablename__ = " in source(file)}


def test_every_layer_below_the_surface_is_kept_from_the_web() -> None:
    named = set(contract("Below the surface nothing knows the web")["source_modules"])
    wanted = {f"careapp.{name}" for name in below("surface") - MAY_KNOW_FLASK}
    assert sorted(wanted - named) == [], "add these to source_modules of the second contract in pyproject.toml"
    assert sorted(named - wanted) == [], "these are no layers below the surface"
    assert {"careapp.access", "careapp.episodes", "careapp.transport"} <= wanted


def test_every_file_of_tables_is_kept_from_surfaces() -> None:
    named = set(contract("Surfaces reach tables only through queries")["forbidden_modules"])
    wanted = {f"careapp.{name}" for name in with_tables() - WITH_FUNCTIONS}
    assert sorted(wanted - named) == [], "add these to forbidden_modules of the third contract in pyproject.toml"
    assert sorted(named - wanted) == [], "these hold no tables"
    assert "careapp.episodes.models" in wanted


def test_every_surface_is_kept_from_tables() -> None:
    layers: list[str] = contract("Imports go one way")["layers"]
    surfaces = {name for one in layers[: layers.index("surface") + 1] for name in one.split(" | ")} - {"wiring"}
    named = set(contract("Surfaces reach tables only through queries")["source_modules"])
    assert named == {f"careapp.{name}" for name in surfaces}
