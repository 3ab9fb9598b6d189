"""Scopes: what a token may be narrowed to. One scope is a family of acts, read or write, derived from permissions."""

from collections.abc import Iterable
from dataclasses import replace

from careapp.access import Actor, Permission

READING = frozenset({"view", "read", "verify"})  # second halves of permissions that change nothing
FAMILIES = {"provider": "directory", "clinic": "directory"}  # which is seen by one permission
READ, WRITE = "read", "write"


def scope_of(permission: Permission) -> str:
    """The scope of a permission: `patient.view` is `patient.read`, `slot.manage_own` is `slot.write`."""
    family, _, act = permission.value.partition(".")
    return f"{FAMILIES.get(family, family)}.{READ if act in READING else WRITE}"


def writing(permission: Permission) -> str:
    """The scope to write in the family of a permission."""
    return f"{scope_of(permission).partition('.')[0]}.{WRITE}"


SCOPES = frozenset(scope_of(permission) for permission in Permission)


def reached_by(permissions: Iterable[Permission]) -> frozenset[str]:
    """The scopes that somebody with these permissions can do anything of."""
    return frozenset(scope_of(permission) for permission in permissions)


def known_scopes(names: Iterable[str]) -> frozenset[str]:
    """The scopes among `names` that this application has; others, such as `openid`, are dropped."""
    return SCOPES & frozenset(names)


def narrowed(actor: Actor, scopes: frozenset[str] | None) -> Actor:
    """The actor with only the permissions his token's scopes reach (RFC 8693 §4.2); None is a token that has no scope.

    Whoever may write in a family keeps its reading permissions too, as a change answers with what was changed; the
    routes that only read ask for the reading scope itself.
    """
    if scopes is None:
        return actor
    reached = scopes | {scope.removesuffix(WRITE) + READ for scope in scopes if scope.endswith(WRITE)}
    kept = frozenset(permission for permission in actor.permissions if scope_of(permission) in reached)
    return replace(actor, permissions=kept, scopes=scopes)
