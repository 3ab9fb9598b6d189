"""What a change inside an episode is answered with: its page, or for htmx the part of it that changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, Protocol
from urllib.parse import urlencode

from flask import Response, request

from careapp import clock
from careapp.access import Permission
from careapp.errors import Conflict, Invalid, Refusal, Restricted
from careapp.overviews.entries import Entry
from careapp.overviews.episode_items import CHANGE, KINDS
from careapp.overviews.timeline import EpisodePage, get_episode_page
from careapp.scheduling.states import CANCEL_CATEGORIES
from careapp.surface.actors import current_actor
from careapp.web.drafts import Draft, kept
from careapp.web.forms.fields import CareForm
from careapp.web.forms.moves import CloseForm
from careapp.web.forms.typed import code_in
from careapp.web.htmx import Notice, Undo, changed, page_or_fragment, see_other
from careapp.web.refusals import said
from careapp.web.words import now

PAGE, FRAGMENT = "episodes/episode.html", "episodes/_care.html"


class Changed(Protocol):
    """What is needed of anything that was moved."""

    @property
    def locator(self) -> str:
        """Its locator."""

    @property
    def status(self) -> str:
        """Its state after the move."""

    @property
    def version(self) -> int:
        """Its version after the move."""


@dataclass(frozen=True)
class Day:
    """One day of the timeline, on the episode's clock."""

    on: date
    entries: tuple[Entry, ...]
    ahead: bool
    today: bool

    @property
    def only_changes(self) -> bool:
        """Whether nothing stands there but what was done with things."""
        return all(entry.kind == CHANGE for entry in self.entries)


def episode_page(
    locator: str, status: int = 200, *, alert: str | None = None, close_form: CareForm | None = None
) -> Response:
    """The episode as it is now. With a refusal's status, `alert` says why; a close form keeps what was typed."""
    context = _context(locator, close_form=close_form)
    return page_or_fragment(PAGE, FRAGMENT, status, title=locator, alert=alert, **context)


def moved(act: Callable[[], Changed], episode_of: Callable[[], str], *, undo: str | None = None) -> Response:
    """Make a move, `act`, and show its episode: done with a notice, or refused with the present state (409, 422).

    `undo` is the address that takes the move back, where one exists.
    """
    try:
        thing = act()
    except (Conflict, Invalid) as refusal:
        return episode_page(episode_of(), refusal.status, alert=said(refusal))
    episode = episode_of()
    try:
        context = _context(episode, focus=thing.locator)
    except Restricted as refusal:  # done it is all the same: the desk checks in whom it may not read about
        return see_other(f"/patients/{refusal.party}", Notice(now(thing.locator, thing.status)))
    notice = Notice(
        now(thing.locator, thing.status), context["chart"].banner.name,
        Undo(undo, thing.version, episode, "keep") if undo and thing.locator in context["chart"].undoable else None,
    )  # fmt: skip
    return changed(FRAGMENT, to=context["here"], notice=notice, **context)


def form_refused(form: CareForm, refusal: Refusal | None) -> None:
    """Put a refusal into the form that was refused: beside the fields it names, else on top. None does nothing."""
    if isinstance(refusal, Invalid):
        form.refuse(refusal)
    elif refusal:
        form.form_errors.append(said(refusal))


def days_of(entries: Sequence[Entry], zone: str) -> tuple[Day, ...]:
    """The entries of a timeline by day, on the clock of `zone`, in their order."""
    today = clock.local(clock.now(), zone).date()
    by_day = groupby(entries, key=lambda one: clock.local(one.at, zone).date())
    return tuple(Day(on, tuple(these), ahead=on > today, today=on == today) for on, these in by_day)


def _context(locator: str, *, close_form: CareForm | None = None, focus: str | None = None) -> dict[str, Any]:
    """What the page shows; which kinds and from where on comes from the address, or from the form that was sent."""
    kind, cursor = code_in(request.values.get("kind"), KINDS), request.args.get("cursor") or None
    chart = get_episode_page(current_actor(), locator, kind=kind, cursor=cursor)
    draft = None if close_form else _close_draft(chart)
    shown = urlencode({name: value for name, value in (("kind", kind), ("cursor", cursor)) if value})
    return {
        "chart": chart, "days": days_of(chart.entries, chart.zone), "draft": draft, "focus": focus, "kind": kind,
        "close_form": close_form or _close_form(chart, draft), "cursor": cursor, "open_locators": chart.open_locators,
        "here": f"/episodes/{locator}{'?' if shown else ''}{shown}", "cancel_categories": CANCEL_CATEGORIES,
        "printed_at": clock.now(),
    }  # fmt: skip


def _close_draft(chart: EpisodePage) -> Draft | None:
    """What the user has typed into the close form and not sent, if he has one."""
    if chart.episode.stage is None or not current_actor().may(Permission.EPISODE_CLOSE):
        return None
    return kept(f"/episodes/{chart.episode.locator}/close")


def _close_form(chart: EpisodePage, draft: Draft | None) -> CareForm:
    """The close form on the version its page shows, with the draft in it."""
    form = CloseForm(formdata=draft.fields if draft else None)
    form.version.raw_data, form.version.data = None, chart.episode.version
    return form
