"""`flask states`: write docs/states.md from the lifecycles, so that the page cannot say anything else than the code."""

from pathlib import Path

import click

from careapp.access import ROLE_PERMISSIONS, Permission
from careapp.lifecycle import Lifecycle, Transition
from careapp.overviews.lifecycles import LIFECYCLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "states.md"

# What the tables do not hold: moves that need more than a state, and states that follow from something else.
NOTES = {
    "episode": "An episode starts OPEN. It is not closed while an appointment or referral in it is open. Cancelling it"
    " cancels both and voids prescriptions that are not filled; afterwards only fill and void still work.",
    "slot": "A slot starts AVAILABLE, is BOOKED while it is full, and AVAILABLE again when a place frees. Blocking one"
    " keeps the bookings it has; a full one that is unblocked is BOOKED again.",
    "appointment": "An appointment starts PENDING, or BOOKED where the front desk accepts it at once. Until the"
    " patient arrives it can be rescheduled to another slot under the same locator: a CONFIRMED one becomes BOOKED."
    " The last move can be taken back within ten minutes while the episode is OPEN. Every move also publishes"
    " `care.appointment.status_changed`.",
}

HEAD = """<!-- Written by `flask --app wsgi states` from the lifecycles in the code; change those and run it again. -->
# States and moves
"""


@click.command("states")
def states() -> None:
    """Write docs/states.md from the lifecycles."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())
    click.echo(f"{len(LIFECYCLES)} lifecycles stand in docs/states.md.")


def page() -> str:
    """What docs/states.md should hold."""
    return "\n".join([HEAD, *(_section(lifecycle) for lifecycle in LIFECYCLES.values())])


def _section(lifecycle: Lifecycle) -> str:
    """One lifecycle: its states, its moves as a table, and what the table does not hold."""
    note = NOTES.get(lifecycle.entity)
    return "\n".join([
        f"## {lifecycle.entity.capitalize()} ({lifecycle.prefix})\n",
        f"States: {', '.join(lifecycle.states)}.\n",
        "| move | button | from | to | who may | event | a page asks why |",
        "|---|---|---|---|---|---|---|",
        *(_line(transition) for transition in lifecycle.transitions),
        *([f"\n{note}"] if note else []),
        "",
    ])  # fmt: skip


def _line(transition: Transition) -> str:
    event = f"`{transition.event.topic}`" if transition.event else "–"
    cells = (
        transition.name, transition.label, ", ".join(transition.sources), transition.target,
        _who_may(transition.permission), event, "yes" if transition.needs_reason else "no",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _who_may(permission: Permission) -> str:
    """The roles that hold a permission; who manages only his own slots is marked so."""
    named = []
    for role, held in ROLE_PERMISSIONS.items():
        if permission in held:
            own = permission == Permission.SLOT_MANAGE_OWN and Permission.SLOT_MANAGE not in held
            named.append(f"{role.value} (own)" if own else role.value)
    return ", ".join(named)
