"""Routes of a lifecycle's moves on pages: one explicit POST for each, made from the table."""

from collections.abc import Callable, Container

from flask import Blueprint, Response

from careapp.access import Permission
from careapp.lifecycle import Lifecycle, Transition
from careapp.surface.actors import requires

MoveView = Callable[[str, Transition], Response]


def each_move(
    bp: Blueprint, path: str, lifecycle: Lifecycle, permission: Permission, *, without: Container[str] = ()
) -> Callable[[MoveView], MoveView]:
    """Add POST `path`/<locator>/<move> for each move of the lifecycle; the view gets locator and transition.

    `permission` is what seeing the thing takes, as the command asks it; the move's own is asked by lifecycle.move().
    """

    def decorate(view: MoveView) -> MoveView:
        for transition in lifecycle.transitions:
            if transition.name not in without:
                name = f"{lifecycle.entity}_{transition.name}".replace("-", "_")
                guarded = requires(permission)(_bound(view, transition))
                bp.post(f"{path}/<locator>/{transition.name}", endpoint=name)(guarded)
        return view

    return decorate


def _bound(view: MoveView, transition: Transition) -> Callable[[str], Response]:
    def move(locator: str) -> Response:
        return view(locator, transition)

    move.__name__, move.__doc__ = view.__name__, view.__doc__
    return move
