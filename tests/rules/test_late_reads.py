"""Late reads: which queries may answer from the replica stands here, and none that disclosure has a say in is there."""

import ast
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import FunctionType

import pytest

import careapp
from careapp.disclosure import reading
from careapp.disclosure.scope import in_scope

# Nothing is decided by these, and none shows what a restriction could hide. A new one is a decision: ADR 25.
LATE = {
    "careapp.clinics.queries.get_clinic",
    "careapp.clinics.queries.list_clinics",
    "careapp.operations.audit_search.export_audit",
    "careapp.operations.audit_search.export_page",
    "careapp.operations.audit_search.search_audit",
    "careapp.overviews.next_free.find_next_free",
    "careapp.providers.queries.get_provider",
    "careapp.providers.queries.list_providers",
    "careapp.scheduling.queries.list_slots",
    "careapp.terminology.queries.search_medicines",
}

CLINICS_OF_THE_ACTOR = "careapp.disclosure.scope"  # they come with him, from the primary, and nothing is looked up


def declared() -> Iterator[str]:
    """Every query of the application that is declared to answer late."""
    for found in pkgutil.walk_packages(careapp.__path__, "careapp."):
        if not found.name.endswith("__main__"):
            for function in vars(import_module(found.name)).values():
                if isinstance(function, FunctionType) and hasattr(function, "may_be_late"):
                    yield f"{function.__module__}.{function.__qualname__}"


def names_in(function: str) -> set[str]:
    """The names a function of a module uses."""
    module, name = function.rsplit(".", 1)
    path = import_module(module).__file__
    assert path
    with open(path) as file:
        tree = ast.parse(file.read())
    [found] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    return {getattr(node, "id", "") or getattr(node, "attr", "") for node in ast.walk(found)}


def test_only_these_may_be_late() -> None:
    assert set(declared()) == LATE


@pytest.mark.parametrize("function", sorted(LATE))
def test_no_late_read_asks_disclosure(function: str) -> None:
    module = import_module(function.rsplit(".", 1)[0])
    assert not names_in(function) & {*of_disclosure(vars(module)), "seen_by", "sees", "require"}


def of_disclosure(names: dict[str, object]) -> set[str]:
    """What stands for the package disclosure, one of its modules, or something in them."""
    places = {
        name: getattr(value, "__module__", None) or getattr(value, "__name__", "") for name, value in names.items()
    }
    found = {name for name, place in places.items() if str(place).startswith("careapp.disclosure")}
    return found - {name for name in found if places[name] == CLINICS_OF_THE_ACTOR}


def test_the_rule_sees_a_module_and_what_is_in_it() -> None:
    there = {"reading": reading, "sees": reading.sees, "pytest": pytest, "in_scope": in_scope}
    assert of_disclosure(there) == {"reading", "sees"}
    assert {"seen_by", "EpisodeView"} <= names_in("careapp.episodes.queries.list_episodes")
