"""Passwords that others know already: the most frequent ones in any combination of two, and a list of breached ones.

Nothing is asked over the network. The short list comes with the application; the long one is a file the operator
fetches (BREACHED_PASSWORDS_FILE): Pwned Passwords, one SHA-1 in capitals a line, sorted, with or without ":count".
"""

import hashlib
import os
import re
from functools import cache
from pathlib import Path
from typing import BinaryIO

from careapp.identity.common_passwords import COMMON, OF_THIS_PLACE

FREQUENT = Path(__file__).with_name("frequent_passwords.txt")
LINE = re.compile(rb"([0-9A-F]{40})(?::[0-9]+)?\r?\n?")
DIGEST = 40  # hexadecimal digits of a SHA-1
DIGITS = "0123456789"

_file: Path | None = None


class BadList(ValueError):
    """The list of breached passwords is not one: says which line is wrong, and how."""


def use_file(path: Path | None) -> None:
    """Set the file of breached passwords this process asks, or none; create_app calls it.

    Raises SystemExit for one that cannot be read or does not begin as such a list does.
    """
    global _file
    if path is not None:
        try:
            with path.open("rb") as lines:
                _digest(lines.readline(), 1)
        except (OSError, BadList) as error:
            raise SystemExit(f"careapp does not start: BREACHED_PASSWORDS_FILE: {error}") from None
    _file = path


def is_known(password: str) -> bool:
    """Whether others know this password (ASVS 5.0 6.2.4 and 6.2.12), however it is written in capitals and signs."""
    bare = "".join(sign for sign in password.casefold() if sign.isalnum())
    return bare in COMMON or _is_frequent(bare) or (_file is not None and _stands_in(_file, password))


def check_list(path: Path) -> int:
    """Read a whole list of breached passwords and return how many it has. Raises BadList where a line is out of order
    or is none: the search relies on both.
    """
    before = b""
    number = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            digest = _digest(line, number)
            if digest <= before:
                raise BadList(f"Line {number} is not above the one before it. Sort the file by hash.")
            before = digest
    return number


def _is_frequent(bare: str) -> bool:
    """Whether a password is a frequent one or two of them side by side, perhaps with digits around: there are 25
    million such pairs, which whoever has stolen the hashes tries within days.
    """
    words = _frequent()
    for core in {bare, bare.strip(DIGITS)}:
        cuts = range(1, len(core))
        if core in words or any(core[:cut] in words and core[cut:].strip(DIGITS) in words for cut in cuts):
            return True
    return False


@cache
def _frequent() -> frozenset[str]:
    lines = FREQUENT.read_text(encoding="ascii").splitlines()
    return OF_THIS_PLACE.union(line for line in lines if not line.startswith("#"))


def _stands_in(path: Path, password: str) -> bool:
    """Search the file by bisection: some forty reads in a list of 40 GB, none of which is held in memory."""
    wanted = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
    with path.open("rb") as lines:
        low, high = 0, lines.seek(0, os.SEEK_END)
        while low < high:  # the first offset from which on the next whole line is not below what is wanted
            middle = (low + high) // 2
            line = _line_from(lines, middle)
            if line and line[:DIGEST] < wanted:
                low = middle + 1
            else:
                high = middle
        return _line_from(lines, low)[:DIGEST] == wanted


def _line_from(lines: BinaryIO, offset: int) -> bytes:
    """The first line that begins at an offset or after it; empty where there is none."""
    lines.seek(max(offset - 1, 0))
    if offset:
        lines.readline()
    return lines.readline()


def _digest(line: bytes, number: int) -> bytes:
    found = LINE.fullmatch(line)
    if found is None:
        raise BadList(f"Line {number} is not a SHA-1 of 40 capital hexadecimal digits, with or without a count.")
    return found[1]
