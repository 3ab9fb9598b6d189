"""Filling a migrated database: tenants with years of care in them, by COPY, with every constraint on.

`python -m bench.generator --size large` makes (or finds) the large database in `var/bench`. COPY passes row-level
security only as a superuser; checks, foreign keys and exclusion constraints hold for it as for everybody, and a test
reads what was generated as the application does. The same seed gives the same tenants.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any

import psycopg

from bench.courses import Courses
from bench.people import settle_people
from bench.rows import COLUMNS, WITHOUT_ID, Rows
from bench.visits import Calendar
from careapp.operations.tenants import create_tenant

SEED = 5
WORKERS = 2
BAR = 40  # characters


@dataclass(frozen=True)
class Size:
    """How much there is: all but `tenants` are of one tenant. Patients must be many more than providers."""

    tenants: int
    patients: int
    providers: int
    clinics: int
    days: int
    slots_a_day: int

    @property
    def slots(self) -> int:
        """Slots of one tenant; about as many appointments and episodes."""
        return self.providers * self.days * self.slots_a_day

    def reserved(self, table: str) -> int:
        """How many ids of a table are set aside for each tenant: more than it can need."""
        whole = {"clinics": self.clinics, "providers": self.providers, "users": self.providers + 3}
        whole |= {"patients": self.patients, "provider_slots": self.slots, "user_session": 5 * (self.providers + 3)}
        return whole.get(table, self.patients + 12 * self.slots)


SIZES = {
    "small": Size(tenants=10, patients=500, providers=4, clinics=2, days=16, slots_a_day=16),
    "large": Size(tenants=100, patients=5_000, providers=20, clinics=2, days=32, slots_a_day=16),
}


@dataclass(frozen=True)
class Share:
    """What one process fills: these tenants, as (place, id, key), and from which ids on."""

    address: str
    size: Size
    tenants: Sequence[tuple[int, int, str]]
    first: dict[str, int]
    now: datetime


def fill(
    superuser: str, owner: str, size: Size, *, prefix: str = "bench", tell: Callable[[int, int], None] | None = None,
    workers: int = 1,
) -> list[tuple[int, str]]:  # fmt: skip
    """Make the tenants and all their rows; returns their (id, key). `tell` learns of tenants and rows as they come.

    `superuser` is the address of the database itself, as psycopg reads it, `owner` as SQLAlchemy does.
    """
    keys = [f"{prefix}-{n}" for n in range(size.tenants)]
    made = [(create_tenant(owner, key=key, name=f"Tenant {key}", time_zone="Asia/Yangon"), key) for key in keys]
    with psycopg.connect(superuser, options="-c search_path=care,public") as connection:
        first = {table: _reserve(connection, table, size) for table in {*COLUMNS, "outbox"} - WITHOUT_ID}
    now = datetime.now(UTC).replace(microsecond=0)
    places = [(n, tenant_id, key) for n, (tenant_id, key) in enumerate(made)]
    done = rows = 0
    for count in _filled([Share(superuser, size, [one], first, now) for one in places], workers):
        done, rows = done + 1, rows + count
        if tell:
            tell(done, rows)
    with psycopg.connect(superuser, options="-c search_path=care,public", autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return made


def fill_share(share: Share) -> int:
    """Fill some tenants, each in a transaction of its own; returns how many rows there are."""
    count = 0
    options = "-c search_path=care,public -c timezone=UTC -c synchronous_commit=off -c statement_timeout=0"
    with psycopg.connect(share.address, options=options) as connection:
        for place, tenant_id, key in share.tenants:
            count += tenant_rows(share.size, place, tenant_id, key, share.first, share.now).copy(connection)
            connection.commit()
    return count


def tenant_rows(size: Size, place: int, tenant_id: int, key: str, first: dict[str, int], now: datetime) -> Rows:
    """All rows of one tenant; `place` is its number among all, which gives its ids and its chance."""
    rows = Rows(tenant_id, {table: start + place * size.reserved(table) for table, start in first.items()})
    chance = random.Random(SEED * 1_000_003 + place)
    people = settle_people(
        rows, key, now, chance, clinics=size.clinics, providers=size.providers, patients=size.patients
    )
    calendar = Calendar(rows, people, now, chance)
    calendar.fill(size.days, size.slots_a_day)
    Courses(rows, people, key, now, chance).run(calendar.visits)
    return rows


def _filled(shares: list[Share], workers: int) -> Any:
    """How many rows each share has, as they come."""
    if workers == 1:
        yield from map(fill_share, shares)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(fill_share, shares)


def _reserve(connection: psycopg.Connection[Any], table: str, size: Size) -> int:
    """Set ids of a table aside, for all tenants; returns the first."""
    row = connection.execute(
        "SELECT setval(name, nextval(name) + %s), %s FROM pg_get_serial_sequence(%s, 'id') AS name",
        [size.tenants * size.reserved(table), size.tenants * size.reserved(table), f"care.{table}"],
    ).fetchone()
    assert row is not None
    return int(row[0]) - int(row[1])


def progress(size: Size) -> Callable[[int, int], None]:
    """A bar on the terminal, written over; where there is no terminal, a line for each tenth."""
    begun = time.monotonic()

    def tell(done: int, rows: int) -> None:
        part = done / size.tenants
        bar = "#" * int(BAR * part) + "." * (BAR - int(BAR * part))
        said = f"[{bar}] {part:4.0%}  {rows:>12,} rows  {time.monotonic() - begun:4.0f} s"
        if sys.stderr.isatty():
            print(f"\r\033[K{said}", end="\n" if part == 1 else "", file=sys.stderr, flush=True)
        elif done % max(1, size.tenants // 10) == 0:
            print(said, file=sys.stderr, flush=True)

    return tell


def main() -> None:
    """Make the database of a size, unless there is one."""
    from bench.databases import filled_database  # which starts a server, and imports this module

    parser = argparse.ArgumentParser(prog="python -m bench.generator", description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="small", help="ten thousand or a million appointments")
    size = parser.parse_args().size
    print(f"{size}: {asdict(SIZES[size])}\n{filled_database(size).addresses.app}")


if __name__ == "__main__":
    main()
