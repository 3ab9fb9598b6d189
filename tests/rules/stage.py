"""Things in a given state, each new, made through the moves that lead there."""

from collections.abc import Callable
from typing import Any

from careapp.access import Actor, Role, permissions_of
from careapp.episodes import service as episodes
from careapp.prescriptions import service as prescriptions
from careapp.providers import service as providers
from careapp.referrals import service as referrals
from careapp.scheduling import appointments, slots
from tests import factories as make
from tests.looking import id_of

Act = Callable[..., Any]

TABLES = {
    "episode": "episodes", "slot": "provider_slots", "appointment": "appointments", "prescription": "prescriptions",
    "referral": "diagnostics_referrals", "provider": "providers",
}  # fmt: skip

ACTS: dict[str, Act] = {
    "slot": slots.act,
    "appointment": appointments.act,
    "prescription": prescriptions.act,
    "referral": referrals.act,
    "provider": providers.act,
}


class Stage:
    """A tenant's provider, and as many free hours of his as a test needs."""

    def __init__(self, god: Actor) -> None:
        self.god = god
        self.provider = make.a_provider(god)
        self.provider_id = id_of(god, "providers", self.provider.locator)
        self.hours = 0

    def actor(self, role: Role) -> Actor:
        """Somebody with one role; a clinician is the provider himself, so the slots are his own."""
        roles = frozenset({role})
        own = self.provider_id if role is Role.CLINICIAN else None
        name = f"test:{role.value}"
        return Actor(self.god.tenant_id, self.god.tenant_key, name, permissions_of(roles), roles, provider_id=own)

    def act(self, entity: str, actor: Actor, locator: str, action: str) -> Any:
        """Make a move by the command that makes it."""
        if entity == "episode":
            summary = {"summary": "Well"} if action == "close" else {}
            return getattr(episodes, action)(actor, locator, **summary)
        return ACTS[entity](actor, locator, action=action)

    def a(self, entity: str, status: str) -> str:
        """The locator of a new thing in a state."""
        made: str = getattr(self, f"_{entity}")(status)
        return made

    def _free_slot(self) -> Any:
        self.hours += 1
        return make.a_slot(self.god, self.provider, hours=self.hours)

    def _episode(self, status: str) -> str:
        locator = make.an_episode(self.god).locator
        for action in {"OPEN": (), "CLOSED": ("close",), "CANCELLED": ("cancel",)}[status]:
            self.act("episode", self.god, locator, action)
        return locator

    def _slot(self, status: str) -> str:
        slot = self._free_slot()
        if status == "BOOKED":
            make.an_appointment(self.god, slot=slot)
        elif status == "BLOCKED":
            self.act("slot", self.god, slot.locator, "block")
        return str(slot.locator)

    def _appointment(self, status: str) -> str:
        return make.an_appointment(self.god, slot=self._free_slot(), status=status).locator

    def _prescription(self, status: str) -> str:
        return make.a_prescription(self.god, status=status).locator

    def _referral(self, status: str) -> str:
        return make.a_referral(self.god, status=status).locator

    def _provider(self, status: str) -> str:
        made = make.a_provider(self.god, active=status != "PENDING")
        if status == "INACTIVE":
            self.act("provider", self.god, made.locator, "deactivate")
        return made.locator
