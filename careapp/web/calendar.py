"""Pages of the calendar: the week of a provider or a clinic, and adding slots to it."""

from datetime import date, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from careapp.access import Permission
from careapp.errors import Conflict, Invalid
from careapp.overviews.calendar import Calendar, get_calendar
from careapp.overviews.timeline import get_banner
from careapp.scheduling import slots
from careapp.surface.actors import current_actor, requires
from careapp.web import times
from careapp.web.episode_answers import form_refused
from careapp.web.forms.fields import options
from careapp.web.forms.scheduling import AddSlotsForm
from careapp.web.forms.typed import locator_in
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.submissions import create_once
from careapp.web.week_grid import provider_rows, week_grid

bp = Blueprint("calendar", __name__)

MOST_SLOTS = 60  # added by one form
USUAL_MINUTES = 30


@bp.get("/calendar")
@requires(Permission.SLOT_VIEW)
def calendar() -> Response:
    """The week; with `episode`, free slots lead straight to booking for it. Raises NotFound for an unknown one."""
    shown = _calendar()
    weeks = {
        "before": shown.monday - timedelta(weeks=1),
        "after": shown.monday + timedelta(weeks=1),
        "now": shown.today,
    }
    grid = {"grid": week_grid(shown)} if shown.provider else {"rows": provider_rows(shown)}
    episode = locator_in(request.args.get("episode"), "EPI")
    booking_for = get_banner(current_actor(), episode)[1].name if episode else None
    return page_or_fragment(
        "scheduling/calendar.html", "scheduling/_week.html", calendar=shown, episode=episode, booking_for=booking_for,
        manages=_manages(shown),
        week=times.week_name(shown.monday), sunday=shown.monday + timedelta(days=6),
        links={name: address(shown, day, episode) for name, day in weeks.items()}, **grid,
    )  # fmt: skip


@bp.get("/slots/new")
@requires(Permission.SLOT_MANAGE_OWN)
def slots_form() -> Response:
    """The form that offers slots, filled in from the calendar it was opened from."""
    shown = _calendar()
    form = AddSlotsForm(
        formdata=None, provider_locator=shown.provider and shown.provider.locator,
        clinic_locator=shown.clinic and shown.clinic.locator, day=max(shown.monday, shown.today),
        minutes=USUAL_MINUTES, capacity=1,
    )  # fmt: skip
    return _form_page(_with_choices(form, shown), shown)


@bp.post("/slots/new")
@requires(Permission.SLOT_MANAGE_OWN)
def add_slots() -> Response:
    """Offer the slots, all or none, and show their week."""
    actor, shown = current_actor(), _calendar()
    form = _with_choices(AddSlotsForm(), shown)
    try:
        sent = form.checked()
        clinic = next((one for one in shown.clinics if one.locator == sent.clinic_locator), None)
        spans = _spans(sent, clinic.time_zone if clinic else shown.zone)

        def create() -> str:
            for start, end in spans:
                slots.add_slot(
                    actor, sent.provider_locator, start=start, end=end, capacity=sent.capacity,
                    clinic_locator=clinic.locator if clinic else None,
                )  # fmt: skip
            return f"/calendar?provider={sent.provider_locator}&week={times.week_name(sent.day)}"

        return see_other(create_once(actor, form, create), Notice(f"{len(spans)} slots are added."))
    except (Conflict, Invalid) as refusal:
        form_refused(form, refusal)
        return _form_page(form, shown, refusal.status)


def address(shown: Calendar, week_of: date, episode: str | None = None) -> str:
    """The address of the same calendar in the week this day lies in."""
    given = {
        "provider": shown.provider and shown.provider.locator,
        "clinic": shown.clinic and shown.clinic.locator,
        "week": times.week_name(week_of),
        "episode": episode,
    }
    return f"/calendar?{urlencode({name: value for name, value in given.items() if value})}"


def _calendar() -> Calendar:
    """The calendar the address asks for; an empty `provider` asks for all, a missing one for the user's own."""
    return get_calendar(
        current_actor(), provider=locator_in(request.args.get("provider"), "PRV"),
        clinic=locator_in(request.args.get("clinic"), "CLN"), monday=times.parse_week(request.args.get("week")),
        mine="provider" not in request.args,
    )  # fmt: skip


def _manages(shown: Calendar) -> bool:
    """Whether the user may add slots to the calendar shown: to any, or to his own (the command decides)."""
    own = shown.own_provider is not None and (shown.provider is None or shown.provider.locator == shown.own_provider)
    return current_actor().may(Permission.SLOT_MANAGE) or own


def _spans(sent: SimpleNamespace, zone: str) -> list[tuple[datetime, datetime]]:
    """The spans to offer; raises Invalid where none fits, or more than one form may add."""
    spans = times.spans(sent.day, sent.first, sent.last, sent.minutes, zone)
    if not spans:
        raise Invalid({"last": "No slot of this length fits between these times."})
    if len(spans) > MOST_SLOTS:
        raise Invalid({"minutes": f"These would be {len(spans)} slots. Add at most {MOST_SLOTS} at once."})
    return spans


def _with_choices(form: AddSlotsForm, shown: Calendar) -> AddSlotsForm:
    """The form with the providers and clinics to choose from: for who may add only his own slots, himself."""
    any_provider = current_actor().may(Permission.SLOT_MANAGE)
    own = [one for one in shown.providers if any_provider or one.locator == shown.own_provider]
    form.provider_locator.choices = options((one.locator, one.name) for one in own)
    form.clinic_locator.choices = options((one.locator, f"{one.name} ({one.time_zone})") for one in shown.clinics)
    return form


def _form_page(form: AddSlotsForm, shown: Calendar, status: int = 200) -> Response:
    return page_or_fragment(
        "scheduling/add_slots.html", "scheduling/_add_slots.html", status, title="Add slots", form=form,
        back=address(shown, shown.monday),
    )  # fmt: skip
