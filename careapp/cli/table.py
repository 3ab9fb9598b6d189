"""The commands of `flask`, by name, each imported when it is asked for: a web server starts sooner without them."""

from importlib import import_module

import click
from flask.cli import AppGroup

# The module each stands in, as a variable of its own name.
MODULES = {
    "access": "access", "audit": "audit", "backup": "backup", "client": "client", "configuration": "configuration",
    "database": "database", "database-url": "database", "demo": "demo", "doctor": "doctor.command",
    "erasure": "erasure", "events": "events", "import-fhir": "import_fhir", "jobs": "jobs", "keys": "keys",
    "outbox": "outbox", "passwords": "passwords", "restore": "backup", "states": "states", "tenant": "tenant_life",
    "terminology": "terminology", "token": "token", "user": "user",
}  # fmt: skip


class Commands(AppGroup):
    """Flask's group of an application's commands, with those of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name, in order."""
        return sorted({*super().list_commands(ctx), *MODULES})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name, None where there is none."""
        if name in MODULES and name not in self.commands:
            module = import_module(f"careapp.cli.{MODULES[name]}")
            self.add_command(getattr(module, name.replace("-", "_")))
        command = super().get_command(ctx, name)
        if command is None:
            return None
        return import_module("careapp.cli.failures").in_a_sentence(command)  # type: ignore[no-any-return]
