"""Pages of members of staff: finding them, adding one, what each may do, and shutting somebody out."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, current_app, request
from flask_babel import gettext as _

from careapp.access import Permission, Role
from careapp.errors import Conflict, Invalid
from careapp.identity import factors, passwords, session_list, users
from careapp.overviews.staff import Choice, StaffChoices, StaffMember, get_staff_choices, get_staff_member, list_staff
from careapp.surface.actors import current_actor, requires
from careapp.surface.step_up import recently_confirmed
from careapp.web.forms.admin import (
    AddStaffForm,
    ChangeStaffForm,
    FindStaffForm,
    NewPasswordForm,
    StaffForm,
    with_staff_choices,
)
from careapp.web.htmx import Notice, changed, page_or_fragment, see_other
from careapp.web.refusals import said
from careapp.web.submissions import act_once, create_once

bp = Blueprint("admin_users", __name__)

PAGE, FRAGMENT = "admin/user.html", "admin/_user.html"


@bp.get("/admin/users")
@requires(Permission.USER_MANAGE)
def staff() -> Response:
    """All staff by name."""
    return _list(FindStaffForm(formdata=None), cursor=request.args.get("cursor"))


@bp.post("/admin/users")
@requires(Permission.USER_MANAGE)
def find() -> Response:
    """Staff whose name or address holds what was typed."""
    form = FindStaffForm()
    try:
        return _list(form, text=form.checked().q)
    except Invalid as refusal:
        form.refuse(refusal)
        return _list(form, status=422)


@bp.get("/admin/users/new")
@requires(Permission.USER_MANAGE)
def add_form() -> Response:
    """The form somebody is added with."""
    choices = get_staff_choices(current_actor())
    return _add_page(_with(choices, AddStaffForm(formdata=None)))


@bp.post("/admin/users/new")
@requires(Permission.USER_MANAGE)
@recently_confirmed
def add() -> Response:
    """Add somebody and show, this once, the password made for him."""
    actor, choices, password = current_actor(), get_staff_choices(current_actor()), passwords.made()
    form = _with(choices, AddStaffForm())
    made: list[users.UserView] = []
    try:
        sent = form.checked()

        def create() -> str:
            given = {"email": sent.email, "password": password, "for_first_sign_in": True}
            made.append(users.create_user(actor, **given, **_values(sent, choices)))
            return f"/admin/users/{made[0].id}"

        address = create_once(actor, form, create)
    except Invalid as refusal:
        form.refuse(refusal)
        return _add_page(form, 422)
    if not made:  # sent twice: the password was shown the first time, and is not kept anywhere
        return see_other(address, Notice(_("This form was saved already.")))
    return page_or_fragment("admin/added.html", "admin/added.html", user=made[0], password=password)


@bp.get("/admin/users/<row:user_id>")
@requires(Permission.USER_MANAGE)
def user(user_id: int) -> Response:
    """One member of staff, as a form, with what can be done about his way in."""
    return _page(user_id)


@bp.post("/admin/users/<row:user_id>")
@requires(Permission.USER_MANAGE)
@recently_confirmed
def change(user_id: int) -> Response:
    """Change what he is and may do; a stale version shows the present state beside what was typed."""
    actor, choices = current_actor(), get_staff_choices(current_actor(), user_id)
    form = _with(choices, ChangeStaffForm())
    try:
        sent = form.checked()
        users.change_user(actor, user_id, version=sent.version, **_values(sent, choices))
    except Invalid as refusal:
        form.refuse(refusal)
        return _page(user_id, 422, form=form)
    except Conflict as refusal:
        return _page(user_id, 409, form=form, alert=said(refusal), stale=refusal.code == "STALE_VERSION")
    return _done(user_id, _("Saved."))


@bp.post("/admin/users/<row:user_id>/password")
@requires(Permission.USER_MANAGE)
@recently_confirmed
def password(user_id: int) -> Response:
    """Give a new password, which ends all sessions; one that is made is shown this once."""
    actor, form = current_actor(), NewPasswordForm()
    try:
        chosen = form.checked().password
        given = chosen or passwords.made()
        now = act_once(actor, lambda: users.set_password(actor, user_id, password=given))
    except Invalid as refusal:
        form.refuse(refusal)
        return _page(user_id, 422, password_form=form)
    if not now and not chosen:  # one that was made was shown the first time, and is not kept anywhere
        return _done(user_id, _("This form was saved already."))
    if chosen:
        return _done(user_id, _("The password is changed, and all sessions are ended."))
    return _page(user_id, password=given)


@bp.post("/admin/users/<row:user_id>/disable")
@requires(Permission.USER_MANAGE)
@recently_confirmed
def disable(user_id: int) -> Response:
    """Shut him out."""
    return _act(user_id, users.disable, _("Disabled: signing in is refused, and all sessions are ended."))


@bp.post("/admin/users/<row:user_id>/enable")
@requires(Permission.USER_MANAGE)
@recently_confirmed
def enable(user_id: int) -> Response:
    """Let him in again."""
    return _act(user_id, users.enable, _("Enabled, with the same password and roles as before."))


@bp.post("/admin/users/<row:user_id>/end-sessions")
@requires(Permission.USER_MANAGE)
@recently_confirmed
def end_sessions(user_id: int) -> Response:
    """Sign him out everywhere."""
    return _act(user_id, users.end_sessions, _("Signed out everywhere."))


@bp.post("/admin/users/<row:user_id>/remove-factors")
@requires(Permission.USER_MANAGE)
@recently_confirmed
def remove_factors(user_id: int) -> Response:
    """Take away his second factors, for the day his phone is lost; his password alone then signs him in."""
    return _act(user_id, factors.remove_all, _("All second factors are removed, and all sessions are ended."))


@bp.post("/admin/users/<row:user_id>/sessions/<row:session_id>/end")
@requires(Permission.USER_MANAGE)
@recently_confirmed
def end_session(user_id: int, session_id: int) -> Response:
    """Sign him out in one place."""
    return _act(user_id, session_list.end_session_of, _("Signed out there."), session_id)


def _act(user_id: int, act: Callable[..., object], text: str, *which: int) -> Response:
    actor = current_actor()
    try:
        act_once(actor, lambda: act(actor, user_id, *which))
    except Conflict as refusal:
        return _page(user_id, 409, alert=said(refusal))
    return _done(user_id, text)


def _done(user_id: int, text: str) -> Response:
    context = _context(user_id)
    notice = Notice(text, context["user"].name)
    return changed(FRAGMENT, to=f"/admin/users/{user_id}", notice=notice, **context)


def _page(user_id: int, status: int = 200, *, alert: str | None = None, **more: Any) -> Response:
    return page_or_fragment(PAGE, FRAGMENT, status, title=_("Staff"), alert=alert, **_context(user_id, **more))


def _context(
    user_id: int, *, form: ChangeStaffForm | None = None, stale: bool = False, **more: Any
) -> dict[str, Any]:  # fmt: skip
    """What the page of one user shows; `stale` says that the form was refused because somebody else was quicker."""
    actor = current_actor()
    member, zone = get_staff_member(actor, user_id)
    meanwhile: list[tuple[str, str]] = []
    if form is None or stale:
        choices = get_staff_choices(actor, user_id)
        now = _with(choices, ChangeStaffForm(formdata=None, version=member.version, **_shown(member)))
        meanwhile, form = (form.meet(now), form) if form else ([], now)
    defaults = {"password_form": NewPasswordForm(formdata=None), "password": None, "meanwhile": meanwhile}
    sessions = session_list.list_sessions_of(actor, user_id, settings=current_app.config["SETTINGS"])
    own = user_id == actor.user_id
    held = factors.factors_of(actor, user_id)
    shown = {"user": member, "held": held, "zone": zone, "form": form, "own": own, "sessions": sessions}
    return {**shown, **defaults, **more}


def _shown(member: StaffMember) -> dict[str, Any]:
    """What a user's form holds before anybody types."""
    return {
        "name": member.name, "roles": [role.value for role in member.roles], "clinics": list(member.clinic_locators),
        "provider": member.provider_locator or "",
    }  # fmt: skip


def _with(choices: StaffChoices, form: Any) -> Any:
    """The form with its choices."""
    by_locator = [[(one.locator, one.name) for one in kind] for kind in (choices.clinics, choices.providers)]
    with_staff_choices(form, *by_locator)
    return form


def _values(sent: Any, choices: StaffChoices) -> dict[str, Any]:
    """What a user's form holds, in the terms of the commands."""

    def ids(of: tuple[Choice, ...], locators: list[str]) -> list[int]:
        return [one.id for one in of if one.locator in locators]

    provider = ids(choices.providers, [sent.provider])
    return {
        "name": sent.name, "roles": [Role(name) for name in sent.roles or ()],
        "clinic_ids": ids(choices.clinics, sent.clinics or []), "provider_id": provider[0] if provider else None,
    }  # fmt: skip


def _list(form: FindStaffForm, status: int = 200, *, text: str | None = None, cursor: str | None = None) -> Response:
    page, zone = list_staff(current_actor(), text=text, cursor=cursor)
    return page_or_fragment(
        "admin/users.html", "admin/_users.html", status, title=_("Staff"), form=form, listed=page, zone=zone, text=text
    )


def _add_page(form: StaffForm, status: int = 200) -> Response:
    return page_or_fragment("admin/add_user.html", "admin/_add_user.html", status, title=_("Add staff"), form=form)
