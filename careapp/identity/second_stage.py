"""The second stage of signing in: from a right password, or from nothing, to a session by a second factor.

Between the stages there is a half session: a random value, known here by its hash, that is good for showing a factor
and for nothing else, for five minutes, once. Failures are counted for the user: they slow the next try and never lock
for good. Like `sign_in`, it stands outside commands.
"""

import hashlib
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, delete, select

from careapp import clock, commands
from careapp.audit import writer as audit
from careapp.audit.writer import AuditRow
from careapp.db import db, insert, table_of
from careapp.errors import Sentence, Unauthenticated
from careapp.identity import attempts, challenges, factors, passkeys, recovery, sessions, totp
from careapp.identity.factor_rules import has_any
from careapp.identity.factors import Factor
from careapp.identity.models import USERS, HalfSession
from careapp.identity.passkeys import Site
from careapp.identity.sessions import Origin
from careapp.telemetry.metrics import SIGN_IN_FAILURES

GOOD_FOR = timedelta(minutes=5)
WRONG = Sentence("That was not accepted. Try again, or use another way.")
OVER = "This took too long. Sign in again."
LONGEST_TOTP = 8  # signs; a recovery code is much longer
LARGEST_TENANT, LARGEST_USER = 2**31 - 1, 2**63 - 1
HALVES = table_of(HalfSession)


class HalfSignedIn(NamedTuple):
    """What the browser keeps between the stages: the tenant's id, and the half session's random value."""

    tenant_id: int
    half: str


class SignedInBy(NamedTuple):
    """A session begun by a second factor: the tenant's id, and the value the browser will hold."""

    tenant_id: int
    sid: str


class Over(Unauthenticated):
    """The half session is used, too old, or its user has changed since: he begins again."""

    def __init__(self) -> None:
        super().__init__(OVER)


def begin(tenant_id: int, user_id: int, address: str | None) -> HalfSignedIn | None:
    """Write a half session in the present transaction, and that the password was right; None for who has no factor."""
    mine = (USERS.tenant_id == tenant_id, USERS.id == user_id, has_any(USERS.tenant_id, USERS.id))
    version = db.session.execute(select(USERS.version).where(*mine)).scalar_one_or_none()
    if version is None:
        return None
    half, now = secrets.token_urlsafe(32), clock.now()
    db.session.execute(delete(HALVES).where(HALVES.c.tenant_id == tenant_id, HALVES.c.created_at < now - GOOD_FOR))
    insert(
        HalfSession, HalfSession.id, tenant_id=tenant_id, user_id=user_id, user_version=version,
        token_hash=_hash(half), created_at=now,
    )  # fmt: skip
    _audit(tenant_id, f"user:{user_id}", user_id, "user.first_factor", "done", factor="password", address=address)
    return HalfSignedIn(tenant_id, half)


def ways(held: HalfSignedIn) -> factors.FactorsView:
    """What whoever holds this half session can go on with. Raises Over."""
    with commands.system_transaction(held.tenant_id):
        return factors.of_user(held.tenant_id, _owner(held).user_id)


def passkey_options(held: HalfSignedIn, site: Site) -> str:
    """What the browser needs to prove a passkey of this user, as JSON. Raises Over."""
    with commands.system_transaction(held.tenant_id):
        keys = passkeys.descriptors(held.tenant_id, _owner(held).user_id)
    return passkeys.proof_options(site, challenges.give(held.half, passkeys.SECOND), of=keys)


def finish_by_code(held: HalfSignedIn, code: str, *, address: str, device: str | None = None) -> SignedInBy:
    """Begin the session by a code of the app, or a recovery code. `device` is for his list of sessions.

    Raises Over, TooMany while the user has to wait, Unauthenticated with one text for every wrong code, and
    TenantSuspended.
    """
    kind, prove = proof_of(code)
    return _finish(held, kind, lambda user_id: prove(held.tenant_id, user_id, code), address, device)


def proof_of(code: str) -> tuple[Factor, Callable[[int, int, str], bool]]:
    """Which factor a typed code is of, and what takes it of a user: prove(tenant id, user id, code)."""
    return ("totp", totp.check) if len("".join(code.split())) <= LONGEST_TOTP else ("recovery", recovery.use)


def finish_by_passkey(
    held: HalfSignedIn, answer: str, *, site: Site, address: str, device: str | None = None
) -> SignedInBy:
    """Begin the session by a passkey. Raises as `finish_by_code` does."""
    challenge = challenges.take(held.half, passkeys.SECOND)

    def proved(user_id: int) -> bool:
        return passkeys.check(held.tenant_id, user_id, site=site, challenge=challenge, answer=answer)

    return _finish(held, "passkey", proved, address, device)


def sign_in_by_passkey(binding: str, answer: str, *, site: Site, address: str, device: str | None = None) -> SignedInBy:
    """Begin a session by a passkey alone, which has verified the person itself: two factors in one.

    `binding` is the value this browser was given its challenge for. Raises TooMany while the network address has to
    wait, Unauthenticated with one text for every no: nobody learns whether there is such a user; and TenantSuspended.
    """
    challenge = challenges.take(binding, passkeys.SIGN_IN)
    with commands.system_transaction(None):
        attempts.admit_address(address)
    tenant_id, user_id = passkeys.owner_named(answer) or (None, 0)
    if tenant_id is not None and tenant_id <= LARGEST_TENANT and user_id <= LARGEST_USER:
        origin = Origin(address, device)
        with sessions.suspension_audited(tenant_id, user_id, origin), commands.system_transaction(tenant_id):
            enabled = _enabled(tenant_id, user_id)
            right = passkeys.check(tenant_id, user_id, site=site, challenge=challenge, answer=answer)
            if enabled and right:  # the key is looked for in any case: nobody learns who there is from the time it took
                return SignedInBy(tenant_id, _start(tenant_id, user_id, ["passkey"], origin))
            known = enabled is not None
        _keep_failure(tenant_id if known else None, user_id, "passkey", address)
    else:
        _keep_failure(None, 0, "passkey", address)
    raise Unauthenticated(passkeys.REFUSED)


def _finish(
    held: HalfSignedIn, kind: Factor, prove: Callable[[int], bool], address: str, device: str | None
) -> SignedInBy:
    with commands.system_transaction(held.tenant_id):
        user_id = _owner(held).user_id
    with commands.system_transaction(None):
        attempts.admit_factor(held.tenant_id, user_id, address)
    origin = Origin(address, device)
    with sessions.suspension_audited(held.tenant_id, user_id, origin), commands.system_transaction(held.tenant_id):
        _owner(held)  # held before his factors are, in the order in which they are taken away
        if prove(user_id):
            _use_up(held)
            attempts.clear_factor(held.tenant_id, user_id)
            return SignedInBy(held.tenant_id, _start(held.tenant_id, user_id, ["password", kind], origin))
    _keep_failure(held.tenant_id, user_id, kind, address)
    raise Unauthenticated(WRONG)


def _start(tenant_id: int, user_id: int, used: list[str], origin: Origin) -> str:
    sid = sessions.start(tenant_id, user_id, factors=used, origin=origin)
    detail = {"factor": used[-1], "address": origin.address}
    _audit(tenant_id, f"user:{user_id}", user_id, "user.sign_in", "done", **detail)
    return sid


def _owner(held: HalfSignedIn) -> Row[*tuple[Any, ...]]:
    """Whose half session this is, where it is good and nothing about him has changed. Raises Over."""
    row = db.session.execute(
        select(HALVES.c.user_id, HALVES.c.id)
        .join(USERS.id.table, (USERS.tenant_id == HALVES.c.tenant_id) & (USERS.id == HALVES.c.user_id))
        .where(*_of(held), USERS.version == HALVES.c.user_version, USERS.disabled_at.is_(None))
        .with_for_update(of=USERS.id.table, key_share=True)
    ).one_or_none()
    if row is None:
        raise Over()
    return row


def _use_up(held: HalfSignedIn) -> None:
    """Delete the half session; of two who finish it at once, the second finds none. Raises Over."""
    if db.session.execute(delete(HALVES).where(*_of(held)).returning(HALVES.c.id)).one_or_none() is None:
        raise Over()


def _of(held: HalfSignedIn) -> tuple[Any, ...]:
    good = HALVES.c.created_at > clock.now() - GOOD_FOR
    return HALVES.c.tenant_id == held.tenant_id, HALVES.c.token_hash == _hash(held.half), good


def _enabled(tenant_id: int, user_id: int) -> bool | None:
    """Whether a user may sign in; None where there is none."""
    mine = select(USERS.disabled_at).where(USERS.tenant_id == tenant_id, USERS.id == user_id)
    row = db.session.execute(mine.with_for_update(key_share=True)).one_or_none()
    return None if row is None else row.disabled_at is None


def _keep_failure(tenant_id: int | None, user_id: int, factor: Factor, address: str) -> None:
    """Count the failure for the network address, and where it was somebody's, audit it."""
    SIGN_IN_FAILURES.labels(factor).inc()
    with commands.system_transaction(tenant_id):
        attempts.count_address_failure(address)
        if tenant_id is not None:
            _audit(tenant_id, "nobody", user_id, "user.sign_in", "refused", factor=factor, address=address)
        else:
            audit.write_nothing()


def _audit(tenant_id: int, who: str, user_id: int, action: str, outcome: str, **detail: Any) -> None:
    audit.write(tenant_id, who, [AuditRow(action, outcome, f"user:{user_id}", detail=detail)])


def _hash(half: str) -> bytes:
    return hashlib.sha256(half.encode()).digest()
