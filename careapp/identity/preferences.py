"""Preferences: how a member of staff wants pages to look and speak."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Integer, Row, Text, column, func, select, table

from careapp.access import Actor, Permission
from careapp.commands import command, record
from careapp.db import guarded_update
from careapp.errors import Invalid, NotFound, Sentence
from careapp.identity.actors import TENANTS
from careapp.identity.models import USERS, User
from careapp.identity.states import DENSITIES, LANGUAGES, THEMES

# Settings of tenants belong to operations, a sibling: identity knows of the table only these columns.
TENANT_SETTINGS = table(
    "tenant_settings", column("tenant_id", Integer), column("language", Text), column("name", Text)
).c


@dataclass(frozen=True)
class Preferences:
    """Language (None: the tenant's), theme and density of pages, and whether single keys are shortcuts (WCAG 2.1.4).

    `tenant_language` and `tenant_name` are what the tenant has set for all its staff.
    """

    language: str | None = None
    theme: str = "system"
    density: str = "normal"
    shortcuts: bool = True
    tenant_language: str | None = None
    tenant_name: str | None = None

    @classmethod
    def of(cls, row: Row[Any]) -> "Preferences":
        """The preferences in a row that has `preference_columns`, and perhaps `tenant_columns`."""
        tenant = {name: row._mapping.get(name) for name in ("tenant_language", "tenant_name")}
        return cls(row.language, row.theme, row.density, row.shortcuts, **tenant)


def preference_columns() -> tuple[ColumnElement[Any], ...]:
    """The columns of a user's row that hold his preferences."""
    return USERS.language, USERS.theme, USERS.density, USERS.shortcuts


def tenant_columns(tenant_id: ColumnElement[int]) -> tuple[ColumnElement[Any], ...]:
    """What the tenant of a row has set, as columns; the row is joined to TENANTS."""
    mine = TENANT_SETTINGS.tenant_id == tenant_id
    language = select(TENANT_SETTINGS.language).where(mine).scalar_subquery()
    name = select(TENANT_SETTINGS.name).where(mine).scalar_subquery()
    return language.label("tenant_language"), func.coalesce(name, TENANTS.c.name).label("tenant_name")


@command(Permission.OWN_PREFERENCES)
def set_preferences(actor: Actor, *, language: str | None, theme: str, density: str, shortcuts: bool) -> Preferences:
    """Keep what the actor himself prefers; his alone, so without version. Raises Invalid for unknown codes."""
    for name, value, known in (
        ("language", language, (None, *LANGUAGES)), ("theme", theme, THEMES), ("density", density, DENSITIES),
    ):  # fmt: skip
        if value not in known:
            raise Invalid({name: Sentence("Choose one of the list.")})
    mine = (USERS.tenant_id == actor.tenant_id, USERS.id == actor.user_id)
    row = guarded_update(
        User, *mine, returning=preference_columns(), version=USERS.version,
        language=language, theme=theme, density=density, shortcuts=shortcuts,
    )  # fmt: skip
    if row is None:
        raise NotFound()
    record("user.set_preferences", actor.name)
    return Preferences.of(row)
