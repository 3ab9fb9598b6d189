"""Page of a clinic's figures: today's load, free places, no-shows and ageing referrals, as charts with their tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from babel.dates import format_date
from babel.numbers import format_percent
from flask import Blueprint, Response, request

from careapp.access import Permission
from careapp.overviews.dashboard import LATEST, get_dashboard
from careapp.overviews.dashboard_views import Dashboard, Places, ProviderWeek, Rate, Visits, sum_of_places
from careapp.surface.actors import current_actor, requires
from careapp.web import charts, times
from careapp.web.forms.typed import locator_in
from careapp.web.htmx import page_or_fragment
from careapp.web.language import current_locale

bp = Blueprint("dashboard", __name__)

HEIGHT = 120  # px of the tallest column


@dataclass(frozen=True)
class Cell:
    """One provider's day: where its cell stands, in percent, and the parts of the bar in it."""

    places: Places
    left: float
    width: float
    parts: Sequence[charts.Part]


@dataclass(frozen=True)
class Pictures:
    """The charts of a dashboard; each list runs beside the list of values it is drawn from."""

    hours: Sequence[charts.Column]
    providers: Sequence[Sequence[charts.Part]]
    capacity: Sequence[Sequence[Cell]]
    rates: Sequence[charts.Column | None]
    levels: Sequence[charts.Level | None]
    ages: Sequence[Sequence[charts.Part]]
    priorities: Sequence[Sequence[charts.Part]]


@bp.get("/dashboard")
@requires(Permission.APPOINTMENT_VIEW)
def dashboard() -> Response:
    """The figures of the clinic in the address, else of the user's own or the first one."""
    choice = get_dashboard(current_actor(), clinic=locator_in(request.args.get("clinic"), "CLN"))
    shown = choice.dashboard
    if shown is None:
        return page_or_fragment("dashboard/none.html", "dashboard/none.html")
    latest, before = Rate.over(shown.weeks[-LATEST:]), Rate.over(shown.weeks[:-LATEST])
    return page_or_fragment(
        "dashboard/dashboard.html", "dashboard/_figures.html", clinics=choice.clinics, shown=shown,
        pictures=pictures_of(shown, latest, before), latest=latest, before=before, latest_weeks=LATEST,
        days=[sum_of_places(column) for column in zip(*(one.days for one in shown.capacity), strict=True)],
        week=times.week_name(shown.monday), percent=percent, on_axis=on_axis,
    )  # fmt: skip


def pictures_of(shown: Dashboard, latest: Rate, before: Rate) -> Pictures:
    """All charts of a dashboard."""
    rates, ageing = [one.rate for one in shown.weeks], shown.referrals
    earlier = len(rates) - LATEST
    ages, priorities = (ageing.ages, ageing.priorities) if ageing else ((), ())
    most_visits = max((one.visits.all for one in shown.providers), default=0)
    oldest, most = max((one.all for one in ages), default=0), max((one.open for one in priorities), default=0)
    return Pictures(
        hours=charts.stacked_columns([_kinds(one.visits) for one in shown.hours], HEIGHT),
        providers=[charts.bar(_kinds(one.visits), most_visits) for one in shown.providers],
        capacity=[_cells(one) for one in shown.capacity],
        rates=charts.rate_columns(rates, HEIGHT),
        levels=[
            charts.level(rates, 0, earlier, before.value, HEIGHT),
            charts.level(rates, earlier, len(rates), latest.value, HEIGHT),
        ],
        ages=[charts.bar({"waiting": one.waiting, "booked": one.booked}, oldest) for one in ages],
        priorities=[
            charts.bar({"overdue": one.overdue, "in-time": one.open - one.overdue}, most) for one in priorities
        ],
    )


def percent(rate: float) -> str:
    """`7.4%`, as the reader's language writes it."""
    return format_percent(rate, "#,##0.0%", locale=current_locale())


def on_axis(day: date, form: str) -> str:
    """A day under a column, as short as it can be: `form` is a pattern of Unicode's such as `EEE d`."""
    return format_date(day, form, locale=current_locale())


def _kinds(visits: Visits) -> dict[str, int]:
    """Visits as a column shows them, from its foot: what is over, who is here, what is to come."""
    return {"done": visits.done, "missed": visits.missed, "here": visits.here, "due": visits.due}


def _cells(week: ProviderWeek) -> list[Cell]:
    """A provider's seven days. What stayed empty in slots that are over is left open in the bar."""
    found = []
    for (left, width), places in zip(charts.places(len(week.days)), week.days, strict=True):
        parts = {"free": places.free, "taken": places.taken}
        found.append(Cell(places, left, width, charts.bar(parts, places.offered, left=left, width=width)))
    return found
