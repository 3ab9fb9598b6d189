"""Upkeep jobs: figures to the log, retention, and checks that report and change nothing."""

import time

import psycopg
import structlog

from careapp import partitions
from careapp.audit import sealer
from careapp.identity import challenges, drafts, nonces, request_limits, sessions
from careapp.identity.attempts import forget_old
from careapp.operations import audit_chain, maintenance
from careapp.operations.maintenance import TenantName
from careapp.outbox import upkeep
from careapp.outbox.relay import Relay, Relays
from careapp.scheduling import filing
from careapp.scheduling.counts import wrong_counts
from careapp.telemetry import metrics

FILING_SECONDS = 300  # then the rest waits for the next day
LATE_SECONDS = 60.0  # an event older than this, or any parked one, wants a person

_log = structlog.get_logger()


def report_outbox(relay_url: str, relay: Relay | Relays) -> None:
    """Log how the outbox stands, and what the relay did since its start; a warning when events are late or parked."""
    figures = upkeep.figures(relay_url)
    tell = _log.warning if figures.parked or figures.oldest_seconds > LATE_SECONDS else _log.info
    tell(
        "outbox",
        pending=figures.pending,
        parked=figures.parked,
        oldest_seconds=round(figures.oldest_seconds, 1),
        published=relay.published,
        failures=relay.failures,
        seconds=round(relay.last_pass_seconds, 3),
    )


def measure_outbox(relay_url: str) -> None:
    """Take the outbox's figures for who watches."""
    figures = upkeep.figures(relay_url)
    metrics.OUTBOX_PENDING.set(figures.pending)
    metrics.OUTBOX_PARKED.set(figures.parked)
    metrics.OUTBOX_OLDEST.set(figures.oldest_seconds)


def measure_audit(relay_url: str) -> None:
    """Take the sealer's figures for who watches."""
    figures = sealer.figures(relay_url)
    metrics.AUDIT_SEALS.set(figures.seals)
    metrics.AUDIT_UNSEALED.set(figures.unsealed_seconds)


def check_newest_seals(relay_url: str) -> None:
    """Recompute the newest seals of the tenants, and tell how many do not hold together."""
    metrics.AUDIT_BROKEN.set(sealer.broken_chains(relay_url))


def seal_audit(relay_url: str) -> None:
    """Bind what was written since the last seals into the tenants' chains."""
    sealer.seal_all(relay_url)


def make_partitions(relay_url: str) -> None:
    """Make the coming months' partitions of the audit log, and the coming days' of what was sent; let the planner know
    how many appointments there are.
    """
    for part in partitions.make_ahead(relay_url):
        _log.info("partition made", partition=part)
    partitions.know_appointments(relay_url)


def file_appointments(relay_url: str) -> None:
    """Put appointments of episodes that ended long ago into their years' partitions, and drop years that are empty."""
    ends = time.monotonic() + FILING_SECONDS

    def file_those_of(tenant: TenantName) -> int:
        filed = 0
        while time.monotonic() < ends and (old := filing.waiting(tenant.id)):
            years = {year for year in {one.year for one in old} if partitions.make_year(relay_url, year)}
            moved = filing.file(tenant.id, [one.episode_id for one in old], years)
            filed += moved
            if not moved:
                break
        return filed

    with partitions.alone_with_years(relay_url) as alone:
        if not alone:
            return
        for part in partitions.drop_empty_years(relay_url):
            _log.info("empty year of appointments dropped", partition=part)
        if filed := sum(maintenance.for_each_tenant(file_those_of)):
            _log.info("old appointments filed", count=filed)


def anchor_audit() -> None:
    """Send the newest seal of each tenant's audit chain out of the database."""
    maintenance.for_each_tenant(lambda tenant: audit_chain.anchor(audit_chain.keeper(tenant)))


def delete_published_events(relay_url: str) -> None:
    """Drop the days of events that were sent more than a week ago, and delete those that lie in none."""
    deleted = upkeep.delete_marked(relay_url)
    try:
        for part in upkeep.drop_days(relay_url):
            _log.info("day of sent events dropped", partition=part)
        deleted += upkeep.delete_strays(relay_url)
    except psycopg.errors.LockNotAvailable:  # a backup reads them, or relays have much to send
        _log.info("old days of sent events are in use, and stay until the next hour")
    if deleted:
        _log.info("published events deleted", count=deleted)


def delete_old_answers() -> None:
    """Delete answers kept for idempotency keys of more than a day ago."""
    if deleted := maintenance.delete_old_answers():
        _log.info("old answers deleted", count=deleted)


def forget_old_attempts() -> None:
    """Delete counts of failed sign-ins that have meant nothing for a day."""
    if forgotten := forget_old():
        _log.info("old sign-in attempts forgotten", count=forgotten)


def forget_old_limits() -> None:
    """Delete counts of requests of minutes long over."""
    if forgotten := request_limits.forget_old():
        _log.info("old request counts forgotten", count=forgotten)


def forget_old_drafts() -> None:
    """Delete drafts of forms that nobody has come back to for a week."""
    if forgotten := sum(maintenance.for_each_tenant(lambda tenant: drafts.forget_old(tenant.id))):
        _log.info("old drafts forgotten", count=forgotten)


def forget_old_challenges() -> None:
    """Delete challenges for passkeys that nobody answered in time."""
    if forgotten := challenges.forget_old():
        _log.info("old challenges forgotten", count=forgotten)


def forget_old_nonces() -> None:
    """Delete the nonces of signed requests that could not be sent again any more."""
    if forgotten := sum(maintenance.for_each_tenant(lambda tenant: nonces.forget_old(tenant.id))):
        _log.info("old nonces forgotten", count=forgotten)


def forget_old_sessions() -> None:
    """Delete sessions that nobody has used for a month."""
    if forgotten := sum(maintenance.for_each_tenant(lambda tenant: sessions.forget_old(tenant.id))):
        _log.info("old sessions forgotten", count=forgotten)


def check_booked_counts() -> None:
    """Warn of each slot whose count of taken places differs from its appointments; mending it is for a person."""
    maintenance.for_each_tenant(_check_booked_counts)


def _check_booked_counts(tenant: TenantName) -> None:
    wrong = [f"{locator} booked {booked}, counted {counted}" for locator, booked, counted in wrong_counts(tenant.id)]
    if wrong:
        _log.warning("booked counts are wrong", tenant=tenant.key, count=len(wrong), slots=wrong)
