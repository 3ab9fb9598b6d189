"""What every template can use: who is signed in, the main menu, words, times, and what the lifecycle tables say."""

import re
from collections.abc import Container, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from flask import Flask, current_app, request
from flask_babel import lazy_gettext
from markupsafe import Markup

from careapp import clock
from careapp.access import Permission
from careapp.lifecycle import Transition
from careapp.overviews.lifecycles import LIFECYCLES
from careapp.patients.contacts import dialled
from careapp.scheduling.changes import MOVABLE
from careapp.surface.actors import current_actor
from careapp.surface.sessions import signed_in_actor
from careapp.web import times
from careapp.web.drawn import LONG_KEPT, LONGEST_LONG, TOKEN_MARK, Drawn
from careapp.web.language import current_language, current_preferences, once_a_language
from careapp.web.words import label, words

FAR_AHEAD = timedelta(hours=12)
OF_THE_DAY = ("arrive", "start", "attend", "no-show")
OUTCOMES = ("attend", "no-show")

# Name, the key that leads there after g, and who sees it, by address.
MENU = {
    "/today": (lazy_gettext("Today"), "t", Permission.APPOINTMENT_VIEW),
    "/calendar": (lazy_gettext("Calendar"), "c", Permission.SLOT_VIEW),
    "/episodes": (lazy_gettext("Board"), "b", Permission.EPISODE_VIEW),
    "/referrals": (lazy_gettext("Referrals"), "r", Permission.REFERRAL_VIEW),
    "/patients": (lazy_gettext("Patients"), "p", Permission.PATIENT_VIEW),
    "/dashboard": (lazy_gettext("Dashboard"), "d", Permission.APPOINTMENT_VIEW),
    "/admin/users": (lazy_gettext("Administration"), "a", Permission.USER_MANAGE),
    "/admin/audit": (lazy_gettext("Audit"), "l", Permission.AUDIT_VIEW),
}

ALSO = {  # where an entry leads as well
    "/today": ("/walk-in",),
    "/calendar": ("/slots", "/next-free"),
    "/admin/users": (
        "/admin/clients",
        "/admin/clinics",
        "/admin/providers",
        "/admin/settings",
        "/admin/outbox",
        "/admin/erasure",
        "/admin/emergency-access",
    ),
    "/admin/audit": ("/admin/emergency-access",),
}
MYANMAR = re.compile("[\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f]")
MINE = {"/episodes": "/episodes?clinician=mine"}  # where the menu leads who treats patients himself


def init_context(app: Flask) -> None:
    """Give templates all of it."""
    app.context_processor(_frame)
    app.jinja_env.filters.update(
        words=words, label=label,
        local_time=times.local_time, local_date=times.local_date, local_datetime=times.local_datetime,
        day=times.day, short_day=times.short_day, zone_name=times.zone_name, age=times.age,
        near_date=times.near_date, near_datetime=times.near_datetime,
        utc_minutes=times.utc_minutes, written_in=written_in, dialled=dialled,
    )  # fmt: skip
    app.jinja_env.globals.update(
        arranged=arranged, drawn=Drawn(), drawn_long=Drawn(LONG_KEPT, LONGEST_LONG), moves_of=moves_of,
        moves_of_visit=moves_of_visit, tone_of=tone_of, may=may, new_submission=uuid4, token_mark=TOKEN_MARK,
    )  # fmt: skip


def moves_of(entity: str, status: str) -> tuple[Transition, ...]:
    """The moves the signed-in user may make with a thing of this kind in this state: the buttons to draw."""
    return tuple(LIFECYCLES[entity].available(status, current_actor()))


def moves_of_visit(status: str, starts_at: datetime) -> tuple[Transition, ...]:
    """The same for a visit, without those that are not offered yet."""
    moves, hidden = moves_of("appointment", status), not_yet(status, starts_at, clock.now())
    return tuple(move for move in moves if move.name not in hidden) if hidden else moves


def not_yet(status: str, starts_at: datetime, as_of: datetime) -> tuple[str, ...]:
    """The moves of a visit that are not offered at this moment, as a slip of the finger would close a visit nobody has
    had: far ahead, all that need the patient here (or missing); before it begins, what came of it, unless he is here
    already. The lifecycle itself asks no clock (design §5).
    """
    if starts_at <= as_of:
        return ()
    if starts_at - as_of > FAR_AHEAD:
        return OF_THE_DAY
    return OUTCOMES if status in MOVABLE else ()


def arranged(
    moves: Sequence[Transition], openly: int, asking: Container[str]
) -> tuple[Sequence[Transition], Sequence[Transition], Sequence[Transition]]:
    """The moves that stand as buttons, those whose form opens from one (`asking`), and the rest, in the order given."""
    harmless = [move for move in moves if not (move.needs_reason or move.dangerous)]
    shown = [move for move in harmless if move.name not in asking][:openly]
    asked = [move for move in harmless if move.name in asking]
    above = {move.name for move in (*shown, *asked)}
    return shown, asked, [move for move in moves if move.name not in above]


def tone_of(entity: str, status: str) -> str:
    """The tone a state is shown in; "secondary" for one that has none."""
    return LIFECYCLES[entity].tones.get(status, "secondary")


def may(permission: str) -> bool:
    """Whether the signed-in user holds a permission, such as `episode.close`: for links to forms, not for safety."""
    return current_actor().may(Permission(permission))


def written_in(text: str) -> Markup:
    """The attribute that says that a name is written in Myanmar letters, for its element's start tag; else nothing.

    Such letters need higher lines, also on a page in another language.
    """
    return Markup(' lang="my"') if MYANMAR.search(text) else Markup("")


@once_a_language
def _entries(permissions: frozenset[Permission], treats: bool) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """The menu of who has these: address, name, key, and how addresses begin that belong to it."""
    return [
        (MINE.get(url, url) if treats else url, str(name), key, tuple(f"{one}/" for one in (url, *ALSO.get(url, ()))))
        for url, (name, key, permission) in MENU.items()
        if permission in permissions
    ]


def _frame() -> dict[str, Any]:
    """What the frame of every page needs."""
    actor, here = signed_in_actor(), f"{request.path}/"
    menu = _entries(actor.permissions, actor.provider_id is not None) if actor else []
    return {
        "actor": actor,
        "nav": [(address, name, key, here.startswith(below)) for address, name, key, below in menu],
        "language": current_language(),
        "preferences": current_preferences(),
        "session_seconds": current_app.config["SETTINGS"].session_idle_seconds,
    }
