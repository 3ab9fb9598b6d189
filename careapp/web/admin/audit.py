"""Page that searches the audit log, and its export."""

import json
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, request
from flask_babel import gettext as _

from careapp import clock
from careapp.access import Permission
from careapp.errors import Invalid
from careapp.identity.staff import find_staff, names_of_staff
from careapp.operations.audit_chain import chain_state
from careapp.operations.audit_fhir import audit_events
from careapp.operations.audit_search import MOST_EXPORTED, AuditFilter, audit_zone, export_audit, search_audit
from careapp.patients.queries import as_number
from careapp.surface.actors import current_actor, requires
from careapp.surface.step_up import recently_confirmed
from careapp.web import times
from careapp.web.admin.audit_file import as_csv
from careapp.web.admin.audit_words import OTHERS, PURPOSES, actions, sentence, user_ids, who, why
from careapp.web.forms.admin import AuditFilterForm, FindStaffForm
from careapp.web.forms.fields import options
from careapp.web.forms.typed import LOCATOR
from careapp.web.htmx import is_htmx, page_or_fragment

bp = Blueprint("admin_audit", __name__)

PEOPLE = "admin/_people.html"
FILTERS = ("patient", "subject", "actor", "action", "purpose", "outcome", "since", "until")


@bp.get("/admin/audit")
@requires(Permission.AUDIT_VIEW)
def audit() -> Response:
    """What meets the filter in the address, newest first."""
    return _page(FindStaffForm(formdata=None))


@bp.post("/admin/audit/people")
@requires(Permission.AUDIT_VIEW)
def people() -> Response:
    """Staff by part of the name or address, each a link that adds him to the filter; no address holds the name."""
    form = FindStaffForm()
    try:
        text = form.checked().q
        found = find_staff(current_actor(), text) if text else None
    except Invalid as refusal:
        form.refuse(refusal)
        return _page(form, status=422)
    if is_htmx():  # only these names: the log was not searched again
        return page_or_fragment(PEOPLE, PEOPLE, find=form, found=found, address=address)
    return _page(form, found)


@bp.get("/admin/audit.csv")
@requires(Permission.AUDIT_VIEW)
@recently_confirmed
def export() -> Response:
    """What meets the filter as a file, at most MOST_EXPORTED rows; its name says where there were more."""
    actor, zone = current_actor(), audit_zone(current_actor())
    entries, more = export_audit(actor, _sought(_form(), zone))
    file = as_csv(entries, names_of_staff(actor, user_ids(entries)), zone)
    return _file(file, "text/csv", "csv", clock.local(clock.now(), zone).date(), more)


@bp.get("/admin/audit.ndjson")
@requires(Permission.AUDIT_VIEW)
@recently_confirmed
def export_fhir() -> Response:
    """The same as FHIR R4 AuditEvent resources, one a line."""
    actor = current_actor()
    entries, more = export_audit(actor, _sought(_form(), audit_zone(actor)))
    lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in audit_events(entries, actor.tenant_key))
    return _file("".join(lines), "application/fhir+ndjson", "ndjson", clock.now().date(), more)


def _file(content: str, kind: str, ending: str, day: date, more: bool) -> Response:
    """A download that no cache keeps; its name says where there were more rows than it has."""
    response = make_response(content)
    response.mimetype = kind
    name = f"audit-{day:%Y-%m-%d}{f'-newest-{MOST_EXPORTED}' if more else ''}.{ending}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.cache_control.no_store = True
    return response


def address(path: str = "/admin/audit", **changes: str | None) -> str:
    """The address of the same filter, with changes; None leaves one out."""
    given = {name: request.args.get(name) for name in FILTERS} | changes
    kept = urlencode({name: value for name, value in given.items() if value})
    return f"{path}?{kept}" if kept else path


def _page(find: FindStaffForm, found: Any = None, *, status: int = 200) -> Response:
    actor, form = current_actor(), _form()
    zone, page = audit_zone(actor), None
    try:
        page = search_audit(actor, _sought(form, zone), cursor=request.args.get("cursor"))
    except Invalid as refusal:
        form.refuse(refusal)
        status = 422
    entries = page.items if page else ()
    chosen = form.actor.data or ""
    names = names_of_staff(actor, user_ids(entries) | _number(chosen))
    others = [(code, str(label)) for code, label in OTHERS.items()]
    mine = [(chosen, who(chosen, names))] if chosen and chosen not in OTHERS else []
    form.actor.choices = options([("", _("Anybody")), *mine, *others])
    return page_or_fragment(
        "admin/audit.html", "admin/_audit.html", status,
        title=_("Audit log"), form=form, find=find, found=found, zone=zone, listed=page, most=MOST_EXPORTED,
        chain=chain_state(actor), purposes=PURPOSES,
        rows=[(one, sentence(one, names), why(one)) for one in entries], address=address,
    )  # fmt: skip


def _form() -> AuditFilterForm:
    """The filter of the address as a form."""
    form = AuditFilterForm(request.args)
    acts = actions()
    chosen = request.args.get("action")
    unknown = [(chosen, chosen)] if chosen and chosen not in dict(acts) else []
    form.action.choices = options([("", _("Any")), *unknown, *acts])
    form.purpose.choices = options([("", _("Any")), *((code, str(label)) for code, label in PURPOSES.items())])
    return form


def _sought(form: AuditFilterForm, zone: str) -> AuditFilter:
    """The filter in the terms of the search. Raises Invalid for what cannot be converted."""
    if not form.validate():
        raise Invalid({name or "form": str(texts[0]) for name, texts in form.errors.items()})

    def moment(on_the_clock: datetime | None) -> datetime | None:
        return on_the_clock and times.moment_at(on_the_clock.date(), on_the_clock.time(), zone)

    return AuditFilter(
        patient=_patient(form.patient.data), subject=_locator(form.subject.data), actor=form.actor.data or None,
        action=form.action.data or None, purpose=form.purpose.data or None, outcome=form.outcome.data or None,
        since=moment(form.since.data),
        until=moment(form.until.data),
    )  # fmt: skip


def _patient(text: str | None) -> str | None:
    """A patient's number, typed in any of the ways it is understood elsewhere. Raises Invalid for what is none: to
    find nothing for it would say that nobody has looked at the record.
    """
    number = as_number(text) if text else None
    if number and not (LOCATOR.fullmatch(number) and number.startswith("PTY-")):
        raise Invalid({"patient": _("Give a number such as %(example)s.", example="PTY-2026-000042")})
    return number


def _locator(text: str | None) -> str | None:
    """A locator as it is stored, however it was typed; any other text as it is."""
    return text.upper() if text and LOCATOR.fullmatch(text) else text


def _number(actor: str) -> set[int]:
    """The number of the user a filter names, if it names one."""
    number = actor.removeprefix("user:")
    return {int(number)} if number != actor and number.isdecimal() and len(number) < 19 else set()
