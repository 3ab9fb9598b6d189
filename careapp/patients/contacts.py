"""Ways to reach a person: what phone numbers and e-mail addresses look like, and how they are compared; pure rules."""

import re
import unicodedata
from collections.abc import Iterable

from careapp.patients.states import EMAIL, IDENTIFIER, PHONE
from careapp.patients.views import ContactPoint, Identifier

FEWEST_DIGITS, MOST_DIGITS = 5, 15  # no number is longer (ITU-T E.164); shorter ones are extensions
COMPARED_DIGITS = 8  # from the end: without country and trunk codes, +95 9 555 0101 and 09 555 0101 are one number
LONGEST_KEY = 200  # characters of an address or identifier that are compared
LONGEST_EMAIL = 254  # RFC 5321

_PHONE = re.compile(r"\+?[0-9 ()./-]+")
_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;.]+(\.[^@\s,;.]+)+")
_NOT_DIALLED = re.compile(r"[^0-9+]")
_BETWEEN = re.compile(r"[\s./-]")

Key = tuple[str, str]  # one of KEY_KINDS, and the value as it is compared


def latin_digits(text: str) -> str:
    """The text with the digits of any script, such as Burmese ones, as 0 to 9."""
    return "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text)


def is_phone(text: str) -> bool:
    """Whether this can be a phone number: digits with blanks and the usual signs between, perhaps a + first."""
    digits = _digits(text)
    return bool(_PHONE.fullmatch(latin_digits(text))) and FEWEST_DIGITS <= len(digits) <= MOST_DIGITS


def dialled(text: str) -> str:
    """A phone number as a machine takes it: its digits, and a + where there is one."""
    return _NOT_DIALLED.sub("", latin_digits(text))


def is_email(text: str) -> bool:
    """Whether this can be an e-mail address; only a message that arrives shows that it is one."""
    return len(text) <= LONGEST_EMAIL and bool(_EMAIL.fullmatch(text))


def phone_key(text: str) -> str:
    """A phone number as it is compared; empty for a text without digits."""
    return _digits(text).lstrip("0")[-COMPARED_DIGITS:]


def keys_of(telecom: Iterable[ContactPoint], identifiers: Iterable[Identifier]) -> frozenset[Key]:
    """What a person is recognised by besides name and birth date."""
    found = {(PHONE, phone_key(point.value)) for point in telecom if point.system in ("phone", "sms")}
    found |= {(EMAIL, point.value[:LONGEST_KEY].lower()) for point in telecom if point.system == "email"}
    found |= {(IDENTIFIER, _BETWEEN.sub("", one.value[:LONGEST_KEY]).upper()) for one in identifiers}
    return frozenset(key for key in found if key[1])


def _digits(text: str) -> str:
    return "".join(sign for sign in latin_digits(text) if sign.isdigit())
