"""What commands have in common: a tenant by its key, who the command line is, a relay, refusals as plain sentences."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from flask import current_app

from careapp.access import Actor, Permission, Purpose
from careapp.errors import Invalid, Refusal
from careapp.operations.maintenance import TenantName, tenants
from careapp.outbox.relay import Relay
from careapp.outbox.sender_choice import NoBroker, sender_of_a_command

# Whoever is on the server acts as "cli" there: who ordered it has to be said.
decided_by = click.option("--by", required=True, help="Who decided it; the log keeps it.")


def tenants_of(key: str | None, *, deleted: bool = False) -> list[TenantName]:
    """The tenant of that key, or all of them, deleted ones on demand. Raises ClickException for a key nobody has."""
    found = [tenant for tenant in tenants(deleted=deleted) if key in (None, tenant.key)]
    if key and not found:
        raise click.ClickException(f"There is no tenant {key}.")
    return found


def command_line(tenant: TenantName, permission: Permission) -> Actor:
    """Whoever may run commands on the server may do this; the audit says that it was done there."""
    return Actor(tenant.id, tenant.key, "cli", frozenset({permission}), purpose=Purpose.HSYSADMIN)


def owner_url() -> str:
    """The address of the database's owner, who alone makes tenants. Raises ClickException where it is not set."""
    address: str | None = current_app.config["DATABASE_OWNER_URL"]
    if address is None:
        raise click.ClickException("Set DATABASE_OWNER_URL: this is for the owner of the database.")
    return address


def words_of(given: Sequence[str]) -> list[str]:
    """What was given to an option that may be repeated, and that takes several values with blanks between them too."""
    return [word for text in given for word in text.split()]


@contextmanager
def relaying() -> Iterator[Relay]:
    """A relay of this command's own, as jobs have theirs; both may send.

    Raises ClickException without its address, and where it would send past the broker of jobs.
    """
    address: str | None = current_app.config["DATABASE_RELAY_URL"]
    if address is None:
        raise click.ClickException("Set DATABASE_RELAY_URL: only the relay's role sees the events of every tenant.")
    try:
        relay = Relay(address, sender_of_a_command(current_app.config["SETTINGS"]))
    except NoBroker as refusal:
        raise click.ClickException(str(refusal)) from refusal
    try:
        yield relay
    finally:
        relay.close()


@contextmanager
def refusals_shown() -> Iterator[None]:
    """Show a refusal as a message, not as a traceback."""
    try:
        yield
    except Refusal as refusal:
        sentences = refusal.errors.values() if isinstance(refusal, Invalid) else [refusal.detail]
        raise click.ClickException(" ".join(sentences)) from refusal
