"""Late reads: which queries may answer from the replica stands here, and none that disclosure has a say in is there."""

import ast
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import FunctionType

import pytest

import careapp

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
    return {node.id for node in ast.walk(found) if isinstance(node, ast.Name)}


def test_only_these_may_be_late() -> None:
    assert set(declared()) == LATE


@pytest.mark.parametrize("function", sorted(LATE))
def test_no_late_read_asks_disclosure(function: str) -> None:
    module = import_module(function.rsplit(".", 1)[0])
    disclosed = {
        name for name, value in vars(module).items() if "careapp.disclosure" in str(getattr(value, "__module__", ""))
    }
    assert not names_in(function) & {*disclosed, "seen_by", "require"}
