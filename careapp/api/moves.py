"""Routes of a lifecycle: one explicit PATCH for each move, made from the table, so that the document shows each."""

from collections.abc import Callable
from typing import Any

from flask import Response

from careapp.access import Actor, Permission
from careapp.api.blueprint import api
from careapp.lifecycle import Lifecycle
from careapp.scopes import scope_of, writing
from careapp.surface.actors import current_actor, requires
from careapp.surface.answers import answer_of, done_once, expected_version
from careapp.surface.fields import ActionIn, MoveIn
from careapp.views import View

# Care-service's own moves: its clients send no version, so there it is optional (design §6).
VERSION_OPTIONAL = {
    "episode": {"close", "cancel"},
    "appointment": {"confirm", "attend", "cancel", "no-show"},
    "slot": {"block"},
    "prescription": {"fill", "void"},
    "referral": {"book", "complete", "cancel"},
}


def each_move(
    lifecycle: Lifecycle, path: str, view: type[View], act: Callable[..., View], permission: Permission,
    bodies: dict[str, type[MoveIn]] | None = None,
) -> None:  # fmt: skip
    """Add PATCH `path`/{locator}/{move} for each move of the lifecycle; `act(actor, locator, action=…)` does it.

    `bodies` names the moves that take more than a version and a reason.
    """
    for transition in lifecycle.transitions:
        name, body = transition.name, (bodies or {}).get(transition.name, ActionIn)
        add_move(lifecycle, path, name, transition.label, view, body, permission, _with(act, name))


def add_move(
    lifecycle: Lifecycle, path: str, name: str, label: str, view: type[View], body: type[MoveIn],
    permission: Permission, act: Callable[..., View],
    question: Callable[[Actor, Any], Callable[[], None] | None] | None = None, rule: str | None = None,
) -> None:  # fmt: skip
    """Add one PATCH `path`/{locator}/{name}; `question(actor, body)` is asked before the transaction opens. `rule` says
    what the table of moves does not.
    """
    optional = name in VERSION_OPTIONAL.get(lifecycle.entity, ())

    def change(locator: str, json_data: MoveIn) -> Response:
        given = json_data.model_dump(exclude={"version"}, exclude_unset=True)
        actor, version = current_actor(), expected_version(json_data.version, optional=optional)
        first = question(actor, json_data) if question else None
        return done_once(actor, lambda: answer_of(act(actor, locator, version=version, **given)), first=first)

    change.__name__ = f"{lifecycle.entity}_{name}".replace("-", "_")
    documented = api.doc(
        summary=f"{lifecycle.entity.capitalize()}: {label[0].lower()}{label[1:]}.",
        description=rule or _description(lifecycle, name), tags=[path.strip("/").capitalize()],
        extensions={"x-version-optional": optional},
    )  # fmt: skip
    guarded = requires(permission, scope=_scope(lifecycle, name, permission))
    decorated = guarded(api.input(body)(api.output(view)(documented(change))))
    api.patch(f"{path}/<locator>/{name}", endpoint=change.__name__)(decorated)


def _description(lifecycle: Lifecycle, name: str) -> str | None:
    """From where to where a move of the table leads."""
    moves = {transition.name: transition for transition in lifecycle.transitions}
    return f"From {' or '.join(moves[name].sources)} to {moves[name].target}." if name in moves else None


def _scope(lifecycle: Lifecycle, name: str, permission: Permission) -> str:
    """The scope a move needs: its own permission's; outside the table, the one to write in the route's family."""
    own = {transition.name: transition.permission for transition in lifecycle.transitions}.get(name)
    return scope_of(own) if own else writing(permission)


def _with(act: Callable[..., View], action: str) -> Callable[..., View]:
    def run(*args: Any, **kwargs: Any) -> View:
        return act(*args, action=action, **kwargs)

    return run
