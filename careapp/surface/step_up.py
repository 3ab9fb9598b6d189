"""Step-up: dangerous acts ask who is there once more, unless he proved it a few minutes ago (ASVS 5.0 7.5.1, 8.2.4).

    @bp.post("/admin/users/<row:user_id>/disable")
    @requires(Permission.USER_MANAGE)
    @recently_confirmed
    def disable(user_id): ...

To be used for whatever cannot be taken back or widens what somebody may do or see: staff, their roles and passwords,
second factors, others' sessions, settings, withheld events, exports of the log; and for the review of emergency access
and the erasure of a patient. Only pages know it: a token is short-lived and was given for an act, and has no person
before it who could be asked.
"""

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import ParamSpec, TypeVar

from flask import current_app

from careapp import clock
from careapp.errors import Forbidden
from careapp.surface.actors import page_session

A = ParamSpec("A")
R = TypeVar("R")


class NotConfirmed(Forbidden):
    """A dangerous act by somebody whose proof is too old; the pages' handler asks for a new one and leads back."""

    code = "CONFIRM_FIRST"


def recently_confirmed(view: Callable[A, R]) -> Callable[A, R]:
    """Let a view run only where whoever is signed in proved who he is in the last STEP_UP_SECONDS; signing in counts.

    Stands under `requires`, which finds out first who that is. Raises NotConfirmed.
    """

    @functools.wraps(view)
    def guarded(*args: A.args, **kwargs: A.kwargs) -> R:
        if not is_recent():
            raise NotConfirmed("Confirm first that it is you.")
        return view(*args, **kwargs)

    guarded.recently_confirmed = True  # type: ignore[attr-defined]
    return guarded


def is_recent() -> bool:
    """Whether who is signed in proved who he is recently enough for a dangerous act. Raises SignedOut."""
    since = clock.now() - page_session().confirmed_at
    return since <= timedelta(seconds=current_app.config["SETTINGS"].step_up_seconds)
