"""The National Provider Identifier: ten digits of which the last checks the others."""

import re

_TEN_DIGITS = re.compile(r"\d{10}", re.ASCII)


def is_valid_npi(text: str) -> bool:
    """Whether a text is an NPI: ten digits that pass the Luhn check behind the prefix 80840 (45 CFR 162.406)."""
    if not _TEN_DIGITS.fullmatch(text):
        return False
    digits = [int(digit) for digit in "80840" + text]
    doubled = [digit * 2 for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(digit // 10 + digit % 10 for digit in doubled)) % 10 == 0
