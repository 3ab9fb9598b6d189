"""Pages of providers: all of them, entering one, changing him and where he works, and letting him be booked."""

from typing import Any

from flask import Blueprint, Response, request
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.clinics.queries import list_clinics
from careapp.errors import Conflict, Invalid
from careapp.lifecycle import Transition
from careapp.overviews.staff import COUNT_UP_TO, MOST_CHOICES, count_appointments_of_provider
from careapp.providers import service
from careapp.providers.queries import get_provider, list_providers
from careapp.providers.states import NETWORK, SPECIALTIES
from careapp.providers.views import ProviderView
from careapp.surface.actors import current_actor, requires
from careapp.web.episode_answers import form_refused
from careapp.web.forms.admin import AddProviderForm, ChangeProviderForm, ProviderForm
from careapp.web.forms.fields import options
from careapp.web.forms.moves import move_form
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.moves import each_move
from careapp.web.refusals import said
from careapp.web.submissions import create_once
from careapp.web.words import now, words

bp = Blueprint("admin_providers", __name__)


@bp.get("/admin/providers")
@requires(Permission.PROVIDER_MANAGE)
def providers() -> Response:
    """All providers by name."""
    page = list_providers(current_actor(), cursor=request.args.get("cursor"))
    return page_or_fragment("admin/providers.html", "admin/providers.html", listed=page, clinics=_clinics())


@bp.get("/admin/providers/new")
@requires(Permission.PROVIDER_MANAGE)
def add_form() -> Response:
    """The form a provider is entered with."""
    return _form_page(AddProviderForm(formdata=None))


@bp.post("/admin/providers/new")
@requires(Permission.PROVIDER_MANAGE)
def add() -> Response:
    """Enter a provider, and show him: he can be booked once he is active."""
    actor, form = current_actor(), _with_choices(AddProviderForm())
    try:
        sent = form.checked()

        def create() -> str:
            return f"/admin/providers/{service.create_provider(actor, **_values(sent)).locator}"

        return see_other(create_once(actor, form, create), Notice(_("The provider is entered.")))
    except (Conflict, Invalid) as refusal:
        form_refused(form, refusal)
        return _form_page(form, refusal.status)


@bp.get("/admin/providers/<locator>")
@requires(Permission.PROVIDER_MANAGE)
def provider(locator: str) -> Response:
    """One provider as a form, with what can be done about his bookings."""
    stored = get_provider(current_actor(), locator)
    return _form_page(_as_it_is(stored), stored=stored)


@bp.post("/admin/providers/<locator>")
@requires(Permission.PROVIDER_MANAGE)
def change(locator: str) -> Response:
    """Change what is told of him, and where he works."""
    actor, stored = current_actor(), get_provider(current_actor(), locator)
    form, meanwhile = _with_choices(ChangeProviderForm(), stored), []
    try:
        sent = form.checked()
        service.change_provider(actor, locator, version=sent.version, **_values(sent))
        return see_other(f"/admin/providers/{locator}", Notice(_("Saved.")))
    except (Conflict, Invalid) as refusal:
        if getattr(refusal, "code", None) == "STALE_VERSION":
            stored = get_provider(actor, locator)
            meanwhile = form.meet(_as_it_is(stored))
            return _form_page(form, 409, stored=stored, alert=said(refusal), meanwhile=meanwhile)
        form_refused(form, refusal)
        return _form_page(form, refusal.status, stored=stored)


@each_move(bp, "/admin/providers", NETWORK, Permission.PROVIDER_MANAGE)
def provider_move(locator: str, transition: Transition) -> Response:
    """Let him be booked, or not."""
    try:
        sent = move_form(transition).checked()
        made = service.act(current_actor(), locator, action=transition.name, version=sent.version, reason=sent.reason)
    except (Conflict, Invalid) as refusal:
        stored = get_provider(current_actor(), locator)
        return _form_page(_as_it_is(stored), refusal.status, stored=stored, alert=said(refusal))
    return see_other(f"/admin/providers/{locator}", Notice(now(locator, made.status)))


def _clinics() -> dict[str, str]:
    """The names of clinics by their locators."""
    return {one.locator: one.name for one in list_clinics(current_actor(), limit=MOST_CHOICES).items}


def _with_choices(form: Any, stored: ProviderView | None = None) -> Any:
    """The form with its choices, and those that are stored: what is offered nowhere is not lost when he is saved."""
    held, works_at = ([stored.specialty], stored.clinics) if stored else ([], [])
    offered = ((one, words(one)) for one in {*SPECIALTIES, *held})
    form.specialty.choices = options([("", _("Choose…")), *sorted(offered, key=lambda pair: pair[1])])
    named = _clinics()
    form.clinics.choices = options((named | {one: one for one in works_at if one not in named}).items())
    return form


def _as_it_is(stored: ProviderView) -> ChangeProviderForm:
    held = {name: getattr(stored, name) for name in ("name", "specialty", "npi", "clinics", "version")}
    return ChangeProviderForm(formdata=None, **held)


def _values(sent: Any) -> dict[str, Any]:
    """What a provider's form holds, in the terms of the commands."""
    return {
        "name": sent.name, "specialty": sent.specialty, "npi": sent.npi, "clinic_locators": list(sent.clinics or []),
    }  # fmt: skip


def _form_page(form: ProviderForm, status: int = 200, *, stored: ProviderView | None = None, **more: Any) -> Response:
    ahead = count_appointments_of_provider(current_actor(), stored.locator) if stored else 0
    context: dict[str, Any] = {"meanwhile": (), "ahead": ahead, "most": COUNT_UP_TO}
    return page_or_fragment(
        "admin/provider.html", "admin/_provider.html", status, title=_("Provider"),
        form=_with_choices(form, stored), stored=stored, **{**context, **more},
    )  # fmt: skip
