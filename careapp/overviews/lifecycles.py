"""Every lifecycle there is, by its entity: docs/states.md, the buttons and the words of moves are made from these."""

from careapp.episodes.states import EPISODE
from careapp.lifecycle import Lifecycle
from careapp.prescriptions.states import PRESCRIPTION
from careapp.providers.states import NETWORK
from careapp.referrals.states import REFERRAL
from careapp.scheduling.states import APPOINTMENT, SLOT

LIFECYCLES: dict[str, Lifecycle] = {
    one.entity: one for one in (EPISODE, SLOT, APPOINTMENT, PRESCRIPTION, REFERRAL, NETWORK)
}
