"""Lists of codes for patients; a patient has no lifecycle."""

GENDERS = ("male", "female", "other", "unknown")  # FHIR R4 administrative-gender
CONTACT_SYSTEMS = ("phone", "fax", "email", "pager", "url", "sms", "other")  # FHIR R4 contact-point-system
CONTACT_USES = ("home", "work", "temp", "old", "mobile")  # FHIR R4 contact-point-use
CONDITION, ALLERGY = "CONDITION", "ALLERGY"
FACT_KINDS = (CONDITION, ALLERGY)
# An ALLERGY with one of these SNOMED CT codes says that somebody was asked and knows of none (of any kind, to
# medicines, to food), which an empty list of allergies does not say.
SNOMED = "http://snomed.info/sct"
NO_KNOWN_ALLERGY = "716186003"
NO_KNOWN_FOOD_ALLERGY = "429625007"
NONE_KNOWN = frozenset({NO_KNOWN_ALLERGY, "409137002", NO_KNOWN_FOOD_ALLERGY})
PHONE, EMAIL, IDENTIFIER = "PHONE", "EMAIL", "IDENTIFIER"
KEY_KINDS = (PHONE, EMAIL, IDENTIFIER)  # what a person is recognised by besides name and birth date
