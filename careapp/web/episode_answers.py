"""What a change inside an episode is answered with: its page, or for htmx the part of it that changes."""

from collections.abc import Callable
from typing import Any, Protocol

from flask import Response

from careapp.errors import Conflict, Invalid
from careapp.overviews.timeline import get_episode_page
from careapp.scheduling.states import CANCEL_CATEGORIES
from careapp.surface.actors import current_actor
from careapp.web.forms.fields import CareForm
from careapp.web.forms.moves import CloseForm
from careapp.web.htmx import Notice, Undo, changed, page_or_fragment
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
    context = _context(episode, focus=thing.locator)
    can_undo = any(one.can_undo for one in context["chart"].appointments if one.locator == thing.locator)
    notice = Notice(
        now(thing.locator, thing.status), context["chart"].banner.name,
        Undo(undo, thing.version, episode, "keep") if undo and can_undo else None,
    )  # fmt: skip
    return changed(FRAGMENT, to=f"/episodes/{episode}", notice=notice, **context)


def form_refused(form: CareForm, refusal: Conflict | Invalid | None) -> None:
    """Put a refusal into the form that was refused: beside the fields it names, else on top. None does nothing."""
    if isinstance(refusal, Invalid):
        form.refuse(refusal)
    elif refusal:
        form.form_errors.append(said(refusal))


def _context(locator: str, *, close_form: CareForm | None = None, focus: str | None = None) -> dict[str, Any]:
    chart = get_episode_page(current_actor(), locator)
    form = close_form or CloseForm(formdata=None, version=chart.episode.version)
    return {"chart": chart, "close_form": form, "focus": focus, "cancel_categories": CANCEL_CATEGORIES}
