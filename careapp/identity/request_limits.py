"""Request limits: how many requests a minute one actor or one network address may make, over all workers and hosts.

The count stands in the database. A worker takes a share of it at a time and spends that by itself, so that one request
in many costs a statement; what it does not spend is lost with the minute. Asked before any tenant is known, so the
table has no tenant, and holds hashes.
"""

import hashlib
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from careapp import commands
from careapp.db import Base, db
from careapp.errors import TooMany

WINDOW_SECONDS = 60
SHARES = 20  # of a limit; as many workers can take one before the last finds none
LARGEST_SHARE = 100  # requests; more would hardly cost less, and is lost with each worker
MOST_LEASES = 10_000
KEPT_HOURS = 1


class RateLimit(Base):
    """What one subject has taken of its limit since `window_start`; lost when the database crashes."""

    __tablename__ = "rate_limits"

    subject: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    window_start: Mapped[datetime] = mapped_column(server_default=func.now())
    used: Mapped[int] = mapped_column(Integer)

    __table_args__ = {"prefixes": ["UNLOGGED"]}  # noqa: RUF012


_OVER = f"kept.window_start <= now() - interval '{WINDOW_SECONDS} s'"
_TAKE = text(f"""
INSERT INTO rate_limits AS kept (subject, window_start, used) VALUES (:subject, now(), :share)
ON CONFLICT (subject) DO UPDATE SET
  used = CASE WHEN {_OVER} THEN :share ELSE kept.used + :share END,
  window_start = CASE WHEN {_OVER} THEN now() ELSE kept.window_start END
RETURNING used, extract(epoch FROM window_start + interval '{WINDOW_SECONDS} s' - now())::float AS seconds_left
""")
_FORGET = text(f"DELETE FROM rate_limits WHERE window_start < now() - interval '{KEPT_HOURS} h'")


@dataclass
class Lease:
    """What this worker may still spend of a subject's limit, and until when by the monotonic clock."""

    left: int
    until: float


class Limiter:
    """The limits of one process. `clock` (seconds) is for tests."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._leases: dict[bytes, Lease] = {}

    def spend(self, subject: str, limit: int) -> None:
        """Count one request of a subject, in a transaction of its own where a new share is needed.

        Raises TooMany with the seconds left of the minute, when all of the limit is taken. Call it outside a command.
        """
        key = hashlib.sha256(subject.encode()).digest()
        lease = self._live(key) or self._take(key, limit)
        if lease.left < 0:
            raise TooMany(max(1, math.ceil(lease.until - self._clock())))

    def _live(self, key: bytes) -> Lease | None:
        """The lease with one more request spent from it; None where it is used up or over, or there is none."""
        with self._lock:
            lease = self._leases.get(key)
            if lease is None or lease.until <= self._clock() or lease.left == 0:
                return None
            if lease.left > 0:
                lease.left -= 1
            return lease

    def _take(self, key: bytes, limit: int) -> Lease:
        """A new share, one of it spent; `left` is -1 where there is none before the minute ends."""
        share = min(LARGEST_SHARE, max(1, limit // SHARES))
        with commands.system_transaction(None):
            row = db.session.execute(_TAKE, {"subject": key, "share": share}).one()
        got = max(0, min(share, limit - (row.used - share)))
        lease = Lease(got - 1, self._clock() + row.seconds_left)
        with self._lock:
            if len(self._leases) >= MOST_LEASES:
                self._leases.clear()
            self._leases[key] = lease
        return lease


def forget_old() -> int:
    """Delete counts of minutes long over and return how many; jobs run it."""
    with commands.system_transaction(None):
        return int(db.session.execute(_FORGET).rowcount)  # type: ignore[attr-defined]
