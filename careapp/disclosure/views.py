"""What care teams, consent and emergency access look like from outside."""

from collections.abc import Sequence
from datetime import datetime

from careapp.views import View


class Member(View):
    """Somebody named in the care team, by name, with what he is there."""

    id: int
    name: str | None
    role: str
    since: datetime


class Candidate(View):
    """Somebody who can be added to the care team; `key` names him: `user:7` or `provider:12`."""

    key: str
    name: str


class Directive(View):
    """What the patient permitted or denied, since when, and who recorded it."""

    decision: str
    since: datetime
    recorded_by: str


class Change(View):
    """When a record was last restricted or opened again, by whom, and why."""

    action: str
    at: datetime
    who: str
    reason: str | None


class RecordAccess(View):
    """Who may see a record. `consent` is the directive on the member portal, None where none was recorded."""

    locator: str
    confidentiality: str
    members: Sequence[Member]
    candidates: Sequence[Candidate]
    consent: Directive | None
    last_change: Change | None


class EmergencyView(View):
    """Emergency access that is open to the actor."""

    party_locator: str
    started_at: datetime
    ends_at: datetime


class EmergencyEntry(View):
    """Emergency access as its review shows it. `within_a_day` counts those of the same person in the 24 hours up to it,
    itself included; `too_many` says that these are more than care explains.
    """

    id: int
    party_locator: str
    user_id: int
    user_name: str | None
    reason: str
    started_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    within_a_day: int
    too_many: bool
    reviewed_by: str | None
    reviewer_name: str | None
    reviewed_at: datetime | None
    remark: str | None
