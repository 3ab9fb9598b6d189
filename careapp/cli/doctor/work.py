"""Checks of the work that goes on: jobs, events, the audit chain, keys of encrypted texts, backups."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg

from careapp import crypto
from careapp.audit import sealer
from careapp.audit.anchors import Anchor, read_anchors
from careapp.cli.doctor.report import UNWISE, WRONG, CannotCheck, Installation, check
from careapp.operations.key_rotation import PLAIN, count_by_key
from careapp.outbox.upkeep import figures
from careapp.partitions import KEPT_BY

Found = Iterator[tuple[str, str, str]]

LATE_SECONDS = 60.0  # for an event to be sent; the relay runs each second
UNSEALED_SECONDS = 300.0  # for a row of the log; the sealer runs every ten seconds, and long transactions hold it up
SEALS = 50  # of each tenant, back from the newest, whose rows are compared
OLDEST_BACKUP_HOURS = 26
JOBS_SECONDS = 3

# The newest seals: each sum computed again, bound to the one before, and every row they hold as it was.
_CHAIN = """
WITH last AS (SELECT s.*, audit_seal_hash(s) AS computed, lag(hash) OVER (ORDER BY n) AS before
              FROM (SELECT * FROM audit_seal WHERE tenant_id = %(tenant)s ORDER BY n DESC LIMIT %(seals)s) s),
held AS (SELECT s.n, count(*) FILTER (WHERE e.id IS NULL OR audit_digest(s.version, e) <> u.digest) AS wrong
         FROM last s CROSS JOIN unnest(s.ids, s.digests) AS u (id, digest)
         LEFT JOIN audit_event e ON e.tenant_id = s.tenant_id AND e.id = u.id
         WHERE NOT EXISTS (SELECT FROM audit_retired r WHERE r.tenant_id = s.tenant_id AND r.ids @> u.id)
         GROUP BY s.n)
SELECT n, broken, wrong FROM (SELECT n, hash <> computed OR prev <> coalesce(before, prev) AS broken,
  coalesce((SELECT wrong FROM held WHERE held.n = last.n), 0) AS wrong FROM last) AS seen
WHERE broken OR wrong > 0 ORDER BY n"""
_UNSEALED = """
WITH last AS (SELECT after_id, xid_to FROM audit_seal WHERE tenant_id = %(tenant)s ORDER BY n DESC LIMIT 1)
SELECT coalesce(extract(epoch FROM now() - min(at)), 0)::float8 FROM audit_event
WHERE tenant_id = %(tenant)s AND id > coalesce((SELECT after_id FROM last), 0)
  AND xid >= coalesce((SELECT xid_to FROM last), '0')"""


@check("jobs", "the jobs process says that no job hangs")
def jobs(at: Installation) -> Found:
    """Asks JOBS_PORT on this machine; what jobs leave behind in the database is looked at by the next checks."""
    port = at.settings.jobs_port
    if port is None:
        raise CannotCheck("Set JOBS_PORT, on which the jobs process tells how it is.")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=JOBS_SECONDS):
            return
    except urllib.error.HTTPError as answer:
        hanging = json.loads(answer.read() or b"{}").get("job")
        yield WRONG, f"The job {hanging!r} hangs.", "The watchdog ends the process; look at its log for why."
    except OSError:
        yield WRONG, f"No jobs process answers on port {port} of this machine.", "Start `flask --app wsgi jobs`."


@check("outbox", "events are sent soon after they happened, and none is parked")
def outbox(at: Installation) -> Found:
    """Over all tenants, as the relay sees them."""
    now = figures(at.address("relay"))
    if now.oldest_seconds > LATE_SECONDS:
        yield (WRONG, f"{now.pending} events wait, the oldest for {now.oldest_seconds:.0f} seconds.",
               "Do jobs run, and does Kafka answer? See the checks of both.")  # fmt: skip
    if now.parked:
        yield WRONG, f"{now.parked} events are parked: Kafka will never take them.", "`flask --app wsgi outbox list`."


@check("audit", "the newest part of each tenant's audit log is sealed and is what was sealed")
def audit(at: Installation) -> Found:
    """The last 50 seals; all of them: `flask audit verify`."""
    with at.connect("relay") as connection:
        for tenant, key in sealer.tenants(connection):
            given = {"tenant": tenant, "seals": SEALS}
            for number, broken, wrong in connection.execute(_CHAIN, given).fetchall():
                said = "is not what it was" if broken else f"holds {wrong} rows that were changed or are gone"
                yield WRONG, f"Seal {number} of {key}'s audit log {said}.", "Run `flask --app wsgi audit verify`."
            [(waiting,)] = connection.execute(_UNSEALED, given).fetchall()
            if waiting > UNSEALED_SECONDS:
                yield (WRONG, f"The audit log of {key} was not sealed for {waiting:.0f} seconds.",
                       "Do jobs run? After a restore: `flask --app wsgi audit new-chain`.")  # fmt: skip


@check("anchors", "the seals that were kept elsewhere are still in the database")
def anchors(at: Installation) -> Found:
    """Give the file of anchors with --anchors: lines of `flask audit anchors`, of the log, or events of Kafka."""
    if at.anchors is None:
        raise CannotCheck("Give --anchors with a file of anchors that were kept elsewhere.")
    try:
        kept = read_anchors(at.anchors.read_text())
    except (OSError, ValueError) as error:
        yield WRONG, f"The anchors in {at.anchors} cannot be read: {error}.", "Compare with `flask audit anchors`."
        return
    with at.connect("relay") as connection:
        for one in kept:
            if not _stands(connection, one):
                yield (WRONG, f"Seal {one.n} of {one.tenant} is not the one that was kept: the log was replaced.",
                       "Run `flask audit verify --anchors FILE`, and keep the database as it is.")  # fmt: skip


@check("partitions", "this month and the next, or day, have a partition of each table that is kept by time")
def partitions(at: Installation) -> Found:
    """Jobs make them ahead; rows of a time without one go to the partition for the rest."""
    with at.any_role() as connection:
        for table, (span, _ahead) in KEPT_BY.items():
            missing = connection.execute(
                "SELECT to_char(now() AT TIME ZONE 'UTC' + n * ('1 ' || %(span)s)::interval, %(name)s)"
                " FROM generate_series(0, 1) AS n EXCEPT SELECT relname::text FROM pg_inherits JOIN pg_class c"
                " ON c.oid = inhrelid WHERE inhparent = %(table)s::regclass ORDER BY 1",
                {"span": span, "table": table, "name": f'"{table}_"YYYY_MM' + ("_DD" if span == "day" else "")},
            )
            for (name,) in missing.fetchall():
                yield (WRONG, f"{table} has no partition {name}.",
                       "Do jobs run? They make it within the hour, unless rows of its time came before it"
                       f" (`partition not made` in their log): those are kept in {table}_other.")  # fmt: skip


@check("keys", "the keys of all encrypted texts are configured")
def keys(at: Installation) -> Found:
    """Counts the values of every encrypted column by key, as `flask keys status` does."""
    role = "owner" if at.addresses.get("owner") else "app"
    with at.connect(role) as connection:
        tenants = connection.execute("SELECT id, key FROM tenants ORDER BY id").fetchall()
    missing: dict[str, int] = {}
    plain = 0
    for tenant, _ in tenants:
        for counted in count_by_key(at.address(role), tenant).values():
            plain += counted.pop(PLAIN, 0)
            for key in set(counted) - crypto.known_keys():
                missing[key] = missing.get(key, 0) + counted[key]
    for key, number in sorted(missing.items()):
        yield WRONG, f"{number} texts need the key {key!r}, which is not in ENCRYPTION_KEYS.", "Put it back in, last."
    if plain:
        yield UNWISE, f"{plain} texts are not encrypted yet.", "Run `flask --app wsgi keys rotate`."


@check("backups", "the newest backup is not older than 26 hours")
def backups(at: Installation) -> Found:
    """Give the directory with --backups; what is kept elsewhere nobody here can see."""
    if at.backups is None:
        raise CannotCheck("Give --backups with the directory where backups lie.")
    files = [path for path in at.backups.glob("*") if path.is_file() and not path.name.endswith(".unfinished")]
    if not files:
        yield WRONG, f"There is no backup in {at.backups}.", "Run `flask --app wsgi backup FILE` every day."
        return
    newest = max(files, key=lambda path: path.stat().st_mtime)
    hours = (time.time() - newest.stat().st_mtime) / 3600
    if hours > OLDEST_BACKUP_HOURS:
        made = datetime.fromtimestamp(newest.stat().st_mtime, UTC)
        yield WRONG, f"The newest backup is of {made:%Y-%m-%d %H:%M} UTC.", "See why the nightly one did not run."
    if newest.stat().st_size == 0:
        yield WRONG, f"The newest backup, {newest.name}, is empty.", "See why it was not written."


def _stands(connection: psycopg.Connection[Any], one: Anchor) -> bool:
    found = connection.execute(
        "SELECT encode(hash, 'hex') FROM audit_seal WHERE n = %s AND tenant_id ="
        " (SELECT id FROM tenants WHERE key = %s)", [one.n, one.tenant],
    ).fetchone()  # fmt: skip
    return found is not None and found[0] == one.hash
