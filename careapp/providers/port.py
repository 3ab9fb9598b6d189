"""The provider port: whether a provider takes part in the network, as the service that keeps providers says.

In process it is nothing: the booking's own statement reads the directory here. Where `PROVIDER_SERVICE_URL` names
another service, that one is asked first, by the contract this application serves itself: GET
/internal/providers/{locator}, signed.
"""

import time
from collections.abc import Callable
from urllib.parse import quote

from careapp.config import Settings
from careapp.errors import Upstream
from careapp.signing import signed_headers
from careapp.upstream import Service

KEPT = 5.0  # seconds an answer is good for; a provider who was just deactivated may be booked that long
MOST_KEPT = 10_000


class ProviderService:
    """Another service that keeps providers. Shared by all threads of a process."""

    def __init__(
        self, base_url: str, keys: list[tuple[str, str, str]], *, service: Service | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._service = service or Service(base_url)
        self._clock = clock
        # The first of a tenant's keys signs; a second one is for the days of a change.
        self._keys = {tenant: (key_id, secret) for tenant, key_id, secret in reversed(keys)}
        self._kept: dict[tuple[str, str], tuple[float, str | None]] = {}

    @classmethod
    def of(cls, settings: Settings) -> "ProviderService | None":
        """The service the settings name; None, where providers are kept here."""
        if not settings.provider_service_url:
            return None
        return cls(settings.provider_service_url, settings.provider_service_signing_keys())

    @property
    def breaker_open(self) -> bool:
        """Whether the service has failed too often to be asked."""
        return self._service.breaker.open

    def network_status(self, tenant_key: str, locator: str) -> str | None:
        """The provider's network status, None for one the service does not know; answers are kept for a moment.

        Raises Upstream where the service does not answer within 2.5 seconds, or has failed too often to be asked, and
        where there is no key for the tenant.
        """
        known = self._kept.get((tenant_key, locator))
        if known and self._clock() - known[0] < KEPT:
            return known[1]
        if tenant_key not in self._keys:
            raise Upstream("The provider service cannot be asked: there is no key for this tenant.")
        key_id, secret = self._keys[tenant_key]

        def signed(path: str) -> dict[str, str]:
            return signed_headers("GET", path, b"", tenant=tenant_key, key_id=key_id, secret=secret)

        answer = self._service.get_json(f"/internal/providers/{quote(locator, safe='')}", signed)
        status = answer.get("networkStatus") if answer is not None else None
        if status is not None and not isinstance(status, str):
            raise Upstream("The provider service gave an answer nobody can read.")
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[tenant_key, locator] = (self._clock(), status)
        return status
