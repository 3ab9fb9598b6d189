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
    """A clinic to be."""

    name: str
    time_zone: str


@dataclass(frozen=True)
class ProviderPlan:
    """A provider to be; `clinic` is the place of his clinic in the blueprint, `blocked` a day next week he is away."""

    name: str
    specialty: str
    clinic: int
    rota: Rota | None = None
    network: str = "ACTIVE"
    group: Group | None = None
    blocked: int | None = None


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


_MORNING_AND_AFTERNOON = ((9, 12), (13, 17))

DEMO = Blueprint(
    key="demo",
    name="Golden Lake Clinics",
    time_zone="Asia/Yangon",
    mail_domain="demo.clinic",
    clinics=(
        ClinicPlan("Golden Lake Family Clinic", "Asia/Yangon"),
        ClinicPlan("Riverside Urgent Care", "Asia/Yangon"),
        ClinicPlan("Lotus Specialist Centre", "Asia/Bangkok"),
    ),
    providers=(
        ProviderPlan("Dr Thandar Hlaing", "GENERAL_PRACTICE", 0, Rota(_MORNING_AND_AFTERNOON), blocked=3),
        ProviderPlan("Dr Kofi Lindqvist", "GENERAL_PRACTICE", 0, Rota(_MORNING_AND_AFTERNOON, days=(0, 1, 3, 4))),
        ProviderPlan("Dr Zaw Myint Oo", "FAMILY_MEDICINE", 0, Rota(_MORNING_AND_AFTERNOON, minutes=20, days=(0, 2, 4))),
        ProviderPlan("Nurse Ei Ei Mon", "DIABETES_EDUCATION", 0, Rota(((9, 12),), minutes=45), group=Group(2, 15)),
        ProviderPlan("Dr Marisol Wójcik", "EMERGENCY_MEDICINE", 1, Rota(((7, 15),), days=EVERY_DAY)),
        ProviderPlan("Dr Phone Pyae Sone", "EMERGENCY_MEDICINE", 1, Rota(((15, 23),), days=EVERY_DAY)),
        ProviderPlan("Dr Anneke Okafor", "EMERGENCY_MEDICINE", 1, Rota(((23, 7),), minutes=60, days=EVERY_DAY)),
        ProviderPlan("Dr Suda Charoensuk", "CARDIOLOGY", 2, Rota(((9, 12), (13, 17)), minutes=60, days=(0, 1, 2, 3))),
        ProviderPlan("Dr Ye Yint Thu", "DERMATOLOGY", 2, Rota(_MORNING_AND_AFTERNOON, days=(1, 3)), blocked=1),
        ProviderPlan("Nan Mo Hom", "PSYCHOLOGY", 2, Rota(((10, 13), (14, 18)), minutes=60), group=Group(4, 18, 90, 8)),
        ProviderPlan("Dr Hnin Yu Wai", "GENERAL_PRACTICE", 0, network="PENDING"),
        ProviderPlan("Dr Lars Abernathy", "CARDIOLOGY", 2, network="INACTIVE"),
    ),
    patients=200,
    first_npi=100_000_000,
    stories={
        "new": 12, "missed": 5, "asked": 8, "booked": 14, "confirmed": 10, "called_off": 4, "later_today": 8,
        "waiting": 2, "with_the_doctor": 1, "seen_today": 4, "follow_up": 14, "sent_on": 14, "ready": 12, "closed": 25,
        "cancelled": 8, "group": 12, "past": 45,
    },
)  # fmt: skip

OTHER = Blueprint(
    key="other",
    name="Harbor Point Health",
    time_zone="America/New_York",
    mail_domain="other.clinic",
    clinics=(ClinicPlan("Harbor Point Practice", "America/New_York"),),
    providers=(
        ProviderPlan("Dr Imani Castellanos", "GENERAL_PRACTICE", 0, Rota(_MORNING_AND_AFTERNOON)),
        ProviderPlan("Dr Piotr Nakagawa", "GENERAL_PRACTICE", 0, Rota(((8, 13),), days=EVERY_DAY), group=Group(3, 15)),
    ),
    patients=20,
    first_npi=100_000_500,
    stories={"new": 2, "asked": 1, "booked": 3, "follow_up": 2, "sent_on": 2, "ready": 1, "closed": 3, "past": 2},
)
