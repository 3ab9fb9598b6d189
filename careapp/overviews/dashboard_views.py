"""What the dashboard of a clinic shows: counts only, nobody by name but the providers."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from careapp.clinics.views import ClinicView
from careapp.views import View


class Visits(View):
    """Visits by how far they are: due (`late` of them should have begun), waiting, in a room, done, missed."""

    due: int = 0
    late: int = 0
    waiting: int = 0
    in_room: int = 0
    done: int = 0
    missed: int = 0

    @property
    def here(self) -> int:
        """Those who are in the house: waiting or in a room."""
        return self.waiting + self.in_room

    @property
    def all(self) -> int:
        """All of them, cancelled ones being none."""
        return self.due + self.here + self.done + self.missed

    def __add__(self, other: "Visits") -> "Visits":
        return Visits(**{name: getattr(self, name) + getattr(other, name) for name in Visits.model_fields})


class Hour(View):
    """The visits that begin in one hour of the day, on the clinic's clock."""

    hour: int
    visits: Visits


class ProviderToday(View):
    """One provider's visits of today."""

    locator: str
    name: str
    visits: Visits


class Places(View):
    """Places in slots: `offered` (all but those nobody may book any more because of a block), `taken`, and `free`.

    `free` can still be booked; `blocked` could be, were they not blocked. What stayed empty in slots that are over is
    offered, but neither taken nor free.
    """

    offered: int = 0
    taken: int = 0
    free: int = 0
    blocked: int = 0

    def __add__(self, other: "Places") -> "Places":
        return Places(**{name: getattr(self, name) + getattr(other, name) for name in Places.model_fields})


class ProviderWeek(View):
    """One provider's places on the seven days from Monday on."""

    locator: str
    name: str
    days: Sequence[Places]

    @property
    def total(self) -> Places:
        """The places of the whole week."""
        return sum_of_places(self.days)


class WeekOfVisits(View):
    """How many visits of one week were attended and how many missed; those still open or cancelled are neither."""

    monday: date
    attended: int = 0
    missed: int = 0

    @property
    def ended(self) -> int:
        """The visits that count for the rate."""
        return self.attended + self.missed

    @property
    def rate(self) -> float | None:
        """The share of missed visits; None where there was no visit."""
        return self.missed / self.ended if self.ended else None


class Rate(View):
    """A no-show rate with what it is made of."""

    missed: int
    ended: int

    @classmethod
    def over(cls, weeks: Iterable[WeekOfVisits]) -> "Rate":
        """The rate of several weeks together: of all their visits, not the mean of their rates."""
        counted = list(weeks)
        return cls(missed=sum(one.missed for one in counted), ended=sum(one.ended for one in counted))

    @property
    def value(self) -> float | None:
        """The share of missed visits; None where there was no visit."""
        return self.missed / self.ended if self.ended else None


class AgeClass(View):
    """Open referrals made so many days ago; `last` is None for the oldest class, which has no end."""

    first: int
    last: int | None
    waiting: int = 0
    booked: int = 0

    @property
    def all(self) -> int:
        """All of them."""
        return self.waiting + self.booked


class PriorityClass(View):
    """Open referrals of one priority, and how many of them are overdue."""

    priority: str
    open: int = 0
    overdue: int = 0


class Ageing(View):
    """Open referrals by age and by priority."""

    ages: Sequence[AgeClass]
    priorities: Sequence[PriorityClass]

    @property
    def open(self) -> int:
        """All open ones."""
        return sum(one.open for one in self.priorities)

    @property
    def overdue(self) -> int:
        """All overdue ones."""
        return sum(one.overdue for one in self.priorities)


class Dashboard(View):
    """A clinic's figures as of `now`, on its own clock. `referrals` is None for who may not know of referrals.

    `weeks` are whole weeks, the latest one last; the present week is none of them.
    """

    clinic: ClinicView
    now: datetime
    today: date
    monday: date
    hours: Sequence[Hour]
    providers: Sequence[ProviderToday]
    capacity: Sequence[ProviderWeek]
    weeks: Sequence[WeekOfVisits]
    referrals: Ageing | None

    @property
    def visits(self) -> Visits:
        """All visits of today."""
        return sum((one.visits for one in self.hours), Visits())

    @property
    def places(self) -> Places:
        """All places of this week."""
        return sum_of_places(one.total for one in self.capacity)


class Choice(View):
    """The clinics to choose from, and the figures of the chosen one; None where there is no clinic at all."""

    clinics: Sequence[ClinicView]
    dashboard: Dashboard | None


def sum_of_places(places: Iterable[Places]) -> Places:
    """All of them together."""
    return sum(places, Places())
