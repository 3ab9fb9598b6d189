"""`flask access`: write docs/security/access.md from the routes, roles and rules in the code, which it then matches."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import click
from flask import Flask, current_app
from werkzeug.routing import Rule

from careapp.access import ROLE_PERMISSIONS, Permission, Role
from careapp.disclosure.table import FIELDS, RULES
from careapp.overviews.lifecycles import LIFECYCLES
from careapp.surface.actors import ANYBODY_SIGNED_IN

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security" / "access.md"
EVERYBODY, SIGNED_IN, PORTAL = "everybody", "anybody signed in", "the member portal"
MOVES = {
    f"{entity}_{move.name}".replace("-", "_"): move.permission
    for entity, one in LIFECYCLES.items()
    for move in one.transitions
} | {"appointment_undo": Permission.APPOINTMENT_MOVE}
YES, OWN, NO = "yes", "own", "–"
PARTS = (("api", "JSON API"), ("internal", "Portal routes"), ("", "Pages and files"))

HEAD = """<!-- Written by `flask --app wsgi access` from the code: routes, roles, rules. Change those, run it again. -->
# Who may do what

Three things are asked, one after the other: the role (this table), the clinic scope, and the rules about the record
at the end. What is not somebody's answers 404, exactly as if it were not there. "own" is for what belongs to the
provider the user is. Each cell of the table is tried over HTTP by `tests/rules/test_routes.py`, refusals and what is
allowed, but for the forms that `ELSEWHERE` in `tests/rules/test_twice.py` names (signing in, confirming, factors,
drafts): of those only the refusals, as what they do has tests of its own. The rules at the end are tried by
`tests/disclosure`.
"""


@dataclass(frozen=True)
class Row:
    """One route: what it takes, and who may, by role; for `others` it is open whatever the role."""

    part: str
    family: str
    methods: str
    address: str
    endpoint: str
    permission: str
    cells: dict[Role, str]
    others: str | None = None


@click.command("access")
def access() -> None:
    """Write docs/security/access.md from the routes, roles and rules."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(current_app._get_current_object()))  # type: ignore[attr-defined]
    click.echo("Who may do what stands in docs/security/access.md.")


def matrix(app: Flask) -> list[Row]:
    """Every route with who may use it, in the order of the document."""
    order = [part for part, _ in PARTS]
    rows = [_row(app, rule) for rule in app.url_map.iter_rules()]
    return sorted(rows, key=lambda row: (order.index(row.part), row.family, row.address, row.methods))


def page(app: Flask) -> str:
    """What docs/security/access.md should hold."""
    return "\n".join([HEAD, *_routes(app), *_roles(), *_fields(), *_rules()])


def _row(app: Flask, rule: Rule) -> Row:
    view = app.view_functions[rule.endpoint]
    declared = getattr(view, "permission", None)
    blueprint, _, name = rule.endpoint.rpartition(".")
    part = blueprint if blueprint in ("api", "internal") else ""
    base = rule.rule.removeprefix("/api/v1").removeprefix("/internal")
    needed = _needed(declared, name)
    return Row(
        part=part, family=base.strip("/").partition("/")[0] or "home",
        methods=", ".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})), address=rule.rule,
        endpoint=rule.endpoint, permission=" and ".join(f"`{one.value}`" for one in needed),
        cells={role: _cell(role, needed) for role in Role},
        others=EVERYBODY if declared is None else SIGNED_IN if declared == ANYBODY_SIGNED_IN else None,
    )  # fmt: skip


def _needed(declared: object, name: str) -> list[Permission]:
    """The permission the route declares, and that of the move it makes, if it makes one."""
    needed = [declared] if isinstance(declared, Permission) else []
    if needed and MOVES.get(name) not in (None, *needed):
        needed.append(MOVES[name])
    return needed


def _cell(role: Role, needed: list[Permission]) -> str:
    held = ROLE_PERMISSIONS[role]
    if not needed or not held.issuperset(needed):
        return NO
    return OWN if Permission.SLOT_MANAGE_OWN in needed and Permission.SLOT_MANAGE not in held else YES


def _routes(app: Flask) -> Iterator[str]:
    rows = matrix(app)
    for part, title in PARTS:
        yield f"## {title}\n"
        yield f"| family | route | permission | {' | '.join(role.value for role in Role)} |"
        yield f"|---|---|---|{'---|' * len(Role)}"
        mine = [row for row in rows if row.part == part]
        for family, some in groupby(mine, key=lambda row: row.family):
            for number, row in enumerate(some):
                yield _line(row, "" if number else family)
        yield ""


def _line(row: Row, family: str) -> str:
    others = row.others or (PORTAL if row.part == "internal" else None)
    cells = [f"**{others}**", *[""] * (len(Role) - 1)] if others else [row.cells[role] for role in Role]
    address = row.address.replace("<", "{").replace(">", "}")
    return f"| {family} | {row.methods} `{address}` | {row.permission or NO} | {' | '.join(cells)} |"


def _roles() -> Iterator[str]:
    yield "## Permissions of the roles\n"
    yield f"| permission | {' | '.join(role.value for role in Role)} |"
    yield f"|---|{'---|' * len(Role)}"
    for permission in Permission:
        cells = (YES if permission in ROLE_PERMISSIONS[role] else NO for role in Role)
        yield f"| `{permission.value}` | {' | '.join(cells)} |"
    yield ""


def _fields() -> Iterator[str]:
    yield "## Fields that are left out\n"
    yield "| of | to whom | fields |"
    yield "|---|---|---|"
    yield from (f"| {' | '.join(line)} |" for line in FIELDS)
    yield ""


def _rules() -> Iterator[str]:
    yield "## Rules about the record\n"
    yield "| rule | decides | otherwise | where |"
    yield "|---|---|---|---|"
    yield from (f"| {' | '.join(line)} |" for line in RULES)
    yield ""
