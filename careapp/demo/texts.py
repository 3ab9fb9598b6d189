"""What patients come with, what they are given and where they are sent: invented, and medically unremarkable."""

from dataclasses import dataclass

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


PAINKILLER = Medicine(
    Medication(text="Paracetamol 500 mg tablet"), "1 or 2 tablets when needed, at most 8 a day", 20, 1
)
COUGH_SYRUP = Medicine(Medication(text="Dextromethorphan 15 mg/5 ml syrup"), "5 ml in the evening when needed", 1)
IRON = Medicine(_coded("Ferrous sulfate 325 mg tablet", "310325"), "1 tablet a day before breakfast", 30, 2)
METFORMIN = Medicine(_coded("Metformin 500 mg tablet", "861007"), "1 tablet twice a day with meals", 60, 3)
AMLODIPINE = Medicine(_coded("Amlodipine 5 mg tablet", "197361"), "1 tablet in the morning", 30, 5)
ANTIHISTAMINE = Medicine(Medication(text="Cetirizine 10 mg tablet"), "1 tablet in the evening", 14)
OINTMENT = Medicine(Medication(text="Hydrocortisone 1 % cream"), "thinly on the skin twice a day for a week", 1, 1)
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
