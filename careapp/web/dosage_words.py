"""The words for units, routes and timings of a dosage, in the reader's language."""

from flask_babel import lazy_gettext as _l

UNIT_WORDS = {
    "tablet": _l("tablet"), "capsule": _l("capsule"), "mL": _l("mL"), "puff": _l("puff"), "drop": _l("drop"),
    "spray": _l("spray"), "patch": _l("patch"), "sachet": _l("sachet"), "suppository": _l("suppository"),
    "application": _l("application"), "mg": _l("mg"), "ug": _l("micrograms"), "g": _l("g"), "unit": _l("unit"),
}  # fmt: skip

ROUTE_WORDS = {
    "oral": _l("By mouth"), "sublingual": _l("Under the tongue"), "topical": _l("On the skin"),
    "transdermal": _l("Through the skin (patch)"), "inhaled": _l("Inhaled"), "eye": _l("In the eye"),
    "ear": _l("In the ear"), "nasal": _l("In the nose"), "rectal": _l("In the rectum"), "vaginal": _l("In the vagina"),
    "subcutaneous": _l("Under the skin"), "intramuscular": _l("Into a muscle"), "intravenous": _l("Into a vein"),
}  # fmt: skip

TIMING_WORDS = {
    "QD": _l("once a day"), "BID": _l("twice a day"), "TID": _l("three times a day"), "QID": _l("four times a day"),
    "FIVE": _l("five times a day"), "AM": _l("in the morning"), "EVE": _l("in the evening"), "BED": _l("at bedtime"),
    "Q2H": _l("every 2 hours"), "Q3H": _l("every 3 hours"), "Q4H": _l("every 4 hours"), "Q6H": _l("every 6 hours"),
    "Q8H": _l("every 8 hours"), "Q12H": _l("every 12 hours"), "QOD": _l("every other day"), "WK": _l("once a week"),
    "MO": _l("once a month"), "ONCE": _l("once"),
}  # fmt: skip

DURATION_WORDS = {"d": _l("days"), "wk": _l("weeks"), "mo": _l("months")}
