"""Passwords: how they are kept (argon2id), checked at equal cost for everybody, and which new ones are refused."""

import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from careapp.errors import Invalid, Sentence, TooMany
from careapp.identity.common_passwords import KEY_ROWS
from careapp.identity.known_passwords import is_known

SHORTEST, LONGEST = 15, 256  # characters; ASVS 5.0 6.2 asks for 15 where there is no second factor
FEWEST_DIFFERENT = 6  # different characters
MOST_STEPS = 0.7  # share of neighbours that lie side by side on a keyboard or in the alphabet
HASHES_AT_ONCE = 2  # each takes 19 MiB and 23 ms of a core
READABLE = "abcdefghjkmnpqrstuvwxyz23456789"  # without 0, 1, i, l and o
GROUPS, GROUP = 7, 4  # 138 bits; ASVS 5.0 11.5.1 asks for 128
LONGEST_WAIT = 5  # seconds for a turn at hashing

# OWASP's second choice for argon2id. The library's default takes 64 MiB and seven times as long.
_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_turns = threading.BoundedSemaphore(HASHES_AT_ONCE)
_STEPS = frozenset(pair for row in KEY_ROWS for line in (row, row[::-1]) for pair in pairwise(line))


def hashed(password: str) -> str:
    """The text to keep for a password. Takes 23 ms; not to be called while rows are locked."""
    with _turn():
        return _hasher.hash(_normal(password))


def verify(kept: str | None, password: str) -> bool:
    """Whether `password` is the one behind `kept`; None, for a user nobody knows, costs the same and is never right."""
    with _turn():
        try:
            # One longer than the longest can be nobody's; it is cut so that it costs the same as any other.
            right = _hasher.verify(kept or _nobody(), _normal(password)[: LONGEST + 1])
        except (VerifyMismatchError, InvalidHashError):
            return False
    return right and kept is not None


def needs_rehash(kept: str) -> bool:
    """Whether `kept` was made with other costs than today's, and should be made anew at the next sign-in."""
    return _hasher.check_needs_rehash(kept)


def is_known_to_others(password: str) -> bool:
    """Whether a password that somebody has stands in a list of passwords that strangers try."""
    return is_known(_normal(password))


def made() -> str:
    """A new password of 28 letters and digits in groups, none of which is taken for another when read out."""
    groups = ("".join(secrets.choice(READABLE) for _ in range(GROUP)) for _ in range(GROUPS))
    return "-".join(groups)


def check_new(password: str, *, email: str) -> None:
    """Refuse a new password that others would guess. Raises Invalid naming `password`.

    Length is the rule; there is none about kinds of characters (ASVS 5.0 6.2.5).
    """
    problem = _problem(_normal(password), email)
    if problem:
        raise Invalid({"password": problem})


def _problem(password: str, email: str) -> Sentence | None:
    if len(password) < SHORTEST:
        return Sentence("Use at least %(least)s characters; several words are fine.", least=SHORTEST)
    if len(password) > LONGEST:
        return Sentence("Use at most %(most)s characters.", most=LONGEST)
    if len(set(password.casefold())) < FEWEST_DIFFERENT or _repeats(password.casefold()):
        return Sentence("This repeats itself. Use several different words.")
    if _steps(password.casefold()) > MOST_STEPS:
        return Sentence("This follows the keyboard or the alphabet. Use several different words.")
    if password.casefold() == email.casefold():
        return Sentence("This is the address itself. Use several different words.")
    if is_known(password):
        return Sentence("Many people use this password. Use several different words.")
    return None


def _repeats(text: str) -> bool:
    """Whether the text is one part again and again, the last time perhaps cut short."""
    return any(text[length:] == text[:-length] for length in range(1, len(text) // 2 + 1))


def _steps(text: str) -> float:
    """The share of neighbouring characters that also stand side by side in a row of keys, or are the same."""
    pairs = list(pairwise(text))
    return sum(pair in _STEPS or pair[0] == pair[1] for pair in pairs) / len(pairs)


def _normal(password: str) -> str:
    """One form for what looks the same, whichever keyboard typed it (NIST SP 800-63B 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


@cache
def _nobody() -> str:
    """A hash nobody's password has, checked in place of an unknown user's."""
    return _hasher.hash("nobody has this password")


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for a turn at hashing, so that a flood of sign-ins cannot take all memory. Raises TooMany when it floods."""
    if not _turns.acquire(timeout=LONGEST_WAIT):
        raise TooMany(LONGEST_WAIT)
    try:
        yield
    finally:
        _turns.release()
