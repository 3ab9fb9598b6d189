"""Locators: the names people and systems use for things, such as EPI-2026-000042."""

from sqlalchemy import Computed


def column_rule(prefix: str) -> Computed:
    """The generated column of a locator: prefix, UTC year of creation, row id with six or more digits (design §4).

    `extract(year …)` is immutable and may stand in a generated column; `to_char` may not.
    """
    return Computed(
        f"'{prefix}-' || extract(year from created_at at time zone 'UTC')::int::text"
        " || '-' || lpad(id::text, greatest(6, length(id::text)), '0')",
        persisted=True,
    )
