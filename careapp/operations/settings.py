"""Settings of a tenant: what it calls itself, the language of its pages, and the buffer between appointments."""

from sqlalchemy import Select, func, select

from careapp.access import Actor, Permission
from careapp.commands import command, query, record
from careapp.config import LANGUAGES, NEEDS_SECOND_FACTOR
from careapp.db import db, guarded_update
from careapp.errors import Conflict, Invalid, Sentence
from careapp.operations.models import LONGEST_BUFFER, SETTINGS, TENANTS, TenantSettings
from careapp.views import View

LONGEST_NAME = 200  # characters
STALE = "Somebody else has changed the settings since you opened them."


class SettingsView(View):
    """What a tenant has set. `key` and `time_zone` were given when it was made and are not changed here.

    `language` None means: what each browser asks for. `second_factor`: who must sign in with more than a password.
    """

    key: str
    name: str
    time_zone: str
    buffer_minutes: int
    language: str | None
    second_factor: str
    version: int


@query(Permission.SETTINGS_MANAGE)
def get_settings(actor: Actor) -> SettingsView:
    """The settings of the actor's tenant."""
    return _read(actor)


@command(Permission.SETTINGS_MANAGE)
def change_settings(
    actor: Actor,
    *,
    version: int,
    name: str,
    buffer_minutes: int,
    language: str | None,
    second_factor: str | None = None,
) -> SettingsView:
    """Change the settings; the audit keeps what each was before. Appointments that are booked keep their buffer.

    `second_factor` None leaves that as it is.

    Raises Invalid naming the field, Conflict STALE_VERSION when somebody else was quicker.
    """
    before = _read(actor)
    kept = second_factor or before.second_factor
    after = {"name": name.strip(), "buffer_minutes": buffer_minutes, "language": language, "second_factor": kept}
    _check(name.strip(), buffer_minutes, language, kept)
    changed = guarded_update(
        TenantSettings, SETTINGS.tenant_id == actor.tenant_id, SETTINGS.version == version,
        returning=(SETTINGS.version,), **after,
    )  # fmt: skip
    if changed is None:
        raise Conflict(STALE, code="STALE_VERSION")
    old = {field: getattr(before, field) for field in after}
    differing = [field for field in after if after[field] != old[field]]
    record("settings.change", before={one: old[one] for one in differing}, after={one: after[one] for one in differing})
    return _read(actor)


def _check(name: str, buffer_minutes: int, language: str | None, second_factor: str) -> None:
    errors: dict[str, str] = {}
    if not name or len(name) > LONGEST_NAME:
        errors["name"] = Sentence("Enter a name of at most %(most)s characters.", most=LONGEST_NAME)
    if not 0 <= buffer_minutes <= LONGEST_BUFFER:
        errors["bufferMinutes"] = Sentence("Enter a whole number of minutes from 0 to %(most)s.", most=LONGEST_BUFFER)
    if language not in (None, *LANGUAGES):
        errors["language"] = Sentence("Choose one of the list.")
    if second_factor not in NEEDS_SECOND_FACTOR:
        errors["secondFactor"] = Sentence("Choose one of the list.")
    if errors:
        raise Invalid(errors)


def _read(actor: Actor) -> SettingsView:
    return SettingsView.of(db.session.execute(_settings(actor)).one())


def _settings(actor: Actor) -> Select[tuple[object, ...]]:
    return select(
        TENANTS.key, func.coalesce(SETTINGS.name, TENANTS.name).label("name"), TENANTS.time_zone,
        SETTINGS.buffer_minutes, SETTINGS.language, SETTINGS.second_factor, SETTINGS.version,
    ).where(SETTINGS.tenant_id == actor.tenant_id, TENANTS.id == SETTINGS.tenant_id)  # fmt: skip
