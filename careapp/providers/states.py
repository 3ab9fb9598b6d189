"""The network lifecycle of a provider (design §5): only an ACTIVE one can be booked."""

from careapp.access import Permission
from careapp.lifecycle import Lifecycle, Transition
from careapp.providers.events import ProviderUpdated

PENDING, ACTIVE, INACTIVE = "PENDING", "ACTIVE", "INACTIVE"
_P = Permission.PROVIDER_MANAGE

NETWORK = Lifecycle(
    entity="provider",
    prefix="PRV",
    states=(PENDING, ACTIVE, INACTIVE),
    transitions=(
        Transition("activate", "Activate", (PENDING, INACTIVE), ACTIVE, _P, ProviderUpdated),
        Transition("deactivate", "Deactivate", (ACTIVE,), INACTIVE, _P, ProviderUpdated, dangerous=True),
    ),
    tones={PENDING: "warning", ACTIVE: "success", INACTIVE: "secondary"},
)
