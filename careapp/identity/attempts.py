"""Failed sign-ins: how long an e-mail address or a network address waits after too many; the wait always ends.

Failures with a service credential count apart from people's. Asked before any tenant is known, so the table has no
tenant, and holds hashes instead of addresses.
"""

import hashlib
import ipaddress
import math
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert

from careapp import clock, commands
from careapp.db import db, table_of
from careapp.errors import TooMany
from careapp.identity.models import SignInAttempts
from careapp.telemetry.metrics import SIGN_IN_FAILURES

FREE_FAILURES = 5  # the fifth failure of an e-mail address costs the first second
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=1)  # after the first failure, or after the last wait
ADDRESS_FAILURES, ADDRESS_WINDOW = 20, timedelta(minutes=1)  # a whole clinic shares one network address
KEPT = timedelta(days=1)


@dataclass(frozen=True)
class Count:
    """Failures so far, since when, and until when the next attempt has to wait."""

    failures: int
    first_at: datetime
    blocked_until: datetime | None = None


def seconds_left(count: Count, now: datetime) -> int:
    """How many whole seconds the next attempt has to wait; 0 means none."""
    return max(0, math.ceil((count.blocked_until - now).total_seconds())) if count.blocked_until else 0


def after_email_failure(count: Count, now: datetime) -> Count:
    """The count of an e-mail address after one more failure: from the fifth on it waits 1, 2, 4 s … 15 min."""
    if now - (count.blocked_until or count.first_at) > FORGOTTEN_AFTER:
        count = Count(0, now)
    failures = count.failures + 1
    if failures < FREE_FAILURES:
        return replace(count, failures=failures)
    wait = min(timedelta(seconds=2 ** min(failures - FREE_FAILURES, 20)), LONGEST_WAIT)
    return replace(count, failures=failures, blocked_until=now + wait)


def after_address_failure(count: Count, now: datetime) -> Count:
    """The count of a network address after one more failure: twenty in a minute, and it waits for the minute's end."""
    if now - count.first_at >= ADDRESS_WINDOW:
        count = Count(0, now)
    failures = count.failures + 1
    full = failures >= ADDRESS_FAILURES
    return Count(failures, count.first_at, count.first_at + ADDRESS_WINDOW if full else None)


def admit(email: str, address: str) -> None:
    """Let one attempt through, or raise TooMany with the seconds to wait.

    It is counted as a failure of the e-mail address at once, before the password is looked at: a thousand guesses sent
    together could otherwise all pass before the first is counted. `clear` takes it back.
    """
    _admit(_email_key(email), address)


def admit_confirmation(tenant_id: int, user_id: int) -> None:
    """The same for somebody signed in who shall prove again who he is. These failures count apart from sign-ins, and
    his network address is not asked: strangers who fail at the sign-in form delay nobody who is signed in.
    `clear_confirmation` takes it back.
    """
    _admit(_confirmation_key(tenant_id, user_id))


def clear_confirmation(tenant_id: int, user_id: int) -> None:
    """Forget how often a user failed to prove again who he is: he has just done so."""
    _forget(_confirmation_key(tenant_id, user_id))


def admit_factor(tenant_id: int, user_id: int, address: str) -> None:
    """The same for a second factor of a user, whose failures count apart: who knows no password delays nobody here.

    `clear_factor` takes it back.
    """
    _admit(_factor_key(tenant_id, user_id), address)


def clear_factor(tenant_id: int, user_id: int) -> None:
    """Forget a user's failures with second factors: he has just signed in with one."""
    _forget(_factor_key(tenant_id, user_id))


def admit_address(address: str) -> None:
    """Let one attempt through that names nobody, such as a passkey's; raises TooMany while its address has to wait."""
    count = _read(_address_key(address))
    if count and (wait := seconds_left(count, clock.now())):
        raise TooMany(wait)


def count_address_failure(address: str) -> None:
    """Count a failure of the network address; successes never come here."""
    now = clock.now()
    _write(_address_key(address), after_address_failure(_locked(_address_key(address), now), now))


def count_credential_failure(address: str) -> None:
    """Count a wrong service credential from a network address, in a transaction of its own.

    Raises TooMany, instead of counting, from the twenty-first in a minute on. A right credential never waits: it is too
    long to be guessed, and one stale copy of it must not shut out the portal that shares its address.
    """
    SIGN_IN_FAILURES.labels("credential").inc()
    now, key = clock.now(), _address_key(address, of="credential")
    with commands.system_transaction(None):
        count = _locked(key, now)
        if wait := seconds_left(count, now):
            raise TooMany(wait)
        _write(key, after_address_failure(count, now))


def admit_code(address: str, *, of: str = "code") -> None:
    """Let a network address try the code of a printed paper, or another one; raises TooMany after as many wrong ones
    as sign-ins.
    """
    with commands.system_transaction(None):
        count = _read(_address_key(address, of=of))
    if count and (wait := seconds_left(count, clock.now())):
        raise TooMany(wait)


def count_code_failure(address: str, *, of: str = "code") -> None:
    """Count a wrong code of a printed paper, or another one, from a network address: a transaction of its own."""
    SIGN_IN_FAILURES.labels(of).inc()
    now, key = clock.now(), _address_key(address, of=of)
    with commands.system_transaction(None):
        _write(key, after_address_failure(_locked(key, now), now))


def clear(email: str) -> None:
    """Forget the failures of an e-mail address: its owner has just signed in."""
    _forget(_email_key(email))


def forget_old() -> int:
    """Delete counts that have meant nothing for a day, and return how many; jobs run it, in its own transaction."""
    table = table_of(SignInAttempts)
    last = func.greatest(table.c.first_at, table.c.blocked_until)
    with commands.system_transaction(None):
        gone = db.session.execute(table.delete().where(last < clock.now() - KEPT).returning(table.c.subject))
        return len(gone.all())


def _admit(key: bytes, address: str | None = None) -> None:
    now = clock.now()
    of_subject, of_address = _locked(key, now), _read(_address_key(address)) if address else None
    wait = max(seconds_left(of_subject, now), seconds_left(of_address, now) if of_address else 0)
    if wait:
        raise TooMany(wait)
    _write(key, after_email_failure(of_subject, now))


def _forget(key: bytes) -> None:
    table = table_of(SignInAttempts)
    db.session.execute(table.delete().where(table.c.subject == key))


def _confirmation_key(tenant_id: int, user_id: int) -> bytes:
    return hashlib.sha256(f"confirm:{tenant_id}:{user_id}".encode()).digest()


def _factor_key(tenant_id: int, user_id: int) -> bytes:
    return hashlib.sha256(f"factor:{tenant_id}:{user_id}".encode()).digest()


def _email_key(email: str) -> bytes:
    return hashlib.sha256(f"email:{email}".encode()).digest()


def _address_key(address: str, *, of: str = "address") -> bytes:
    """Of an IPv6 address only the network counts: one household has all the addresses in it."""
    return hashlib.sha256(f"{of}:{network_of(address)}".encode()).digest()


def network_of(address: str) -> str:
    """An address as it is counted: an IPv6 one by its network of 64 bits, an IPv4 one as it is."""
    try:
        place = ipaddress.ip_address(address)
    except ValueError:  # a server on a local socket has no address to tell
        return address
    place = getattr(place, "ipv4_mapped", None) or place
    return str(ipaddress.ip_network((place, 64), strict=False) if place.version == 6 else place)


def _locked(key: bytes, now: datetime) -> Count:
    """The count of a subject, made where there is none, locked until the transaction ends."""
    table = table_of(SignInAttempts)
    fresh = postgres_insert(table).values(subject=key, failures=0, first_at=now)
    while True:  # between the two statements somebody who has just signed in may have deleted it
        db.session.execute(fresh.on_conflict_do_nothing())
        row = db.session.execute(_select(key).with_for_update()).one_or_none()
        if row:
            return _count(row)


def _read(key: bytes) -> Count | None:
    row = db.session.execute(_select(key)).one_or_none()
    return _count(row) if row else None


def _select(key: bytes) -> Any:
    table = table_of(SignInAttempts).c
    return select(table.failures, table.first_at, table.blocked_until).where(table.subject == key)


def _count(row: Row[Any]) -> Count:
    return Count(row.failures, row.first_at, row.blocked_until)


def _write(key: bytes, count: Count) -> None:
    table = table_of(SignInAttempts)
    db.session.execute(table.update().where(table.c.subject == key).values(**asdict(count)))
