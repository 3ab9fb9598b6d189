"""Pages of the outbox desk: what waits, what is parked, and what to do with it."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, Response, request
from flask_babel import gettext as _
from flask_babel import ngettext

from careapp import clock
from careapp.access import Permission
from careapp.errors import Conflict, Invalid
from careapp.operations import outbox_desk
from careapp.surface.actors import current_actor, requires
from careapp.surface.step_up import recently_confirmed
from careapp.web.forms.admin import WithholdForm
from careapp.web.htmx import Notice, changed, page_or_fragment
from careapp.web.refusals import said
from careapp.web.submissions import act_once

bp = Blueprint("admin_outbox", __name__)

PAGE, FRAGMENT = "admin/outbox.html", "admin/_outbox.html"
LATE_AFTER = timedelta(minutes=1)  # an event usually leaves within a second
SHOWN = 100


@bp.get("/admin/outbox")
@requires(Permission.OUTBOX_MANAGE)
def outbox() -> Response:
    """The figures, and the events that are parked or late."""
    return page_or_fragment(PAGE, FRAGMENT, **_context())


@bp.get("/admin/outbox/<uuid:event_id>")
@requires(Permission.OUTBOX_MANAGE)
def event(event_id: UUID) -> Response:
    """One event with its envelope, as consumers would get it."""
    found = outbox_desk.get_event(current_actor(), event_id)
    return page_or_fragment(
        "admin/event.html", "admin/event.html", event=found, zone=outbox_desk.get_figures(current_actor()).zone,
        envelope=json.dumps(found.envelope, indent=2, ensure_ascii=False),
    )  # fmt: skip


@bp.post("/admin/outbox/<uuid:event_id>/retry")
@requires(Permission.OUTBOX_MANAGE)
def retry(event_id: UUID) -> Response:
    """Let it try again at once."""
    return _act(lambda: outbox_desk.retry(current_actor(), event_id), _("It is sent with the next pass."))


@bp.post("/admin/outbox/<uuid:event_id>/withhold")
@requires(Permission.OUTBOX_MANAGE)
@recently_confirmed
def withhold(event_id: UUID) -> Response:
    """Send it without its data, so that the events behind it can go."""

    form = WithholdForm()

    def act() -> None:
        outbox_desk.withhold(current_actor(), event_id, reason=form.checked().reason)

    return _act(act, _("It is sent without its data with the next pass."), typed=(event_id, form.reason.data))


def _act(act: Callable[[], None], text: str, typed: tuple[UUID, str | None] | None = None) -> Response:
    """Do it and show the page of the desk it was pressed on, as it is then. A refusal keeps the reason that was typed,
    beside its event.
    """
    try:
        act_once(current_actor(), act)
    except (Conflict, Invalid) as refusal:
        return page_or_fragment(
            PAGE, FRAGMENT, refusal.status, title=_("Outbox"), alert=said(refusal), typed=typed, **_context()
        )
    context = _context()
    return changed(FRAGMENT, to=f"/admin/outbox{context['place']}", notice=Notice(text), **context)


def _context() -> dict[str, Any]:
    """What the page of the list shows that the address says; `place` takes the forms back to it."""
    actor, cursor = current_actor(), request.args.get("cursor")
    figures, now = outbox_desk.get_figures(actor), clock.now()
    page = outbox_desk.list_unsent(actor, limit=SHOWN, cursor=cursor, late_after=LATE_AFTER)
    if cursor and not page.items:  # what stood here has left; that nothing is parked would be said of the whole desk
        cursor, page = None, outbox_desk.list_unsent(actor, limit=SHOWN, late_after=LATE_AFTER)
    return {
        "place": f"?{urlencode({'cursor': cursor})}" if cursor else "",
        "figures": figures, "zone": figures.zone, "count_up_to": outbox_desk.COUNT_UP_TO,
        "next_cursor": page.next_cursor,
        "oldest": waited(now - figures.oldest_at) if figures.oldest_at else None,
        "events": [(one, waited(now - one.created_at)) for one in page.items],
    }  # fmt: skip


def waited(since: timedelta) -> str:
    """How long something has waited, in the largest unit that says it: `45 seconds`, `3 hours`."""
    seconds = max(0, int(since.total_seconds()))
    if seconds < 60:
        return ngettext("%(num)s second", "%(num)s seconds", seconds)
    if seconds < 3600:
        return ngettext("%(num)s minute", "%(num)s minutes", seconds // 60)
    if seconds < 2 * 86400:
        return ngettext("%(num)s hour", "%(num)s hours", seconds // 3600)
    return ngettext("%(num)s day", "%(num)s days", seconds // 86400)
