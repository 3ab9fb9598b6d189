"""Invented people: names put together by chance from common parts, so that none is anybody's."""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from careapp.patients.views import HumanName

# Burmese names have no family name: all words are given ones.
_BURMESE_FEMALE = ("Aye", "Ei", "Hnin", "Khin", "Mar", "May", "Moe", "Mya", "Nilar", "Nwe", "Phyu", "Sandar", "Su",
                   "Thida", "Thiri", "Wai", "Yadanar", "Zar", "Zin")  # fmt: skip
_BURMESE_MALE = ("Aung", "Bo", "Hein", "Htet", "Htun", "Kyaw", "Lin", "Min", "Myo", "Naing", "Nyi", "Phyo", "Soe",
                 "Thant", "Thura", "Tun", "Win", "Ye", "Zaw")  # fmt: skip
_SCRIPT_FEMALE = ("အေး", "ခင်", "ချို", "စု", "နန်း", "နီလာ", "ဖြူ", "မြတ်", "မွန်", "ယမင်း", "ဝင်း", "သီတာ")
_SCRIPT_MALE = ("အောင်", "ကျော်", "ဇာနည်", "ဇော်", "ထွန်း", "နိုင်", "ဖြိုး", "မင်း", "ရဲ", "လင်း", "ဝေ", "သူရ")
_FEMALE = ("Aisha", "Amara", "Chloé", "Elif", "Grace", "Hana", "Ingrid", "Leïla", "Łucja", "María", "Mei", "Nadia",
           "Olga", "Priya", "Ruth", "Sofía", "Yuki", "Zoë")  # fmt: skip
_MALE = ("Ahmed", "André", "Björn", "Chen", "David", "Emeka", "Farid", "Hiroshi", "Ivan", "Jonas", "José", "Kwame",
         "Luca", "Minh", "Omar", "Rafael", "Søren", "Tomáš")  # fmt: skip
_FAMILIES = ("Abara", "Bergqvist", "Castellón", "D’Orsi", "Eriksdóttir", "Fujimori-Lang", "García Peña", "Haddadi",
             "Iyer", "Jansky", "Kowalczyk", "Lindholm", "Mbeki-Stone", "Nguyễn", "O’Rourke", "Petrenko", "Quintero",
             "Rahmani", "Sørensen", "Tanaka", "Umarov", "Väisänen", "Wójcik", "Yılmaz", "Zimmer")  # fmt: skip

SHARE_IN_SCRIPT, SHARE_BURMESE = 0.1, 0.6
YOUNGEST = date(2006, 6, 30)  # a fixed day, so that everybody keeps his birthday; all are grown up
SPAN = 70 * 365  # days the oldest was born before that


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist. `phone` lies in a range of mostly zeros."""

    name: HumanName
    gender: str
    born: date
    phone: str
    email: str | None


def people(random: Random, count: int) -> list[Person]:
    """So many people with different names, the same for the same `random`; all are grown up, some have e-mail."""
    found: dict[str, Person] = {}
    while len(found) < count:
        name, gender = _name(random)
        if name.text not in found:
            found[name.text] = _person(random, name, gender, len(found))
    return list(found.values())


def _name(random: Random) -> tuple[HumanName, str]:
    gender, chance = random.choice(("female", "male")), random.random()
    if chance < SHARE_IN_SCRIPT:
        text = "".join(random.sample(_SCRIPT_FEMALE if gender == "female" else _SCRIPT_MALE, random.choice((2, 3))))
        return HumanName(given=[text], text=text), gender
    if chance < SHARE_BURMESE:
        given = random.sample(_BURMESE_FEMALE if gender == "female" else _BURMESE_MALE, random.choice((2, 3)))
        return HumanName(given=given, text=" ".join(given)), gender
    first, family = random.choice(_FEMALE if gender == "female" else _MALE), random.choice(_FAMILIES)
    return HumanName(given=[first], family=family, text=f"{first} {family}"), gender


def _person(random: Random, name: HumanName, gender: str, number: int) -> Person:
    return Person(
        name=name,
        gender=gender,
        born=YOUNGEST - timedelta(days=random.randint(0, SPAN)),
        phone=f"+95 9 000 000 {number:03d}",
        email=f"patient{number:03d}@example.org" if random.random() < 1 / 3 else None,
    )
