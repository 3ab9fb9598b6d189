"""Lists of codes for patients; a patient has no lifecycle."""

GENDERS = ("male", "female", "other", "unknown")  # FHIR R4 administrative-gender
FACT_KINDS = ("CONDITION", "ALLERGY")
