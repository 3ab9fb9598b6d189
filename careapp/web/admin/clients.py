"""Pages of service clients: all of them, adding one, a new secret, and shutting one out."""

from collections.abc import Callable

from flask import Blueprint, Response
from flask_babel import gettext as _

from careapp import clock
from careapp.access import Permission, Role
from careapp.errors import Conflict, Invalid
from careapp.identity import service_clients as clients
from careapp.operations.settings import get_settings
from careapp.surface.actors import current_actor, requires
from careapp.surface.step_up import recently_confirmed
from careapp.web.forms.clients import AddClientForm, RotateForm
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.refusals import said
from careapp.web.submissions import act_once, create_once

bp = Blueprint("admin_clients", __name__)

LIST, ADD, ONE = "admin/clients.html", "admin/add_client.html", "admin/client.html"


@bp.get("/admin/clients")
@requires(Permission.USER_MANAGE)
def listed() -> Response:
    """All service clients by name."""
    actor = current_actor()
    found = clients.list_clients(actor)
    return page_or_fragment(LIST, LIST, listed=found, zone=get_settings(actor).time_zone)


@bp.get("/admin/clients/new")
@requires(Permission.USER_MANAGE)
def add_form() -> Response:
    """The form a client is added with."""
    return _add_page(AddClientForm(formdata=None))


@bp.post("/admin/clients/new")
@requires(Permission.USER_MANAGE)
@recently_confirmed
def add() -> Response:
    """Add a client and show, this once, the secret made for it."""
    form, made = AddClientForm(), list[tuple[clients.ServiceClientView, str]]()

    def create() -> str:
        made.append(_created(form))
        return f"/admin/clients/{made[0][0].id}"

    try:
        form.checked()
        address = create_once(current_actor(), form, create)
    except Invalid as refusal:
        form.refuse(refusal)
        return _add_page(form, 422)
    except Conflict as refusal:
        return _add_page(form, 409, alert=said(refusal))
    if not made:  # sent twice: the secret was shown the first time, and is not kept anywhere
        return see_other(address, Notice(_("This form was saved already.")))
    return _page(made[0][0].id, secret=made[0][1])


@bp.get("/admin/clients/<row:client_number>")
@requires(Permission.USER_MANAGE)
def client(client_number: int) -> Response:
    """One client, with what can be done about it."""
    return _page(client_number)


@bp.post("/admin/clients/<row:client_number>/rotate")
@requires(Permission.USER_MANAGE)
@recently_confirmed
def rotate(client_number: int) -> Response:
    """Give it a new secret, shown this once; the one before is good for a day, or ends at once."""
    actor, form, made = current_actor(), RotateForm(), list[str]()

    def create() -> str:
        made.append(clients.rotate_secret(actor, client_number, at_once=form.at_once.data)[1])
        return f"/admin/clients/{client_number}"

    try:
        form.checked()
        address = create_once(actor, form, create)
    except Invalid as refusal:
        form.refuse(refusal)
        return _page(client_number, 422, form=form)
    if not made:
        return see_other(address, Notice(_("This form was saved already.")))
    return _page(client_number, secret=made[0])


@bp.post("/admin/clients/<row:client_number>/disable")
@requires(Permission.USER_MANAGE)
@recently_confirmed
def disable(client_number: int) -> Response:
    """Shut it out."""
    return _act(client_number, clients.disable_client, _("Disabled: it gets no token, and those it has are refused."))


@bp.post("/admin/clients/<row:client_number>/enable")
@requires(Permission.USER_MANAGE)
@recently_confirmed
def enable(client_number: int) -> Response:
    """Let it in again."""
    return _act(client_number, clients.enable_client, _("Enabled, with the same secret and rights as before."))


def _created(form: AddClientForm) -> tuple[clients.ServiceClientView, str]:
    roles = [Role(name) for name in form.roles.data or ()]
    return clients.create_client(current_actor(), name=form.name.data or "", roles=roles, scopes=form.scopes.data or ())


def _act(number: int, act: Callable[..., object], text: str) -> Response:
    actor = current_actor()
    act_once(actor, lambda: act(actor, number))
    return see_other(f"/admin/clients/{number}", Notice(text))


def _page(number: int, status: int = 200, *, secret: str | None = None, form: RotateForm | None = None) -> Response:
    actor = current_actor()
    shown, zone, now = clients.get_client(actor, number), get_settings(actor).time_zone, clock.now()
    return page_or_fragment(
        ONE, ONE, status, title=_("Service client"), client=shown, zone=zone, secret=secret,
        former_until=shown.former_until if (shown.former_until or now) > now else None,
        form=form or RotateForm(formdata=None),
    )  # fmt: skip


def _add_page(form: AddClientForm, status: int = 200, *, alert: str | None = None) -> Response:
    return page_or_fragment(ADD, ADD, status, title=_("Add a service client"), form=form, alert=alert)
