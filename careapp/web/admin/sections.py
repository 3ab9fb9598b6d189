"""Sections of administration: the pages in their order, each for who may use it, and the way to the first of them."""

from flask import Blueprint, Response, request
from flask_babel import lazy_gettext as _l

from careapp.access import Permission
from careapp.errors import Forbidden
from careapp.surface.actors import current_actor, signed_in
from careapp.web.htmx import see_other

bp = Blueprint("admin", __name__)

SECTIONS = (
    ("/admin/users", _l("Staff"), Permission.USER_MANAGE),
    ("/admin/clients", _l("Service clients"), Permission.USER_MANAGE),
    ("/admin/clinics", _l("Clinics"), Permission.CLINIC_MANAGE),
    ("/admin/providers", _l("Providers"), Permission.PROVIDER_MANAGE),
    ("/admin/settings", _l("Settings"), Permission.SETTINGS_MANAGE),
    ("/admin/outbox", _l("Outbox"), Permission.OUTBOX_MANAGE),
    ("/admin/erasure", _l("Erasure"), Permission.PATIENT_ERASE),
    ("/admin/audit", _l("Audit log"), Permission.AUDIT_VIEW),
    ("/admin/emergency-access", _l("Emergency access"), Permission.EMERGENCY_REVIEW),
)


@bp.get("/admin")
@signed_in
def first() -> Response:
    """The first section the user may use. Raises Forbidden where there is none."""
    for url, _label, permission in SECTIONS:
        if current_actor().may(permission):
            return see_other(url)
    raise Forbidden()


@bp.app_template_global("admin_sections")
def sections() -> list[tuple[str, str, bool]]:
    """The sections the user may use: address, label, and whether the present page is in it."""
    here = request.path
    return [
        (url, str(label), here == url or here.startswith(f"{url}/"))
        for url, label, permission in SECTIONS
        if current_actor().may(permission)
    ]
