"""Two listeners as an installation has them: real servers, one with the portal's routes and one with all the rest."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
from apiflask import APIFlask

from bench import servers
from bench.servers import web_server
from careapp.access import Actor
from careapp.operations.tenants import create_tenant
from careapp.signing import signed_headers
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.database import TestDatabase

SECRET = "a secret of the portal of more than thirty-two bytes"
SETTINGS: dict[str, dict[str, str]] = {
    "public": {"INTERNAL_TOKENS": f"listeners:{SECRET}"},
    "internal": {
        "INTERNAL_TOKENS": f"listeners:{SECRET}",
        "INTERNAL_KEYS": f"listeners:one:{SECRET}",
        "INTERNAL_REQUIRE_SIGNED": "1",
    },
}
PUBLIC = ("/sign-in", "/api/openapi.json", "/api/v1/episodes", "/static/app.css", "/oauth/token", "/")


@pytest.fixture(scope="module")
def listeners(
    database: TestDatabase, app: APIFlask, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The addresses of the two; the internal one takes signed requests only."""
    servers.VAR.mkdir(parents=True, exist_ok=True)
    environment = {
        "DATABASE_URL": database.app, "DATABASE_OWNER_URL": database.owner, "DATABASE_RELAY_URL": database.relay,
        "CAREAPP_ENV": "development", "CAREAPP_VAR": str(tmp_path_factory.mktemp("var")),
    }  # fmt: skip
    with ExitStack() as stack:
        yield {
            surfaces: f"http://127.0.0.1:{stack.enter_context(web_server(settings)).port}"
            for surfaces in ("public", "internal")
            for settings in [{**environment, **SETTINGS[surfaces], "SURFACES": surfaces}]
        }


@pytest.fixture(scope="module")
def portal_tenant(app: APIFlask) -> TestTenant:
    """The tenant whose key the listeners hold."""
    made = create_tenant(
        app.config["DATABASE_OWNER_URL"], key="listeners", name="Listeners", time_zone="Asia/Yangon"
    )  # fmt: skip
    return TestTenant(made, "listeners")


@pytest.fixture
def path(portal_tenant: TestTenant) -> str:
    """The episodes of a member of that tenant."""
    actor: Actor = everything(portal_tenant)
    return f"/internal/members/{make.an_episode(actor).party_locator}/episodes?status=OPEN"


def signed(path: str) -> dict[str, str]:
    return signed_headers("GET", path, b"", tenant="listeners", key_id="one", secret=SECRET)


def test_the_internal_listener_serves_signed_requests_and_nothing_else(listeners: dict[str, str], path: str) -> None:
    inside = listeners["internal"]
    answer = httpx.get(inside + path, headers=signed(path))
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["items"]) == 1
    assert httpx.get(inside + path, headers={"X-Internal-Token": SECRET}).status_code == 401
    assert httpx.get(f"{inside}{path}&limit=1", headers=signed(path)).status_code == 401
    for address in PUBLIC:
        assert httpx.get(inside + address).status_code == 404, address
    assert httpx.get(f"{inside}/readyz").status_code == 200


def test_the_public_listener_has_no_internal_route(listeners: dict[str, str], path: str) -> None:
    outside = listeners["public"]
    for headers in (signed(path), {"X-Internal-Token": SECRET}, {}):
        assert httpx.get(outside + path, headers=headers).status_code == 404
    assert httpx.get(f"{outside}/sign-in").status_code == 200


def test_two_workers_serve_one_of_fifteen_copies(listeners: dict[str, str], path: str) -> None:
    headers = signed(path)
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda _: httpx.get(listeners["internal"] + path, headers=headers), range(15)))
    assert sorted(answer.status_code for answer in answers) == [200, *[401] * 14]


def test_the_signature_holds_through_escapes(listeners: dict[str, str], path: str) -> None:
    odd = path.replace("/internal/", "/%69nternal/")
    assert httpx.get(listeners["internal"] + odd, headers=signed(path)).status_code == 200
    assert httpx.get(listeners["internal"] + path, headers=signed(odd)).status_code == 200
