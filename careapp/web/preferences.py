"""Page of what a member of staff prefers: language, look, keys."""

from flask import Blueprint, Response
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.errors import Invalid
from careapp.identity.preferences import set_preferences
from careapp.surface.actors import current_actor, requires
from careapp.web.forms.preferences import PreferencesForm
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.language import current_preferences

bp = Blueprint("preferences", __name__)

PAGE = "identity/preferences.html"


@bp.get("/preferences")
@requires(Permission.OWN_PREFERENCES)
def preferences() -> Response:
    """The form, with what holds now."""
    now = current_preferences()
    form = PreferencesForm(
        formdata=None, language=now.language or "", theme=now.theme, density=now.density, shortcuts=now.shortcuts
    )
    return page_or_fragment(PAGE, PAGE, form=form)


@bp.post("/preferences")
@requires(Permission.OWN_PREFERENCES)
def save() -> Response:
    """Keep them; the next page follows them."""
    form = PreferencesForm()
    try:
        sent = form.checked()
        set_preferences(
            current_actor(), language=sent.language or None, theme=sent.theme, density=sent.density,
            shortcuts=sent.shortcuts,
        )  # fmt: skip
    except Invalid as refusal:
        form.refuse(refusal)
        return page_or_fragment(PAGE, PAGE, 422, title=_("Preferences"), form=form)
    return see_other("/preferences", Notice(_("Your preferences are saved.")))
