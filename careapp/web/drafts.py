"""Drafts: what was typed into a form and not saved yet. It is shown again in the form, or, where a session ran out
under it, on a page that has the entries and one button.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from flask import Blueprint, Response, request
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from careapp.access import Permission
from careapp.identity import drafts
from careapp.surface.actors import current_actor, requires
from careapp.surface.csrf import is_ours, safe_next
from careapp.surface.sessions import held_before, signed_in_actor
from careapp.web.forms.entered import entries
from careapp.web.forms.fields import storable
from careapp.web.htmx import is_htmx, page_or_fragment, see_other

bp = Blueprint("drafts", __name__)

FIELD = "draft"  # the field that names the form's address: `draft_field` of _macros/drafts.html prints it
OF_ONE_FORM = frozenset(
    {"version", "opened", "submission"}
)  # of the form as it was then; a form shown again has its own
NEVER_KEPT = frozenset({"csrf_token", FIELD})
SEARCHED = frozenset({"q", "choice"})  # whom a form is about is found anew
ON_THE_WAY = "typed=1"  # in the address of a page: its form was left half filled, and is shown as it was
ABOUT = re.compile(r"/(episodes|patients)/((?:EPI|PTY)-[0-9]{4}-[0-9]{6,})(?=[/?]|$)")
GONE = (200, 303)  # answers to a form that was taken: its draft has done its work


@dataclass(frozen=True)
class Draft:
    """What a form is filled with again: texts by field name, ready to be a form's `formdata`."""

    address: str
    fields: MultiDict[str, str]
    saved_at: datetime


def kept(address: str) -> Draft | None:
    """The signed-in user's draft for the form sent to `address`, or None. A draft is never a form's whole state: the
    version of what it changes is the page's own.
    """
    found = drafts.find_draft(current_actor(), address)
    if found is None:
        return None
    fields = MultiDict((name, text) for name, text in found.fields if name not in OF_ONE_FORM)
    fields["submission"] = str(uuid4())
    return Draft(address, fields, found.saved_at)


def keep_on_the_way(page: str) -> str:
    """Keep what this request has of the form on `page`, which is sent to the page's own address, while its user goes
    elsewhere for its sake. Returns the address that shows it again, `page` itself where nothing is kept.
    """
    path, _mark, query = page.partition("?")
    actor, address = current_actor(), safe_address(path)
    typed = [pair for pair in _typed() if pair[0] not in OF_ONE_FORM | SEARCHED and pair[1]]
    if not (actor.user_id and address and typed and drafts.keep(actor.tenant_id, actor.user_id, address, typed)):
        return page
    others = [pair for pair in query.split("&") if pair and pair != ON_THE_WAY]
    return f"{path}?{'&'.join([ON_THE_WAY, *others])}"


def kept_on_the_way() -> Draft | None:
    """What keep_on_the_way() has kept for the page that is asked for; None where it was left in no such way."""
    name, _sign, value = ON_THE_WAY.partition("=")
    return kept(request.path) if request.args.get(name) == value else None


@bp.post("/drafts")
@requires(Permission.OWN_DRAFTS)
def keep() -> Response:
    """Keep what has been typed so far; the page script sends it while somebody types, and shows the answer."""
    actor, address = current_actor(), safe_address(request.form.get(FIELD))
    assert actor.user_id, "who has a session is a user"
    saved = drafts.keep(actor.tenant_id, actor.user_id, address, _typed()) if address else None
    return Response(
        _("Draft saved.") if saved else _("This draft cannot be saved: it is too long."), mimetype="text/plain"
    )


@bp.post("/drafts/discard")
@requires(Permission.OWN_DRAFTS)
def discard() -> Response:
    """Forget a draft and show its page again, empty."""
    if address := safe_address(request.form.get(FIELD)):
        drafts.discard(current_actor(), address)
    return see_other(safe_next(request.form.get("next")))


@bp.get("/drafts/<row:draft_id>")
@requires(Permission.OWN_DRAFTS)
def held_back(draft_id: int) -> Response:
    """A form that was sent when nobody was signed in any more: the entries, and one button that sends them now."""
    draft = drafts.get_draft(current_actor(), draft_id)
    page = "errors/not_saved.html"
    posted = [*draft.fields, (FIELD, draft.address)]
    about = about_what(draft.address)
    return page_or_fragment(
        page, page, posted=posted, entered=entries(posted), action=draft.address, sign_in=None, about=about, held=True
    )


def about_what(address: str) -> tuple[str, str] | None:
    """The locator in a form's address and the page of what it names: an episode or a patient; None for other forms."""
    found = ABOUT.match(address)
    return (found[2], f"/{found[1]}/{found[2]}") if found else None


@bp.after_app_request
def forget_what_was_saved(response: Response) -> Response:
    """Discard the draft of a form that has been taken."""
    if request.method == "POST" and response.status_code in GONE and request.blueprint != bp.name:
        address, actor = request.form.get(FIELD), signed_in_actor() if FIELD in request.form else None
        if address and actor and address.partition("?")[0] == request.path:  # not where a form is only filled further
            drafts.discard(actor, address)
    return response


def keep_posted() -> str | None:
    """Keep the plain form of this request for the user it was sent by: his session has run out by itself, or he shall
    first confirm that it is he.

    Returns the address of the page that will show it to him, or None where there is nothing to keep: a form of htmx
    stays on its page, a password is never kept, and what is sent to the drafts themselves is no form.
    """
    if not _is_plain_form():
        return None
    actor = signed_in_actor()
    holder = (actor.tenant_id, actor.user_id) if actor and actor.user_id else held_before()
    address = safe_address(request.full_path.rstrip("?"))
    kept_as = drafts.keep(*holder, address, _typed()) if holder and address else None
    return f"/drafts/{kept_as}" if kept_as else None


def typed_in_vain() -> bool:
    """Whether something stands in the plain form of this request, and the browser vouches that a page of ours has sent
    it: where nothing may be kept here, as somebody has ended the session, the browser gets it back.
    """
    own = request.headers.get("Sec-Fetch-Site") == "same-origin"
    return own and _is_plain_form() and bool(entries(_typed()))


def safe_address(address: str | None) -> str | None:
    """The address if a form of ours is sent to it: never another site, and nothing that is no form at all."""
    return address if address and is_ours(address, "POST") else None


def _is_plain_form() -> bool:
    """Whether this request is a form that leaves its page, and has no password in it."""
    if request.method != "POST" or is_htmx() or request.files or request.blueprint == bp.name:
        return False
    return not any("password" in name and text for name, text in request.form.items(multi=True))


def _typed() -> drafts.Fields:
    """What was sent, as texts the database takes."""
    sent = request.form.items(multi=True)
    return [(storable("form", name), storable("form", text)) for name, text in sent if name not in NEVER_KEPT]
