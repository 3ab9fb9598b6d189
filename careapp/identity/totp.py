"""One-time passwords of an authenticator app (RFC 6238): enrolment with a first code, and a check that takes each once.

The secret is kept encrypted. A code holds for its own half minute and the one before and after; the time step it was
taken of is kept, and neither that nor an earlier one is ever taken again (RFC 6238 §5.2, ASVS 5.0 6.5.1).
"""

import binascii
import hmac
from datetime import timedelta
from typing import Any

import pyotp
from sqlalchemy import ColumnElement, Row, or_, select

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import command, query, record
from careapp.crypto import OfRow
from careapp.db import db, guarded_update, insert_unless_clash, table_of
from careapp.errors import Conflict, Invalid, Sentence
from careapp.identity import recovery, sessions
from careapp.identity.actors import lock_user, own_id
from careapp.identity.models import TotpFactor
from careapp.views import View

ISSUER = "careapp"
DRIFT = 1  # steps of 30 seconds a clock may be off, either way
PENDING_FOR = timedelta(minutes=15)
WRONG = Sentence("This is not the code the app shows now. Wait for the next one and enter that.")
TOTP = table_of(TotpFactor).c


class Enrolment(View):
    """What an authenticator app is given: the secret in groups of four, to be typed, and all of it as an address."""

    secret: str
    uri: str


@command(Permission.OWN_ACCOUNT)
def begin(actor: Actor) -> None:
    """Make a new secret for the actor's app. It counts for nothing until `confirm`; an app he has works until then."""
    user_id = own_id(actor)
    insert_unless_clash(TotpFactor, TotpFactor.id, tenant_id=actor.tenant_id, user_id=user_id)
    pending = OfRow(pyotp.random_base32(), user_id)  # 160 bits, as RFC 4226 §4 recommends
    guarded_update(TotpFactor, *_of(actor.tenant_id, user_id), pending=pending, pending_at=clock.now())
    record("factor.begin", actor.name, factor="totp")


@query(Permission.OWN_ACCOUNT)
def pending(actor: Actor) -> Enrolment | None:
    """The secret that waits for its first code; None where none does, or it has waited for too long."""
    row = _row(actor.tenant_id, own_id(actor))
    return _enrolment(actor, row.pending) if row and _is_pending(row) else None


@command(Permission.OWN_ACCOUNT)
def confirm(actor: Actor, *, session_id: int, code: str) -> tuple[str, ...]:
    """Take the app into use by its first code, in place of one he had; his other sessions end.

    Returns new recovery codes where he has none. Raises Conflict NO_ENROLMENT, Invalid for a wrong code.
    """
    user_id = own_id(actor)
    lock_user(actor.tenant_id, user_id)
    row = _row(actor.tenant_id, user_id, lock=True)
    if row is None or not _is_pending(row):
        raise Conflict("This has taken too long. Begin again.", code="NO_ENROLMENT")
    step = _step_of(row.pending, code)
    if step is None:
        raise Invalid({"code": WRONG})
    guarded_update(
        TotpFactor, *_of(actor.tenant_id, user_id), secret=OfRow(row.pending, user_id), last_step=step,
        confirmed_at=clock.now(), pending=None, pending_at=None,
    )  # fmt: skip
    ended = sessions.end_all(actor.tenant_id, user_id, "second factor changed", but=session_id)
    record("factor.add", actor.name, factor="totp", sessions_ended=ended)
    return recovery.made_if_none(actor)


def check(tenant_id: int, user_id: int, code: str) -> bool:
    """Whether this is a code of the user's app that has not been taken yet; it is taken by asking.

    Runs in the present transaction. Of two who send one code at once, one is told no.
    """
    row = _row(tenant_id, user_id)
    step = _step_of(row.secret, code) if row and row.secret else None
    if step is None:
        return False
    unused = or_(TOTP.last_step.is_(None), TOTP.last_step < step)
    return guarded_update(TotpFactor, *_of(tenant_id, user_id), unused, last_step=step) is not None


def _step_of(secret: str, code: str) -> int | None:
    """The time step whose code this is, of those near enough; None for none, in the same time."""
    sent = "".join(code.split())
    try:
        totp = pyotp.TOTP(secret)
        now = int(clock.now().timestamp()) // totp.interval
        near = [(step, totp.generate_otp(step)) for step in range(now - DRIFT, now + DRIFT + 1)]
    except (binascii.Error, ValueError):  # the secret could not be decrypted
        return None
    right = [step for step, expected in near if hmac.compare_digest(expected.encode(), sent.encode())]
    return right[-1] if right else None


def _enrolment(actor: Actor, secret: str) -> Enrolment:
    uri = pyotp.TOTP(secret).provisioning_uri(name=f"{actor.label} ({actor.tenant_key})", issuer_name=ISSUER)
    groups = (secret[place : place + 4] for place in range(0, len(secret), 4))
    return Enrolment(secret=" ".join(groups), uri=uri)


def _is_pending(row: Row[Any]) -> bool:
    return bool(row.pending) and row.pending_at > clock.now() - PENDING_FOR


def _row(tenant_id: int, user_id: int, *, lock: bool = False) -> Row[*tuple[Any, ...]] | None:
    statement = select(TOTP.secret, TOTP.pending, TOTP.pending_at).where(*_of(tenant_id, user_id))
    return db.session.execute(statement.with_for_update() if lock else statement).one_or_none()


def _of(tenant_id: int, user_id: int) -> tuple[ColumnElement[bool], ...]:
    return TOTP.tenant_id == tenant_id, TOTP.user_id == user_id
