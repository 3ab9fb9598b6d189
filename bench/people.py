"""The people of a generated tenant: clinics, providers, staff and patients, with the rows they are searched by."""

import hashlib
import json
import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bench.rows import Rows, array, locator
from careapp.patients.contacts import phone_key
from careapp.patients.names import words_to_find
from careapp.patients.states import GENDERS

SPECIALTIES = ("GENERAL_PRACTICE", "CARDIOLOGY", "PEDIATRICS", "DERMATOLOGY")
SYLLABLES = (
    "Aung", "Bo", "Chit", "Dewi", "Ei", "Hla", "Htun", "Kyaw", "Lwin", "Mar", "Myint", "Nanda", "Nilar", "Nyein", "Ohn",
    "Phyu", "Sanda", "Sein", "Soe", "Su", "Thet", "Thida", "Tin", "Wai", "Win", "Yadanar", "Ye", "Yi", "Zaw", "Zin",
)  # fmt: skip
RESTRICTED = 50  # one patient in so many has a restricted record
SESSIONS = 5  # a member of staff


@dataclass(frozen=True)
class People:
    """What the history of a tenant refers to: ids, and for patients their locators."""

    clinics: list[int]
    providers: list[int]
    clinicians: list[int]
    front_desk: int
    patients: list[int]
    parties: dict[int, str]


def settle_people(
    rows: Rows, key: str, now: datetime, chance: random.Random, *, clinics: int, providers: int, patients: int
) -> People:
    """Fill a tenant with people. `chance` is the tenant's own, so that the same seed gives the same people."""
    since = now.replace(year=now.year - 1, day=1)
    places = [rows.number("clinics") for _ in range(clinics)]
    for n, clinic in enumerate(places):
        rows.add("clinics", clinic, f"Clinic {n + 1} of {key}", "Asia/Yangon", since)
    doctors = [rows.number("providers") for _ in range(providers)]
    for n, provider in enumerate(doctors):
        name, specialty = f"Dr {_full_name(chance)}", SPECIALTIES[n % len(SPECIALTIES)]
        rows.add("providers", provider, f"{provider:010d}", name, specialty, "ACTIVE", since, since, 2)
        rows.add("provider_clinics", provider, places[n % clinics])
    desk = _staff(rows, key, "desk", "front_desk", since, now)
    for role in ("admin", "auditor"):
        _staff(rows, key, role, role, since, now)
    clinicians = [
        _staff(rows, key, f"clinician{n}", "clinician", since, now, provider) for n, provider in enumerate(doctors)
    ]
    parties = dict(_patient(rows, n, now, chance, clinicians) for n in range(patients))
    return People(places, doctors, clinicians, desk, list(parties), parties)


def _staff(
    rows: Rows, key: str, who: str, role: str, since: datetime, now: datetime, provider: int | None = None
) -> int:
    """Somebody of the staff, with sessions that have ended; nobody signs in by a password."""
    user, email = rows.number("users"), f"{who}@{key}.clinic"
    rows.add("users", user, email, f"{who.title()} of {key}", array([role]), provider, since)
    known = rf"\\x{hashlib.sha256(email.encode()).hexdigest()}"
    rows.lines["sign_in_directory"].append(f"{known}\t{rows.tenant_id}\t{user}")
    for n in range(SESSIONS):
        session, begun = rows.number("user_session"), now - timedelta(days=n + 1)
        sid = rf"\\x{hashlib.sha256(f'{email} {n}'.encode()).hexdigest()}"
        ended = begun + timedelta(hours=8)
        rows.add("user_session", session, sid, user, begun, ended, ended, "signed_out")
    return user


def _patient(rows: Rows, n: int, now: datetime, chance: random.Random, clinicians: list[int]) -> tuple[int, str]:
    """A patient with the words and keys he is found by, and with what is known of him."""
    patient, created = rows.number("patients"), now - timedelta(days=60, minutes=n % 40_000)
    given, family = [chance.choice(SYLLABLES), chance.choice(SYLLABLES)], _family(chance)
    phone = f"+95 9 {chance.randrange(10**8):08d}"
    telecom = json.dumps([{"system": "phone", "value": phone, "use": "mobile"}])
    restricted = n % RESTRICTED == RESTRICTED - 1
    rows.add(
        "patients", patient, family, array(given), date(1935, 1, 1) + timedelta(days=chance.randrange(32_000)),
        chance.choice(GENDERS), telecom, created, "RESTRICTED" if restricted else "NORMAL",
        created if restricted else None,
    )  # fmt: skip
    for word in words_to_find(" ".join([*given, family])):
        rows.add("patient_name_words", word, patient)
    rows.add("patient_keys", "PHONE", phone_key(phone), patient)
    if n % 5 == 0:
        kind, said = chance.choice([("CONDITION", "Hypertension"), ("ALLERGY", "Penicillin")])
        rows.add("patient_facts", rows.number("patient_facts"), patient, kind, said, created)
    if restricted:
        who = chance.choice(clinicians)
        rows.add("care_team_members", rows.number("care_team_members"), patient, who, "clinician", created, "user:1")
    return patient, locator("patients", patient, created)


def _full_name(chance: random.Random) -> str:
    return f"{chance.choice(SYLLABLES)} {_family(chance)}"


def _family(chance: random.Random) -> str:
    """One of 900 family names, each a word of its own."""
    return f"{chance.choice(SYLLABLES)}{chance.choice(SYLLABLES).lower()}"
