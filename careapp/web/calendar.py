"""Pages of the calendar: a day of a clinic's providers side by side, the week of a provider or of a clinic."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response
from flask_babel import gettext as _

from careapp import clock
from careapp.access import Permission
from careapp.overviews.booking import Sought, get_sought
from careapp.overviews.calendar import Calendar, calendar_version, get_calendar
from careapp.surface.actors import current_actor, requires
from careapp.web import times
from careapp.web.calendar_address import Address
from careapp.web.clinic_week import Cells, columns_of, rows_of
from careapp.web.day_grid import day_grid
from careapp.web.htmx import is_poll, nothing_new, page_or_fragment, unchanged
from careapp.web.week_grid import week_grid

bp = Blueprint("calendar", __name__)
bp.add_app_template_filter(times.near_day, "near_day")

SECONDS = 20  # between two polls of a calendar that is looked at


@bp.get("/calendar")
@requires(Permission.SLOT_VIEW)
def calendar() -> Response:
    """The calendar; with `episode` or `party`, free slots lead straight to booking, with `move` they are where to.

    A poll gets 204 while nothing has changed, else the grid alone. Raises NotFound for whatever is not there.
    """
    here = Address.asked()
    if _nothing_new(here):
        return unchanged()
    sought = _sought(here)
    moving = sought.moving if sought else None
    if moving and not (here.provider or here.clinic or here.on):
        here = replace(here, provider=moving.provider_locator, on=clock.local(moving.starts_at, moving.zone).date())
    shown = get_calendar(
        current_actor(), here.wanted(), party=sought.party_locator if sought else None,
        moving=moving.locator if moving else None,
    )  # fmt: skip
    here = here.of(shown)
    return page_or_fragment(
        "scheduling/calendar.html", "scheduling/_grid.html" if is_poll() else "scheduling/_calendar.html",
        calendar=shown, here=here, sought=sought, name=_name(shown), seconds=SECONDS, manages=_manages(shown),
        **_grid(shown, here),
    )  # fmt: skip


def _nothing_new(here: Address) -> bool:
    """Whether this is a poll of days that are as they were; an address that leaves the days open is none."""
    if here.on is None or here.whole_week is None:
        return False
    days = 7 if here.whole_week else 1
    whose = {"provider": here.provider, "clinic": here.clinic, "specialty": here.specialty}
    return nothing_new(calendar_version, **whose, first=here.on, days=days)


def _sought(here: Address) -> Sought | None:
    """For whom the calendar looks for a time; raises NotFound for who or what is not there."""
    if not here.purpose():
        return None
    return get_sought(current_actor(), episode=here.episode, party=here.party, moving=here.move)


def _grid(shown: Calendar, here: Address) -> dict[str, Any]:
    """What the grid's template needs: a day, a provider's week, or a clinic's."""
    if shown.days == 1:
        return {"view": "_day.html", "grid": day_grid(shown, now=clock.now(), earlier=here.earlier)}
    if shown.provider:
        return {"view": "_provider_week.html", "grid": week_grid(shown)}
    columns = columns_of(shown, lambda one: here.to(whole_week=False, on=one))
    return {"view": "_clinic_week.html", "columns": columns, "rows": rows_of(shown, columns), "cells": Cells}


def _name(shown: Calendar) -> str:
    """What the calendar is called: whose it is."""
    if shown.provider and shown.clinic:
        return _("%(provider)s at %(clinic)s", provider=shown.provider.name, clinic=shown.clinic.name)
    one = shown.provider or shown.clinic
    return one.name if one else _("Calendar")


def _manages(shown: Calendar) -> bool:
    """Whether the user may add and block slots of the calendar shown: any, or his own (the command decides)."""
    own = shown.own_provider is not None and (shown.provider is None or shown.provider.locator == shown.own_provider)
    return current_actor().may(Permission.SLOT_MANAGE) or own
