"""Pages of clinics: all of them, adding one, and changing one with a word of warning about its zone."""

from typing import Any

from flask import Blueprint, Response, request
from flask_babel import gettext as _
from flask_babel import ngettext

from careapp.access import Permission
from careapp.clinics import service
from careapp.clinics.queries import get_clinic_details, list_clinic_details
from careapp.clinics.zones import COMMON_ZONES
from careapp.errors import Conflict, Invalid
from careapp.overviews.staff import COUNT_UP_TO, count_future_appointments
from careapp.surface.actors import current_actor, requires
from careapp.web.forms.admin import AddClinicForm, ChangeClinicForm
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.refusals import said
from careapp.web.submissions import create_once

bp = Blueprint("admin_clinics", __name__)

FIELDS = ("name", "time_zone", "address", "phone")


@bp.get("/admin/clinics")
@requires(Permission.CLINIC_MANAGE)
def clinics() -> Response:
    """All clinics by name."""
    page = list_clinic_details(current_actor(), cursor=request.args.get("cursor"))
    return page_or_fragment("admin/clinics.html", "admin/clinics.html", listed=page)


@bp.get("/admin/clinics/new")
@requires(Permission.CLINIC_MANAGE)
def add_form() -> Response:
    """The form a clinic is entered with."""
    return _form_page(AddClinicForm(formdata=None))


@bp.post("/admin/clinics/new")
@requires(Permission.CLINIC_MANAGE)
def add() -> Response:
    """Enter a clinic."""
    actor, form = current_actor(), AddClinicForm()
    try:
        sent = form.checked()

        def create() -> str:
            return f"/admin/clinics/{service.create_clinic(actor, **_values(sent)).locator}"

        return see_other(create_once(actor, form, create), Notice(_("The clinic is entered.")))
    except Invalid as refusal:
        form.refuse(refusal)
        return _form_page(form, 422)


@bp.get("/admin/clinics/<locator>")
@requires(Permission.CLINIC_MANAGE)
def clinic(locator: str) -> Response:
    """One clinic as a form."""
    return _form_page(_as_it_is(locator), locator=locator)


@bp.post("/admin/clinics/<locator>")
@requires(Permission.CLINIC_MANAGE)
def change(locator: str) -> Response:
    """Change it. Another zone is asked about first where appointments lie ahead: people were told their times."""
    actor, form = current_actor(), ChangeClinicForm()
    try:
        sent = form.checked()
        _ask_about_zone(locator, sent)
        service.change_clinic(actor, locator, version=sent.version, **_values(sent))
    except Invalid as refusal:
        form.refuse(refusal)
        return _form_page(form, 422, locator=locator)
    except Conflict as refusal:
        meanwhile = form.meet(_as_it_is(locator))
        return _form_page(form, 409, locator=locator, alert=said(refusal), meanwhile=meanwhile)
    return see_other(f"/admin/clinics/{locator}", Notice(_("Saved.")))


def _ask_about_zone(locator: str, sent: Any) -> None:
    """Raise Invalid where times that people were told would be shown otherwise, and nobody said that this is meant."""
    stored = get_clinic_details(current_actor(), locator)
    if sent.zone_meant or stored.time_zone == sent.time_zone or stored.version != sent.version:
        return  # whoever comes too late may never have touched the zone: he is told first what it is now
    ahead = count_future_appointments(current_actor(), locator)
    if ahead:
        text = ngettext(
            "%(num)s appointment lies ahead here. It stays at its moment, but will be shown at another time of day "
            "than the patient was told. Tick this if the clinic really is in %(zone)s.",
            "%(num)s appointments lie ahead here. They stay at their moments, but will be shown at other times of day "
            "than the patients were told. Tick this if the clinic really is in %(zone)s.",
            ahead, zone=sent.time_zone,
        )  # fmt: skip
        raise Invalid({"zoneMeant": text})


def _as_it_is(locator: str) -> ChangeClinicForm:
    stored = get_clinic_details(current_actor(), locator)
    return ChangeClinicForm(formdata=None, **{name: getattr(stored, name) for name in (*FIELDS, "version")})


def _values(sent: Any) -> dict[str, Any]:
    return {name: getattr(sent, name) for name in FIELDS}


def _form_page(form: Any, status: int = 200, *, locator: str | None = None, **more: Any) -> Response:
    context: dict[str, Any] = {"meanwhile": (), "stored": None, "ahead": 0}
    if locator:
        context["stored"] = get_clinic_details(current_actor(), locator)
        context["ahead"] = count_future_appointments(current_actor(), locator)
    return page_or_fragment(
        "admin/clinic.html", "admin/_clinic.html", status, title=_("Clinic"), form=form, locator=locator,
        zones=COMMON_ZONES, most=COUNT_UP_TO, **{**context, **more},
    )  # fmt: skip
