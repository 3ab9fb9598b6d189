"""The network lifecycle of a provider (design §5), of whom only an ACTIVE one can be booked; specialties."""

from careapp.access import Permission
from careapp.lifecycle import Lifecycle, Transition
from careapp.providers.events import ProviderUpdated

PENDING, ACTIVE, INACTIVE = "PENDING", "ACTIVE", "INACTIVE"
_P = Permission.PROVIDER_MANAGE

NETWORK = Lifecycle(
    entity="provider",
    prefix="PRV",
    states=(PENDING, ACTIVE, INACTIVE),
    transitions=(
        Transition("activate", "Activate", (PENDING, INACTIVE), ACTIVE, _P, ProviderUpdated),
        Transition("deactivate", "Deactivate", (ACTIVE,), INACTIVE, _P, ProviderUpdated, dangerous=True),
    ),
    tones={PENDING: "warning", ACTIVE: "success", INACTIVE: "secondary"},
)

# What a page offers, called as the practice setting codes of FHIR are (value set c80-practice-codes); programs and an
# import may name others.
SPECIALTIES = (
    "ANESTHESIOLOGY", "CARDIOLOGY", "DENTISTRY", "DERMATOLOGY", "DIABETES_EDUCATION", "EMERGENCY_MEDICINE",
    "ENDOCRINOLOGY", "FAMILY_MEDICINE", "GASTROENTEROLOGY", "GENERAL_PRACTICE", "GENERAL_SURGERY", "INTERNAL_MEDICINE",
    "NEPHROLOGY", "NEUROLOGY", "NURSING", "NUTRITION", "OBSTETRICS_AND_GYNECOLOGY", "ONCOLOGY", "OPHTHALMOLOGY",
    "ORTHOPEDICS", "OTOLARYNGOLOGY", "PEDIATRICS", "PHYSIOTHERAPY", "PSYCHIATRY", "PSYCHOLOGY", "PULMONOLOGY",
    "RADIOLOGY", "RHEUMATOLOGY", "UROLOGY",
)  # fmt: skip
