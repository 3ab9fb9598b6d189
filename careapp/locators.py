"""Locators: the names people and systems use for things, such as EPI-2026-000042."""

import re

from sqlalchemy import Computed

PATTERN = re.compile(r"^[A-Z]{3}-\d{4}-\d{6,}$")
MAX_LENGTH = 32


def column_rule(prefix: str) -> Computed:
    """The generated column of a locator: prefix, UTC year of creation, row id with six or more digits (design §4).

    `extract(year …)` is immutable and may stand in a generated column; `to_char` may not.
    """
    return Computed(
        f"'{prefix}-' || extract(year from created_at at time zone 'UTC')::int::text"
        " || '-' || lpad(id::text, greatest(6, length(id::text)), '0')",
        persisted=True,
    )


def looks_right(locator: str, prefix: str) -> bool:
    """Whether a text has the form of a locator with this prefix; a wrong form is simply not found."""
    return len(locator) <= MAX_LENGTH and locator.startswith(f"{prefix}-") and bool(PATTERN.match(locator))
