"""Words: what a code of ours is called on a page. A code without a word of its own is read out as it is written."""

WORDS = {
    "GP": "General practice",
    "URGENT_CARE": "Urgent care",
    "IN_CARE": "In care",
    "READY_TO_CLOSE": "Ready to close",
    "IN_PROGRESS": "In progress",
    "NO_SHOW": "No-show",
    "LAB": "Laboratory",
    "STAT": "At once",
    "PATIENT": "The patient",
    "CLINIC": "The clinic",
    "no-show": "No-show",
    "arrive": "Checked in",
    "attend": "Attended",
    "accept": "Accepted",
    "book": "Booked",
    "cancel": "Cancelled",
    "close": "Closed",
    "complete": "Completed",
    "confirm": "Confirmed",
    "fill": "Filled",
    "issue": "Issued",
    "open": "Opened",
    "refer": "Referred",
    "reschedule": "Moved to another time",
    "start": "Started",
    "undo": "Taken back",
    "void": "Voided",
}


def words(code: str | None) -> str:
    """The words for a code such as FOLLOW_UP or for the name of a move that was made; empty for None."""
    if code is None:
        return ""
    return WORDS.get(code) or code.replace("_", " ").capitalize()


def now(locator: str, status: str) -> str:
    """The sentence a notice tells after a move: what the status of a thing is now."""
    return f"Status of {locator}: {words(status)}."
