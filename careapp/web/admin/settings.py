"""Page of what a tenant may set."""

from typing import Any

from flask import Blueprint, Response
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.errors import Conflict, Invalid
from careapp.operations.settings import change_settings, get_settings
from careapp.surface.actors import current_actor, requires
from careapp.surface.step_up import recently_confirmed
from careapp.web.forms.admin import SettingsForm
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.refusals import said

bp = Blueprint("admin_settings", __name__)


@bp.get("/admin/settings")
@requires(Permission.SETTINGS_MANAGE)
def settings() -> Response:
    """The settings as a form."""
    return _page(None)


@bp.post("/admin/settings")
@requires(Permission.SETTINGS_MANAGE)
@recently_confirmed
def change() -> Response:
    """Change them: the whole page follows, as they hold for its frame as well."""
    form = SettingsForm()
    try:
        sent = form.checked()
        change_settings(
            current_actor(), version=sent.version, name=sent.name, buffer_minutes=sent.buffer_minutes,
            language=sent.language or None, second_factor=sent.second_factor,
        )  # fmt: skip
    except Invalid as refusal:
        form.refuse(refusal)
        return _page(form, 422)
    except Conflict as refusal:
        return _page(form, 409, alert=said(refusal), stale=True)
    return see_other("/admin/settings", Notice(_("The settings are saved.")))


def _page(form: Any, status: int = 200, *, stale: bool = False, alert: str | None = None) -> Response:
    stored = get_settings(current_actor())
    now = SettingsForm(
        formdata=None, version=stored.version, name=stored.name, buffer_minutes=stored.buffer_minutes,
        language=stored.language or "", second_factor=stored.second_factor,
    )  # fmt: skip
    return page_or_fragment(
        "admin/settings.html", "admin/_settings.html", status, title=_("Settings"), form=form or now,
        stored=stored, meanwhile=form.meet(now) if stale else (), alert=alert,
    )  # fmt: skip
