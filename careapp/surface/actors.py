"""Who a request is from, in the way its blueprint asks, and what each view declares about access.

Pages know people by session, the API by bearer token, the portal routes by service credential. Who lacks the
permission a view declares is refused before the view runs, form pages that read nothing included; the command or query
the view calls asks again.
"""

import functools
from collections.abc import Callable, Iterable
from typing import NoReturn, ParamSpec, TypeVar

from flask import Blueprint, Flask, current_app, g, request

from careapp.access import Actor, Permission
from careapp.commands import run_outermost
from careapp.config import Settings
from careapp.errors import Forbidden, InsufficientScope, Refusal, TenantSuspended, Unauthenticated
from careapp.identity.sessions import OpenSession
from careapp.scopes import scope_of
from careapp.surface.internal_credentials import init_internal_credentials, internal_actor
from careapp.surface.request_limits import spend_of_actor, spend_of_address
from careapp.surface.sessions import init_sessions, session_waits, signed_in_actor, signed_in_session
from careapp.surface.tokens import bearer_actor, init_tokens

A = ParamSpec("A")
R = TypeVar("R")

WAYS = "careapp.ways"
ANYBODY_SIGNED_IN = "signed in"

Way = Callable[[], Actor]


class SignedOut(Unauthenticated):
    """A page was asked for without a live session; the pages' handler leads to sign-in."""


class NewPasswordNeeded(Forbidden):
    """Signed in with a password that others know: nothing is open but the page for choosing another one."""

    code = "NEW_PASSWORD_NEEDED"


class FactorNeeded(Forbidden):
    """Signed in with a password alone where more is asked: nothing is open but the pages for setting that up."""

    code = "FACTOR_NEEDED"


def init_actors(
    app: Flask, settings: Settings, *, bearer: Iterable[Blueprint], internal: Iterable[Blueprint],
    signed: Iterable[Blueprint] = (),
) -> None:  # fmt: skip
    """Say which blueprints (with all nested in them) know people by bearer token and by service credential, and which
    know nobody, because what is sent there is signed and checked by the view.

    All others are pages: session cookie and CSRF protection. Call it before `init_csrf`.
    """
    init_sessions(app, settings)
    init_tokens(app, settings)
    init_internal_credentials(app, settings)
    ways: dict[object, Way] = {blueprint: bearer_actor for blueprint in bearer}
    ways |= {blueprint: internal_actor for blueprint in internal}
    ways |= dict.fromkeys(signed, nobody)
    app.extensions[WAYS] = ways


def current_actor() -> Actor:
    """Who this request is from. Raises SignedOut on pages, else what the blueprint's way raises; on both TooMany, and
    TenantSuspended.
    """
    known: Actor | None = g.get("actor")
    if known is None:
        try:
            known = way_of_request()()
        except (Unauthenticated, TenantSuspended):
            spend_of_address()
            raise
        spend_of_actor(known)
        g.actor = known
    return known


def way_of_request() -> Way:
    """How this request's blueprint finds out who is asking."""
    ways: dict[object, Way] = current_app.extensions[WAYS]
    for name in request.blueprints:
        if current_app.blueprints[name] in ways:
            return ways[current_app.blueprints[name]]
    return page_actor


def token_scopes(app: Flask) -> frozenset[str]:
    """The scopes that routes ask tokens for: a token opens nothing by any other."""
    ways: dict[object, Way] = app.extensions[WAYS]
    asked = (rule.endpoint for rule in app.url_map.iter_rules())
    known_by_token = (one for one in asked if ways.get(app.blueprints.get(one.split(".")[0])) is bearer_actor)
    return frozenset(scope for one in known_by_token if (scope := getattr(app.view_functions[one], "scope", None)))


def page_actor() -> Actor:
    """Who is signed in. Raises SignedOut where nobody is, TenantSuspended where his session has to wait."""
    actor = signed_in_actor()
    if actor is None:
        if session_waits():
            raise TenantSuspended()
        raise SignedOut()
    return actor


def nobody() -> Actor:
    """The way of what carries its own proof: there is no actor to ask for."""
    raise Unauthenticated()


def while_enrolling(view: Callable[A, R]) -> Callable[A, R]:
    """Declare that a view also serves a session that needs a second factor; stands under `requires`."""
    view.while_enrolling = True  # type: ignore[attr-defined]
    return view


def requires(permission: Permission, *, scope: str | None = None) -> Callable[[Callable[A, R]], Callable[A, R]]:
    """Declare the permission a view needs; everybody unknown, and everybody without it, is refused before it runs.

    A token that is narrowed to scopes must name the permission's, or `scope` where the view does more than that says.
    """
    return _guard(permission, scope or scope_of(permission))


def page_session() -> OpenSession:
    """The session somebody is signed in with. Raises SignedOut where nobody is."""
    session = signed_in_session()
    if session is None:
        raise SignedOut()
    return session


def with_any_password(view: Callable[A, R]) -> Callable[A, R]:
    """Declare that a view also serves a session that needs a new password; stands under `requires`."""
    view.with_any_password = True  # type: ignore[attr-defined]
    return view


def signed_in(view: Callable[A, R]) -> Callable[A, R]:
    """Declare a view for anybody signed in, whatever his role."""
    return _guard(ANYBODY_SIGNED_IN)(view)


def public(view: Callable[A, R]) -> Callable[A, R]:
    """Declare a view for everybody. The list of these is short, and a test holds it."""
    view.public = True  # type: ignore[attr-defined]
    return view


def _guard(permission: str, scope: str | None = None) -> Callable[[Callable[A, R]], Callable[A, R]]:
    def decorate(view: Callable[A, R]) -> Callable[A, R]:
        @functools.wraps(view)
        def guarded(*args: A.args, **kwargs: A.kwargs) -> R:
            actor = current_actor()
            if scope and actor.scopes is not None and scope not in actor.scopes:
                _refuse(actor, view.__name__, InsufficientScope(scope))
            _refuse_unfinished(view)
            if isinstance(permission, Permission) and not actor.may(permission):
                _refuse(actor, view.__name__, Forbidden())
            return view(*args, **kwargs)

        guarded.permission = permission  # type: ignore[attr-defined]
        guarded.scope = scope  # type: ignore[attr-defined]
        return guarded

    return decorate


def _refuse(actor: Actor, name: str, refusal: Refusal) -> NoReturn:
    """Raise the refusal from a command that does nothing else, which is how it is audited."""

    def work() -> NoReturn:
        raise refusal

    run_outermost(actor, name, work)


def _refuse_unfinished(view: Callable[..., object]) -> None:
    """Refuse a session that is good for one thing only; the new password comes before the second factor.

    Who is refused here must not be among `good_sessions` either.
    """
    session = signed_in_session() if way_of_request() is page_actor else None
    if session and session.needs_new_password:
        if not getattr(view, "with_any_password", False):
            raise NewPasswordNeeded("Choose a new password first.")
    elif session and session.needs_factor and not getattr(view, "while_enrolling", False):
        raise FactorNeeded("Set up a second factor first.")
