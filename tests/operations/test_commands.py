"""The commands of `flask`: each is found by its name, and only who runs one imports it."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from careapp.cli.table import MODULES, Commands

ROOT = Path(__file__).resolve().parents[2]
LOADED = "import sys, careapp.wiring; print([one for one in sys.modules if one.startswith(('careapp.cli.', 'kafka'))])"


@pytest.mark.parametrize("name", MODULES)
def test_a_command_is_found_by_its_name(name: str) -> None:
    commands = Commands()
    context = click.Context(commands)
    found = commands.get_command(context, name)
    assert found is not None
    assert (found.name, name in commands.list_commands(context)) == (name, True)
    assert commands.get_command(context, f"no-{name}") is None


def test_whoever_serves_imports_none_of_them() -> None:
    told = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert told.stdout.strip() == "['careapp.cli.table']"
