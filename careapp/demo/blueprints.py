"""Blueprints: what each demo tenant consists of, as data."""

from dataclasses import dataclass, field
from itertools import count

from careapp.providers.npi import is_valid_npi

EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)  # Monday is 0
WORKDAYS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Rota:
    """When somebody works: on these days, from and to these hours of the clinic's clock, in slots of so many minutes.

    A shift that ends at or before its start ends on the next day.
    """

    shifts: tuple[tuple[int, int], ...]
    minutes: int = 30
    days: tuple[int, ...] = WORKDAYS


@dataclass(frozen=True)
class Group:
    """A weekly group session: on this day, from this hour, for so many people."""

    day: int
    hour: int
    minutes: int = 60
    capacity: int = 10


@dataclass(frozen=True)
class ClinicPlan:
    """A clinic to be, where and how it is reached (invented, as the head of its prescriptions), the visits it had in
    each week before the calendar begins, and a week in which it was closed.
    """

    name: str
    time_zone: str
    visits_a_week: int
    address: str
    phone: str
    holiday: int | None = None


@dataclass(frozen=True)
class ProviderPlan:
    """A provider to be; `clinic` is the place of his clinic in the blueprint, `blocked` a day next week he is away, and
    `away_tomorrow` from and to which hour he is.
    """

    name: str
    specialty: str
    clinic: int
    rota: Rota | None = None
    network: str = "ACTIVE"
    group: Group | None = None
    blocked: int | None = None
    away_tomorrow: tuple[int, int] | None = None


@dataclass(frozen=True)
class Blueprint:
    """A tenant to be: who works where and when, how many patients, and how many episodes of each story.

    The staff's addresses are role@`mail_domain`. `first_npi` is the number, without check digit, the NPIs begin with.
    """

    key: str
    name: str
    time_zone: str
    mail_domain: str
    clinics: tuple[ClinicPlan, ...]
    providers: tuple[ProviderPlan, ...]
    patients: int
    first_npi: int
    seed: str = "careapp"
    stories: dict[str, int] = field(default_factory=dict)

    def npis(self) -> list[str]:
        """A valid NPI for each provider, in a range of mostly zeros that stands for nobody."""
        numbers = (f"{base}{check}" for base in count(self.first_npi) for check in range(10))
        valid = filter(is_valid_npi, numbers)
        return [next(valid) for _ in self.providers]


_DAY, _LONG_DAY = ((9, 12), (13, 17)), ((8, 12), (13, 17))

DEMO = Blueprint(
    key="demo",
    name="Golden Lake Clinics",
    time_zone="Asia/Yangon",
    mail_domain="demo.clinic",
    clinics=(
        ClinicPlan(
            "Golden Lake Family Clinic", "Asia/Yangon", 190, "14 Padauk Lane\nGolden Lake, Yangon", "+95 1 555 0110"
        ),
        ClinicPlan(
            "Riverside Urgent Care", "Asia/Yangon", 100, "3 Old Ferry Road\nRiverside, Yangon", "+95 1 555 0120"
        ),
        ClinicPlan(
            "Lotus Specialist Centre", "Asia/Bangkok", 36, "88 Lotus Pond Road\nBangkok", "+66 2 555 0130", holiday=-6
        ),
    ),
    providers=(
        ProviderPlan("Dr Thandar Hlaing", "GENERAL_PRACTICE", 0, Rota(_LONG_DAY, days=EVERY_DAY), blocked=3),
        ProviderPlan("Dr Kofi Lindqvist", "GENERAL_PRACTICE", 0, Rota(_DAY, days=(0, 1, 3, 5))),
        ProviderPlan("Dr Zaw Myint Oo", "FAMILY_MEDICINE", 0, Rota(_DAY, minutes=20, days=(0, 2, 4, 6))),
        ProviderPlan("Nurse Ei Ei Mon", "DIABETES_EDUCATION", 0, Rota(((9, 12),), minutes=45), group=Group(2, 15)),
        ProviderPlan(
            "Dr Nilar Phyu", "GENERAL_PRACTICE", 0, Rota(((12, 13), (17, 22)), days=EVERY_DAY), away_tomorrow=(20, 22)
        ),
        ProviderPlan("Dr Samuel Oduya", "GENERAL_PRACTICE", 0, Rota(((22, 8),), minutes=60, days=EVERY_DAY)),
        ProviderPlan("Dr Marisol Wójcik", "EMERGENCY_MEDICINE", 1, Rota(((7, 15),), days=EVERY_DAY)),
        ProviderPlan("Dr Phone Pyae Sone", "EMERGENCY_MEDICINE", 1, Rota(((15, 23),), days=EVERY_DAY)),
        ProviderPlan("Dr Anneke Okafor", "EMERGENCY_MEDICINE", 1, Rota(((23, 7),), minutes=60, days=EVERY_DAY)),
        ProviderPlan("Dr Suda Charoensuk", "CARDIOLOGY", 2, Rota(((9, 12), (13, 17)), minutes=60, days=(0, 1, 2, 3))),
        ProviderPlan("Dr Ye Yint Thu", "DERMATOLOGY", 2, Rota(_DAY, days=(1, 3)), blocked=1),
        ProviderPlan("Nan Mo Hom", "PSYCHOLOGY", 2, Rota(((10, 13), (14, 18)), minutes=60), group=Group(4, 18, 90, 8)),
        ProviderPlan("Dr Hnin Yu Wai", "GENERAL_PRACTICE", 0, network="PENDING"),
        ProviderPlan("Dr Lars Abernathy", "CARDIOLOGY", 2, network="INACTIVE"),
    ),
    patients=800,
    first_npi=100_000_000,
    stories={
        "new": 12, "forgotten": 3, "missed": 5, "unmarked": 2, "asked": 8, "booked": 18, "confirmed": 14,
        "called_off": 4, "follow_up": 14, "sent_on": 14, "unanswered": 6, "long_unanswered": 9,
        "report_missing": 8, "left_open": 3, "ready": 12, "closed": 25, "cancelled": 8, "group": 12, "past": 35,
    },
)  # fmt: skip

OTHER = Blueprint(
    key="other",
    name="Harbor Point Health",
    time_zone="America/New_York",
    mail_domain="other.clinic",
    clinics=(
        ClinicPlan(
            "Harbor Point Practice", "America/New_York", 8, "200 Harbor Point Road\nNew York, NY", "+1 212 555 0140"
        ),
    ),
    providers=(
        ProviderPlan("Dr Imani Castellanos", "GENERAL_PRACTICE", 0, Rota(_DAY)),
        ProviderPlan("Dr Piotr Nakagawa", "GENERAL_PRACTICE", 0, Rota(((8, 13),), days=EVERY_DAY), group=Group(3, 15)),
    ),
    patients=30,
    first_npi=100_000_500,
    stories={"new": 2, "asked": 1, "booked": 3, "follow_up": 2, "sent_on": 2, "ready": 1, "closed": 3, "past": 2},
)
