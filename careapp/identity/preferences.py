"""Preferences: how a member of staff wants pages to look and speak."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row

from careapp.access import Actor, Permission
from careapp.commands import command, record
from careapp.db import guarded_update
from careapp.errors import Invalid, NotFound
from careapp.identity.models import USERS, User
from careapp.identity.states import DENSITIES, LANGUAGES, THEMES


@dataclass(frozen=True)
class Preferences:
    """Language (None: the tenant's), theme and density of pages, and whether single keys are shortcuts (WCAG 2.1.4)."""

    language: str | None = None
    theme: str = "system"
    density: str = "normal"
    shortcuts: bool = True

    @classmethod
    def of(cls, row: Row[Any]) -> "Preferences":
        """The preferences in a row that has `preference_columns`."""
        return cls(row.language, row.theme, row.density, row.shortcuts)


def preference_columns() -> tuple[ColumnElement[Any], ...]:
    """The columns of a user's row that hold his preferences."""
    return USERS.language, USERS.theme, USERS.density, USERS.shortcuts


@command(Permission.OWN_PREFERENCES)
def set_preferences(actor: Actor, *, language: str | None, theme: str, density: str, shortcuts: bool) -> Preferences:
    """Keep what the actor himself prefers; his alone, so without version. Raises Invalid for unknown codes."""
    for name, value, known in (
        ("language", language, (None, *LANGUAGES)), ("theme", theme, THEMES), ("density", density, DENSITIES),
    ):  # fmt: skip
        if value not in known:
            raise Invalid({name: "Choose one of the list."})
    mine = (USERS.tenant_id == actor.tenant_id, USERS.id == actor.user_id)
    row = guarded_update(
        User, *mine, returning=preference_columns(), version=USERS.version,
        language=language, theme=theme, density=density, shortcuts=shortcuts,
    )  # fmt: skip
    if row is None:
        raise NotFound()
    record("user.set_preferences", actor.name)
    return Preferences.of(row)
