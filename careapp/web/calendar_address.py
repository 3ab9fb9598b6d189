"""The address of a calendar: what it shows, and what it is used for, so that every link on it keeps both."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

from flask import request

from careapp.overviews.calendar import Asked, Calendar
from careapp.overviews.clinic_week import DAYS_OF_A_WEEK
from careapp.scheduling.states import TYPES
from careapp.web import times
from careapp.web.forms.typed import locator_in

LONGEST_SPECIALTY = 100
ADDRESSES_KEPT = 1024  # of a few hundred bytes


@dataclass(frozen=True)
class Address:
    """What a calendar's address says. `episode`, `party` or `move`: for whom a time is looked for, or what is moved;
    `type`: the kind of appointment it is to be. `earlier`: of today, also what is over.
    """

    provider: str | None = None
    clinic: str | None = None
    specialty: str | None = None
    on: date | None = None
    whole_week: bool | None = None
    mine: bool = True
    episode: str | None = None
    party: str | None = None
    move: str | None = None
    type: str | None = None
    earlier: bool = False

    @classmethod
    def asked(cls) -> "Address":
        """What this request asks for. Raises Invalid for what no calendar's address holds."""
        given = request.args
        week, day = times.parse_week(given.get("week")), times.parse_day(given.get("day"))
        view = {"week": True, "day": False}.get(given.get("view", ""))
        return cls(
            provider=locator_in(given.get("provider"), "PRV"),
            clinic=locator_in(given.get("clinic"), "CLN"),
            specialty=(given.get("specialty") or "").replace("\0", "")[:LONGEST_SPECIALTY] or None,
            on=day or week,
            whole_week=view if view is not None else (day is None if day or week else None),
            mine="provider" not in given,
            episode=locator_in(given.get("episode"), "EPI"),
            party=locator_in(given.get("party"), "PTY"),
            move=locator_in(given.get("move"), "APT"),
            type=given["type"] if given.get("type") in TYPES else None,
            earlier=given.get("earlier") == "1",
        )

    def wanted(self) -> Asked:
        """The same for the query that reads the calendar."""
        return Asked(self.provider, self.clinic, self.specialty, self.on, self.whole_week, self.mine)

    def of(self, shown: Calendar) -> "Address":
        """The address of what is shown, with all that had been left open."""
        return replace(
            self, provider=shown.provider.locator if shown.provider else None,
            clinic=shown.clinic.locator if shown.clinic else None, on=shown.first, whole_week=shown.days > 1,
        )  # fmt: skip

    def purpose(self) -> dict[str, str]:
        """The parameter that says what the calendar is used for: a move before an episode before a patient."""
        given = {"move": self.move, "episode": self.episode, "party": self.party}
        return next(({name: value} for name, value in given.items() if value), {})

    def kind(self) -> dict[str, str]:
        """The parameter that says what kind of appointment it is to be; none where that is left open."""
        return {"type": self.type} if self.type else {}

    def place(self) -> dict[str, str]:
        """The parameters that say whose slots are shown, and when."""
        given = {"provider": self.provider, "clinic": self.clinic, "specialty": self.specialty} | self.when()
        return {name: value for name, value in given.items() if value}

    def when(self) -> dict[str, str]:
        """The parameters of the day or the week; none where that is left open."""
        if self.on is None:
            return {} if self.whole_week is None else {"view": "week" if self.whole_week else "day"}
        if self.whole_week:
            return {"week": times.week_name(self.on)}
        return {"day": self.on.isoformat()} | ({"earlier": "1"} if self.earlier else {})

    def to(self, **changes: Any) -> str:
        """The address with some of it changed; `days` moves it by so many days or weeks."""
        return _kept(self, **changes)

    def moving(self, appointment: str) -> str:
        """The address with this appointment to be moved: another for each visit of a day, so none of them is kept."""
        return _changed(self, move=appointment)

    def beside(self, path: str, *, purpose: bool = False) -> str:
        """The address of another page about the same slots, with its purpose where that page has one too."""
        return _with(path, self.place() | (self.purpose() | self.kind() if purpose else {}))

    def others(self, specialty: str) -> str:
        """The address of the next free times of all providers of a specialty, for the same purpose."""
        return _with("/next-free", {"specialty": specialty} | self.purpose() | self.kind())

    def booking(self) -> str:
        """What the address of a slot needs besides, so that patient and kind of appointment are chosen already."""
        given = {"episode": self.episode, "party": self.party, "type": self.type}
        return _with("", {name: value for name, value in given.items() if value})


def _changed(here: Address, *, days: int = 0, **changes: Any) -> str:
    other = replace(here, **changes)
    if days and other.on:
        days *= DAYS_OF_A_WEEK if here.whole_week else 1
        other = replace(other, on=other.on + timedelta(days=days), earlier=False)
    return _with("/calendar", other.place() | other.purpose() | other.kind())


_kept = lru_cache(maxsize=ADDRESSES_KEPT)(_changed)  # a page that is looked at has the same thirty again at each poll


def _with(path: str, parameters: dict[str, str]) -> str:
    """A path with its parameters, whose names need no quoting: urlencode(), which quotes them as well, takes twice as
    long, and a clinic's week has thirty addresses.
    """
    query = "&".join(f"{name}={quote_plus(value)}" for name, value in parameters.items())
    return f"{path}?{query}" if query else path
