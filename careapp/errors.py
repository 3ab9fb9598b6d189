"""Refusals: every way a command or query says no, each with the status and code the surfaces answer with."""

from collections.abc import Mapping
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Sentence(str):
    """A text for people, in English, which remembers what it was made of, so that a page tells it in another language:
    Sentence("Use at most %(most)s characters.", most=200).
    """

    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, **values: Any) -> Self:
        """The template as it stands where nothing is to be put into it."""
        told = super().__new__(cls, template % values if values else template)
        told.template, told.values = template, values
        return told


class Refusal(Exception):
    """A clear no to a request. It rolls the transaction back; one handler per surface turns it into an answer.

    `code` is for programs, `detail` for people: it says what to do next and never holds a name or a clinical value.
    """

    status: int = 400
    code: str = "BAD_REQUEST"
    counted = False  # by the metrics

    def __init__(self, detail: str, *, code: str | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.extra = extra


class Unauthenticated(Refusal):
    """Nobody we know: no session, no token, or one that is no longer good."""

    status, code = 401, "UNAUTHENTICATED"

    def __init__(self, detail: str = "Sign in, or send a valid token.") -> None:
        super().__init__(detail)


class NotFound(Refusal):
    """No such thing for this actor; a thing of another tenant or out of scope answers just the same."""

    status, code = 404, "NOT_FOUND"

    def __init__(self, detail: str = "There is nothing here under that address.") -> None:
        super().__init__(detail)


def found(value: T | None) -> T:
    """The value, or NotFound where a read gave none."""
    if value is None:
        raise NotFound()
    return value


class Forbidden(Refusal):
    """The actor may see this, but may not do it."""

    status, code = 403, "FORBIDDEN"

    def __init__(self, detail: str = "Your role does not allow this.", *, code: str | None = None) -> None:
        super().__init__(detail, code=code)


class TenantSuspended(Forbidden):
    """Somebody we know, of an organisation that nobody is let in of at present."""

    code = "TENANT_SUSPENDED"

    def __init__(self) -> None:
        super().__init__("Access for your organisation is suspended. Ask whoever runs this service for it.")


class InsufficientScope(Forbidden):
    """The token is good, but narrowed to other acts; `scope` is what this one needs (RFC 6750 §3.1)."""

    code = "INSUFFICIENT_SCOPE"

    def __init__(self, scope: str) -> None:
        super().__init__(f"The token's scopes do not reach this; it needs {scope}.")
        self.scope = scope


class Restricted(Forbidden):
    """The record of this patient (`party`, his locator) is open to his care team alone, or in an emergency."""

    def __init__(self, party: str) -> None:
        super().__init__(
            "This record is restricted: it is open to the patient's care team, or in an emergency.", code="RESTRICTED"
        )
        self.party = party
        self.extra = {"partyLocator": party}


class Conflict(Refusal):
    """The present state of things refuses it: an illegal move, a taken slot, a stale version."""

    status, code = 409, "CONFLICT"


class Invalid(Refusal):
    """What was sent breaks a rule of a field. `errors` maps a field's name (as sent) to one Sentence each."""

    status, code = 422, "VALIDATION_FAILED"

    def __init__(self, errors: Mapping[str, str], *, code: str | None = None, detail: str | None = None) -> None:
        super().__init__(detail or "Some fields need another look.", code=code)
        self.errors = dict(errors)


class VersionRequired(Refusal):
    """A change came without the version it was based on (RFC 6585, 428)."""

    status, code = 428, "VERSION_REQUIRED"

    def __init__(self) -> None:
        super().__init__('Send the version you saw: its ETag as If-Match, or "version" in the body.')


class Busy(Refusal):
    """Somebody else holds what this needs right now; trying again in a moment is right."""

    status, code = 409, "BUSY"

    def __init__(self, detail: str = "Somebody else is changing this right now. Try again in a moment.") -> None:
        super().__init__(detail)


class TooMany(Refusal):
    """Too many tries; `retry_after` says in how many seconds the next one is welcome."""

    status, code = 429, "RATE_LIMITED"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many tries. Wait {retry_after} seconds, then try again.")
        self.retry_after = retry_after


class Upstream(Refusal):
    """A system we depend on does not answer; nothing was changed."""

    status, code = 503, "UPSTREAM_UNAVAILABLE"


class OutcomeUnknown(Upstream):
    """The database went away while it was told to commit: what was asked for may have been done, or not."""

    code = "OUTCOME_UNKNOWN"

    def __init__(self) -> None:
        super().__init__(
            "The records went away at the very end of this, so it may have been done or not. Look before you do it"
            " again, or send the same Idempotency-Key."
        )
