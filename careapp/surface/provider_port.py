"""The provider port of an application: which service is asked before a booking, if one is."""

from collections.abc import Callable
from functools import partial

from flask import Flask, current_app

from careapp.access import Actor
from careapp.config import Settings
from careapp.providers.port import ProviderService
from careapp.scheduling.participation import check_participation

PORT = "careapp.provider_port"


def init_provider_port(app: Flask, settings: Settings) -> None:
    """Choose the service by the settings, once."""
    app.extensions[PORT] = ProviderService.of(settings)


def question_about(actor: Actor, slot_locator: str) -> Callable[[], None] | None:
    """What asks whether the provider of a slot takes part; None where providers are kept here.

    Every view that books a slot, or moves an appointment into one, has it asked before its command: inside, rows would
    be locked while the other side thinks. It raises Conflict PROVIDER_NOT_PARTICIPATING and Upstream.
    """
    service: ProviderService | None = current_app.extensions[PORT]
    return None if service is None else partial(check_participation, actor, service, slot_locator)
