"""Words: what a code of ours is called on a page, in the reader's language."""

from flask_babel import gettext, lazy_gettext

from careapp.web.language import once_a_language

_l = lazy_gettext

# Every code a page may print stands here, so that the catalogues have all of them; a test compares with the lifecycles.
WORDS = {
    "409137002": _l("No known drug allergy"),
    "429625007": _l("No known food allergy"),
    "716186003": _l("No known allergies"),
    "ACTIVE": _l("Active"),
    "ALLERGY": _l("Allergy"),
    "ANESTHESIOLOGY": _l("Anesthesiology"),
    "ARRIVED": _l("Arrived"),
    "administrators": _l("Administrators"),
    "ATTENDED": _l("Attended"),
    "AVAILABLE": _l("Available"),
    "BLOCKED": _l("Blocked"),
    "BOOKED": _l("Booked"),
    "DENTISTRY": _l("Dentistry"),
    "ENDOCRINOLOGY": _l("Endocrinology"),
    "GASTROENTEROLOGY": _l("Gastroenterology"),
    "GENERAL_SURGERY": _l("General surgery"),
    "INTERNAL_MEDICINE": _l("Internal medicine"),
    "NEPHROLOGY": _l("Nephrology"),
    "NEUROLOGY": _l("Neurology"),
    "NURSING": _l("Nursing"),
    "NUTRITION": _l("Nutrition"),
    "OBSTETRICS_AND_GYNECOLOGY": _l("Obstetrics and gynecology"),
    "ONCOLOGY": _l("Oncology"),
    "OPHTHALMOLOGY": _l("Ophthalmology"),
    "ORTHOPEDICS": _l("Orthopedics"),
    "OTOLARYNGOLOGY": _l("Ear, nose and throat"),
    "PEDIATRICS": _l("Pediatrics"),
    "PHYSIOTHERAPY": _l("Physiotherapy"),
    "PSYCHIATRY": _l("Psychiatry"),
    "PULMONOLOGY": _l("Pulmonology"),
    "RADIOLOGY": _l("Radiology"),
    "RETENTION_OVER": _l("The time for keeping records is over"),
    "PATIENT_REQUEST": _l("The patient's own wish"),
    "ENTERED_IN_ERROR": _l("Entered by mistake"),
    "CANCELLED": _l("Cancelled"),
    "CHRONIC_CARE": _l("Chronic care"),
    "CARDIOLOGY": _l("Cardiology"),
    "CLINIC": _l("The clinic"),
    "CLOSED": _l("Closed"),
    "COMPLETED": _l("Completed"),
    "CONDITION": _l("Condition"),
    "CONFIRMED": _l("Confirmed"),
    "DERMATOLOGY": _l("Dermatology"),
    "DIABETES_EDUCATION": _l("Diabetes education"),
    "DENY": _l("Denies it"),
    "EMERGENCY": _l("Emergency"),
    "EMERGENCY_MEDICINE": _l("Emergency medicine"),
    "FAMILY_MEDICINE": _l("Family medicine"),
    "FILLED": _l("Filled"),
    "FOLLOW_UP": _l("Follow up"),
    "GENERAL_PRACTICE": _l("General practice"),
    "GP": _l("General practice"),
    "GROUP": _l("Group"),
    "IMAGING": _l("Imaging"),
    "INACTIVE": _l("Inactive"),
    "IN_CARE": _l("In care"),
    "IN_PROGRESS": _l("In progress"),
    "ISSUED": _l("Issued"),
    "LAB": _l("Laboratory"),
    "MENTAL_HEALTH": _l("Mental health"),
    "NEW": _l("New"),
    "NEW_PATIENT": _l("New patient"),
    "NOT_STATED": _l("Specialty not stated"),
    "NO_SHOW": _l("No-show"),
    "OPEN": _l("Open"),
    "OTHER": _l("Other"),
    "PARKED": _l("Parked"),
    "PATIENT": _l("The patient"),
    "NORMAL": _l("Open to everybody in care"),
    "PERMIT": _l("Permits it"),
    "PENDING": _l("Pending"),
    "POST_ACUTE": _l("Post acute"),
    "PREVENTIVE": _l("Preventive"),
    "PROCEDURE": _l("Procedure"),
    "PSYCHOLOGY": _l("Psychology"),
    "READY_TO_CLOSE": _l("Ready to close"),
    "REFERRED": _l("Referred"),
    "RESTRICTED": _l("Restricted"),
    "RETRYING": _l("Trying again"),
    "RHEUMATOLOGY": _l("Rheumatology"),
    "ROUTINE": _l("Routine"),
    "SCHEDULED": _l("Scheduled"),
    "SPECIALIST": _l("Specialist"),
    "STAT": _l("At once"),
    "TELEHEALTH": _l("Telehealth"),
    "URGENT": _l("Urgent"),
    "URGENT_CARE": _l("Urgent care"),
    "UROLOGY": _l("Urology"),
    "VOID": _l("Void"),
    "WAITING": _l("Waiting"),
    "accept": _l("Accepted"),
    "activate": _l("Activated"),
    "add": _l("Added"),
    "admin": _l("Administrator"),
    "appointment": _l("Appointment"),
    "arrive": _l("Checked in"),
    "attend": _l("Attended"),
    "auditor": _l("Auditor"),
    "block": _l("Blocked"),
    "book": _l("Booked"),
    "cancel": _l("Cancelled"),
    "clinician": _l("Clinician"),
    "close": _l("Closed"),
    "complete": _l("Completed"),
    "confirm": _l("Confirmed"),
    "deactivate": _l("Deactivated"),
    "done": _l("Done"),
    "email": _l("E-mail"),
    "episode": _l("Episode"),
    "female": _l("Female"),
    "fill": _l("Filled"),
    "front_desk": _l("Front desk"),
    "issue": _l("Issued"),
    "lift": _l("Opened to everybody in care"),
    "male": _l("Male"),
    "no-show": _l("No-show"),
    "open": _l("Opened"),
    "other": _l("Other"),
    "phone": _l("Phone"),
    "prescription": _l("Prescription"),
    "provider": _l("Provider"),
    "refer": _l("Referred"),
    "referral": _l("Referral"),
    "refused": _l("Refused"),
    "reschedule": _l("Moved to another time"),
    "restrict": _l("Restricted"),
    "seen": _l("Seen"),
    "slot": _l("Slot"),
    "sms": _l("Text message"),
    "start": _l("Started"),
    "unblock": _l("Unblocked"),
    "undo": _l("Taken back"),
    "unknown": _l("Unknown"),
    "void": _l("Voided"),
    "everybody": _l("Everybody"),
    "nobody": _l("Nobody"),
    "passkey": _l("Passkey"),
    "password": _l("Password"),
    "recovery": _l("Recovery code"),
    "totp": _l("Authenticator app"),
}

# What the lifecycle tables call their moves; the domain knows no language, so the catalogues learn of them here.
LABELS = (
    _l("Accept"), _l("Activate"), _l("Attended"), _l("Block"), _l("Book"), _l("Cancel episode"), _l("Cancel referral"),
    _l("Cancel visit"), _l("Check in"), _l("Close episode"), _l("Complete"), _l("Confirm"), _l("Deactivate"),
    _l("Mark filled"), _l("No-show"), _l("Start"), _l("Unblock"), _l("Undo"), _l("Void"),
)  # fmt: skip


@once_a_language
def words(code: str | None) -> str:
    """The words for a code such as FOLLOW_UP or for the name of a move that was made; empty for None.

    A code without words of its own, such as one an import has brought, is read out as it is written.
    """
    if code is None:
        return ""
    return str(WORDS[code]) if code in WORDS else code.replace("_", " ").capitalize()


@once_a_language
def label(text: str) -> str:
    """What a lifecycle table calls a move, in the reader's language."""
    return gettext(text)


def now(locator: str, status: str) -> str:
    """The sentence a notice tells after a move: what the status of a thing is now."""
    return gettext("Status of %(locator)s: %(status)s.", locator=locator, status=words(status))
