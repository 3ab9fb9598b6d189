"""What patients come with, what they are given and where they are sent: invented, and medically unremarkable."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from careapp.prescriptions.dosage import Dosage, sentence
from careapp.prescriptions.views import Medication

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"


@dataclass(frozen=True)
class Medicine:
    """A medicine and how it is taken; none is one that the demo's allergies forbid."""

    medication: Medication
    dosage: str
    quantity: int
    refills: int = 0
    parts: Dosage | None = None


@dataclass(frozen=True)
class Order:
    """Something ordered from elsewhere, and what comes of it."""

    type: str
    reason: str
    facility: str
    outcome: str
    priority: str = "ROUTINE"


@dataclass(frozen=True)
class Case:
    """Why a patient comes, what he is given, what is ordered, and the summary once the episode is closed."""

    care_type: str
    reason: str
    summary: str
    medicine: Medicine
    order: Order


def _coded(text: str, rxnorm: str) -> Medication:
    return Medication(text=text, code=rxnorm, system=RXNORM)


def _taken(medication: Medication, parts: Dosage, quantity: int, refills: int = 0) -> Medicine:
    return Medicine(medication, sentence(parts), quantity, refills, parts)


def _tablet(timing: str, **more: Any) -> Dosage:
    return Dosage(dose=Decimal(1), unit="tablet", route="oral", timing=timing, **more)


PAINKILLER = _taken(
    _coded("acetaminophen 500 MG Oral Tablet", "198440"),
    _tablet("Q6H", as_needed=True, reason="pain or fever", most_a_day=Decimal(4), duration=5), 20, 1,
)  # fmt: skip
COUGH_SYRUP = Medicine(Medication(text="Dextromethorphan 15 mg/5 ml syrup"), "5 ml in the evening when needed", 1)
IRON = _taken(
    _coded("ferrous sulfate 325 MG Oral Tablet", "310325"),
    _tablet("QD", duration=30, instruction="Before breakfast"), 30, 2,
)  # fmt: skip
METFORMIN = _taken(
    _coded("metformin hydrochloride 500 MG Oral Tablet", "861007"),
    _tablet("BID", duration=30, instruction="With food"), 60, 3,
)  # fmt: skip
AMLODIPINE = _taken(_coded("amlodipine 5 MG Oral Tablet", "197361"), _tablet("AM", duration=30), 30, 5)
ANTIHISTAMINE = _taken(_coded("cetirizine hydrochloride 10 MG Oral Tablet", "1014678"), _tablet("EVE", duration=14), 14)
OINTMENT = _taken(
    _coded("hydrocortisone 10 MG/ML Topical Cream", "106258"),
    Dosage(dose=Decimal(1), unit="application", route="topical", timing="BID", duration=7), 1, 1,
)  # fmt: skip
SLEEPING_AID = Medicine(Medication(text="Melatonin 2 mg tablet"), "1 tablet an hour before going to bed", 21)

LABORATORY, IMAGING, SPECIALISTS = "Central Laboratory", "Riverside Imaging", "Lotus Specialist Centre"
BLOOD_COUNT = Order("LAB", "Full blood count and ferritin", LABORATORY, "Ferritin low, all else within range.")
INFECTION = Order("LAB", "C-reactive protein, fever", LABORATORY, "Slightly raised.", "URGENT")
SUGAR = Order("LAB", "HbA1c and kidney values", LABORATORY, "HbA1c 6.8 %, kidney values within range.")
CHEST = Order("IMAGING", "Chest, two planes: cough for weeks", IMAGING, "Clear lungs.")
BONES = Order("IMAGING", "Ankle, two planes: fracture?", IMAGING, "No fracture.", "URGENT")
SPINE = Order("IMAGING", "Lower spine: pain for weeks", IMAGING, "Age-related changes, nothing pressing on a nerve.")
HEART = Order("LAB", "Troponin, palpitations since an hour", LABORATORY, "Not raised.", "STAT")
ALLERGIES = Order("SPECIALIST", "Allergy tests after a rash", SPECIALISTS, "Shellfish; advice given.")
SKIN = Order("SPECIALIST", "Tissue sample of a mole", SPECIALISTS, "Benign.", "URGENT")
SLEEP = Order("SPECIALIST", "Sleep recording for one night", SPECIALISTS, "No pauses in breathing.")

CASES = (
    Case("GP", "Cough for two weeks", "Bronchitis without fever; better after ten days.", COUGH_SYRUP, CHEST),
    Case("GP", "Back pain after lifting", "Muscular; exercises shown, no warning signs.", PAINKILLER, SPINE),
    Case("GP", "Tired for a month", "Iron deficiency; iron, to be checked in three months.", IRON, BLOOD_COUNT),
    Case("GP", "Sore throat", "Viral; rest and fluids, well after a week.", PAINKILLER, INFECTION),
    Case("GP", "Headaches in the afternoon", "Tension headaches; fewer with new glasses.", PAINKILLER, BLOOD_COUNT),
    Case("URGENT_CARE", "Cut on the hand", "Four stitches, removed after a week.", PAINKILLER, INFECTION),
    Case("URGENT_CARE", "Twisted ankle", "Sprain without fracture; bandage and rest.", PAINKILLER, BONES),
    Case("URGENT_CARE", "Fever since yesterday", "Viral; fever gone after two days.", PAINKILLER, INFECTION),
    Case("URGENT_CARE", "Rash after a meal", "Mild reaction; what set it off is noted.", ANTIHISTAMINE, ALLERGIES),
    Case("SPECIALIST", "Palpitations at night", "Harmless extra beats; pressure treated.", AMLODIPINE, HEART),
    Case("SPECIALIST", "Mole that changed", "Benign; photograph kept for comparison.", OINTMENT, SKIN),
    Case("SPECIALIST", "Eczema on both arms", "Controlled; plan for flares given.", OINTMENT, ALLERGIES),
    Case("CHRONIC_CARE", "Diabetes, yearly review", "HbA1c within the goal; eyes and feet checked.", METFORMIN, SUGAR),
    Case("CHRONIC_CARE", "High blood pressure, follow-up", "Readings within the goal.", AMLODIPINE, SUGAR),
    Case("PREVENTIVE", "Check-up", "Iron low, all else well; vaccinations up to date.", IRON, BLOOD_COUNT),
    Case("MENTAL_HEALTH", "Poor sleep since changing jobs", "Sleeps through most nights.", SLEEPING_AID, SLEEP),
)
CARE_TYPES = tuple(dict.fromkeys(case.care_type for case in CASES))

# kind, words, SNOMED CT code
FACTS = (
    ("ALLERGY", "Allergy to penicillin", "91936005"),
    ("ALLERGY", "Allergy to peanut", "91935009"),
    ("ALLERGY", "Allergy to latex", "1003755004"),
    ("CONDITION", "Asthma", "195967001"),
    ("CONDITION", "Diabetes mellitus type 2", "44054006"),
    ("CONDITION", "Hypertensive disorder", "38341003"),
    ("CONDITION", "Migraine", "37796009"),
)


def cases_of(care_type: str) -> list[Case]:
    """What patients of a care type come with."""
    return [case for case in CASES if case.care_type == care_type]


def case_of(care_type: str, reason: str | None) -> Case:
    """The case with this reason; raises StopIteration for one that no story begins with."""
    return next(case for case in cases_of(care_type) if case.reason == reason)
