"""The page that finds the next free time over all providers."""

from collections.abc import Sequence
from datetime import date, time
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from flask_babel import gettext as _

from careapp import clock
from careapp.access import Permission
from careapp.overviews.booking import Sought, get_sought
from careapp.overviews.calendar import Calendar, get_calendar
from careapp.overviews.next_free import PARTS_OF_DAY, Wanted, find_next_free
from careapp.overviews.slot_cells import SlotCell
from careapp.surface.actors import current_actor, requires
from careapp.views import Page
from careapp.web import times
from careapp.web.appointments import staying
from careapp.web.calendar_address import Address
from careapp.web.forms.fields import options
from careapp.web.forms.scheduling import NextFreeForm
from careapp.web.htmx import page_or_fragment
from careapp.web.words import words

bp = Blueprint("next_free", __name__)


@bp.get("/next-free")
@requires(Permission.SLOT_VIEW)
def next_free() -> Response:
    """The next free times that are what the address asks for, in the order of time, each a press from booking."""
    actor, here = current_actor(), Address.asked()
    shown = get_calendar(actor, here.wanted(), slots=False)
    form = _form(here, shown)
    sought = get_sought(actor, episode=here.episode, party=here.party, moving=here.move) if here.purpose() else None
    found = _search(form, here, shown.zone, sought) if form.validate() else None
    return page_or_fragment(
        "scheduling/next_free.html", "scheduling/_next_free.html", 200 if found else 422, title=_("Next free"),
        form=form, here=here, sought=sought, found=found, days=_by_day(found.items if found else ()),
        zones=list(dict.fromkeys(one.zone for one in found.items)) if found else [], later=_later(found),
        back=staying(request.args.get("back")),
    )  # fmt: skip


def _search(form: NextFreeForm, here: Address, zone: str, sought: Sought | None) -> Page[SlotCell]:
    """What is found for what was asked; a day is one of the clinic's calendar."""
    part, since = form.part.data, form.since.data
    wanted = Wanted(
        specialty=here.specialty, clinic=here.clinic, provider=here.provider, minutes=form.minutes.data,
        part=part if part in PARTS_OF_DAY else None,
    )  # fmt: skip
    return find_next_free(
        current_actor(), wanted, since=times.moment_at(since, time(), zone) if since else None,
        party=sought.party_locator if sought else None, moving=here.move, cursor=request.args.get("cursor"),
    )  # fmt: skip


def _form(here: Address, shown: Calendar) -> NextFreeForm:
    """The search as the address has it; what the calendar showed, where that was where it was opened from."""
    form = NextFreeForm(formdata=request.args)
    if form.since.data is None and not form.since.raw_data and here.on and here.on > shown.today:
        form.since.data = here.on
    form.specialty.choices = options(
        [("", _("All specialties")), *((one, words(one)) for one in sorted({him.specialty for him in shown.providers}))]
    )
    form.clinic.choices = options([("", _("All clinics")), *((one.locator, one.name) for one in shown.clinics_at_work)])
    form.provider.choices = options([("", _("All providers")), *((one.locator, one.name) for one in shown.providers)])
    return form


def _by_day(slots: Sequence[SlotCell]) -> list[tuple[date, list[SlotCell]]]:
    """The slots under the days they are on, each on its own clock."""
    days: dict[date, list[SlotCell]] = {}
    for one in slots:
        days.setdefault(clock.local(one.starts_at, one.zone).date(), []).append(one)
    return sorted(days.items())


def _later(found: Page[SlotCell] | None) -> str | None:
    """The address of the times after these; None where there are none."""
    if found is None or found.next_cursor is None:
        return None
    return f"/next-free?{urlencode({**request.args, 'cursor': found.next_cursor})}"
