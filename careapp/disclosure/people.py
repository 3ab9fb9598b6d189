"""Staff and providers as they are named beside a record: who is in a care team, who gave consent, who did something."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    ScalarSelect,
    Text,
    case,
    cast,
    column,
    false,
    func,
    null,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import ARRAY

_USER = "user:"  # begins the name of every actor who is a user

# They belong to siblings above: known here only by these columns.
_STAFF = table(
    "users", column("tenant_id", Integer), column("id", BigInteger), column("name", Text),
    column("provider_id", BigInteger), column("roles", ARRAY(Text)), column("disabled_at"),
)  # fmt: skip
USERS = _STAFF.c
PROVIDERS = table(
    "providers", column("tenant_id", Integer), column("id", BigInteger), column("name", Text), column("status", Text)
).c


def name_of_actor(tenant: ColumnElement[int], named: Any) -> ScalarSelect[str]:
    """The name of the member of staff that a column with an actor's name means: `user:7` is the user with the id 7."""
    return _of_actor(tenant, named, "name")


def _of_actor(tenant: ColumnElement[int], named: Any, what: str) -> ScalarSelect[Any]:
    """A column of the member of staff behind an actor's name.

    The number is a query of its own, so that it is cut out once a row; PostgreSQL may else do so once for each pair of
    a row and a member of staff. A pattern would say the same, and take longer than all else that is done with the row.
    """
    after = func.substr(named, len(_USER) + 1)
    digits = (
        func.starts_with(named, _USER) & (func.btrim(after, "0123456789") == "") & func.length(after).between(1, 18)
    )
    number = select(case((digits, cast(after, BigInteger)))).correlate(named.table)
    one = _STAFF.alias("somebody").c
    return select(one[what]).where(one.tenant_id == tenant, one.id == number.scalar_subquery()).scalar_subquery()


def who_did(history: Any) -> ColumnElement[str]:
    """Who is behind these rows, which have `tenant_id` and `actor`: by name where it was somebody of the staff."""
    return func.coalesce(name_of_actor(history.tenant_id, history.actor), history.actor)


def who_did_for(provider_id: ColumnElement[int], history: Any) -> ColumnElement[str | None]:
    """Who is behind these rows where they were made here in the name of a provider: None where that was he himself, and
    where a row was stored as it was elsewhere (`import` and `demo` are nobody: who acts here has a colon in his name).
    """
    himself = _of_actor(history.tenant_id, history.actor, "provider_id") == provider_id
    return case(
        (func.coalesce(himself, false()) | (func.strpos(history.actor, ":") == 0), null()), else_=who_did(history)
    )
