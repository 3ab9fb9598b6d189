"""What a dosage is put together from: units, routes and timings, each with its code and its English words.

Units are UCUM codes (counted things as UCUM annotations), routes SNOMED CT, timings HL7's GTSAbbreviation where it has
one; all as FHIR R4's Dosage and Timing take them.
"""

from dataclasses import dataclass
from decimal import Decimal

UCUM = "http://unitsofmeasure.org"
SNOMED = "http://snomed.info/sct"
ABBREVIATION = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"


@dataclass(frozen=True)
class Unit:
    """What a dose is counted or measured in. `countable` units are what a pharmacy hands out by number or volume."""

    ucum: str
    one: str
    many: str
    countable: bool = True

    @property
    def is_piece(self) -> bool:
        """Whether it is counted one by one, such as tablets and puffs, not poured or weighed."""
        return self.countable and self.ucum.startswith("{")


@dataclass(frozen=True)
class Route:
    """How it gets into the body: what to do, and where ("Take … by mouth")."""

    snomed: str
    label: str
    verb: str
    where: str


@dataclass(frozen=True)
class Timing:
    """How often: `frequency` times each `period` of `unit` (FHIR Timing.repeat; h, d, wk, mo), `when` an event code.

    Without a frequency it is taken once.
    """

    label: str
    frequency: int | None = None
    period: Decimal = Decimal(1)
    unit: str = "d"
    when: str | None = None
    code: str | None = None

    @property
    def a_day(self) -> Decimal | None:
        """How many times a day, on average; None for what is taken once."""
        if self.frequency is None:
            return None
        return Decimal(self.frequency) / (self.period * DAYS[self.unit])


DAYS = {"h": Decimal(1) / 24, "d": Decimal(1), "wk": Decimal(7), "mo": Decimal(30)}

UNITS = {
    "tablet": Unit("{tablet}", "tablet", "tablets"),
    "capsule": Unit("{capsule}", "capsule", "capsules"),
    "mL": Unit("mL", "mL", "mL"),
    "puff": Unit("{puff}", "puff", "puffs"),
    "drop": Unit("[drp]", "drop", "drops", countable=False),
    "spray": Unit("{spray}", "spray", "sprays"),
    "patch": Unit("{patch}", "patch", "patches"),
    "sachet": Unit("{sachet}", "sachet", "sachets"),
    "suppository": Unit("{suppository}", "suppository", "suppositories"),
    "application": Unit("{application}", "application", "applications", countable=False),
    "mg": Unit("mg", "mg", "mg", countable=False),
    "ug": Unit("ug", "micrograms", "micrograms", countable=False),
    "g": Unit("g", "g", "g", countable=False),
    "unit": Unit("[iU]", "unit", "units", countable=False),
}

ROUTES = {
    "oral": Route("26643006", "By mouth", "Take", "by mouth"),
    "sublingual": Route("37839007", "Under the tongue", "Place", "under the tongue"),
    "topical": Route("6064005", "On the skin", "Apply", "to the skin"),
    "transdermal": Route("45890007", "Through the skin (patch)", "Apply", "to the skin as a patch"),
    "inhaled": Route("447694001", "Inhaled", "Inhale", ""),
    "eye": Route("54485002", "In the eye", "Put", "in the eye"),
    "ear": Route("10547007", "In the ear", "Put", "in the ear"),
    "nasal": Route("46713006", "In the nose", "Use", "in the nose"),
    "rectal": Route("37161004", "In the rectum", "Insert", "into the rectum"),
    "vaginal": Route("16857009", "In the vagina", "Insert", "into the vagina"),
    "subcutaneous": Route("34206005", "Under the skin", "Inject", "under the skin"),
    "intramuscular": Route("78421000", "Into a muscle", "Inject", "into a muscle"),
    "intravenous": Route("47625008", "Into a vein", "Inject", "into a vein"),
}

TIMINGS = {
    "QD": Timing("once a day", 1, code="QD"),
    "BID": Timing("twice a day", 2, code="BID"),
    "TID": Timing("three times a day", 3, code="TID"),
    "QID": Timing("four times a day", 4, code="QID"),
    "FIVE": Timing("five times a day", 5),
    "AM": Timing("in the morning", 1, when="MORN", code="AM"),
    "EVE": Timing("in the evening", 1, when="EVE"),
    "BED": Timing("at bedtime", 1, when="HS", code="BED"),
    "Q2H": Timing("every 2 hours", 1, Decimal(2), "h", code="Q2H"),
    "Q3H": Timing("every 3 hours", 1, Decimal(3), "h", code="Q3H"),
    "Q4H": Timing("every 4 hours", 1, Decimal(4), "h", code="Q4H"),
    "Q6H": Timing("every 6 hours", 1, Decimal(6), "h", code="Q6H"),
    "Q8H": Timing("every 8 hours", 1, Decimal(8), "h", code="Q8H"),
    "Q12H": Timing("every 12 hours", 1, Decimal(12), "h"),
    "QOD": Timing("every other day", 1, Decimal(2), "d", code="QOD"),
    "WK": Timing("once a week", 1, Decimal(1), "wk", code="WK"),
    "MO": Timing("once a month", 1, Decimal(1), "mo", code="MO"),
    "ONCE": Timing("once"),
}

DURATION_UNITS = {"d": ("day", "days"), "wk": ("week", "weeks"), "mo": ("month", "months")}
