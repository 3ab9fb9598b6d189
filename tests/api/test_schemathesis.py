"""Schemathesis reads the OpenAPI document and holds the application to it: every check, examples to stateful."""

from collections import Counter
from collections.abc import Iterator
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from apiflask import APIFlask
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.engine.run import PhaseName
from schemathesis.transport.wsgi import WSGITransport

from careapp.access import Actor, Role
from careapp.db import db
from careapp.operations.tenants import create_tenant
from careapp.surface.tokens import own_token
from tests.api.calls import CALLS
from tests.conftest import TestTenant, everything, make_app
from tests.database import TestDatabase

CONFIG = Path(__file__).with_name("schemathesis.toml")
PHASES = {PhaseName.EXAMPLES, PhaseName.COVERAGE, PhaseName.FUZZING, PhaseName.STATEFUL_TESTING}
SOCKET_SETTINGS = ("max_redirects", "verify", "cert")


@pytest.fixture
def served(
    database: TestDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[APIFlask, dict[str, str]]]:
    """An application with one of everything in one tenant, and headers of somebody who may do everything there."""
    app = make_app(database, tmp_path_factory.mktemp("var"), internal_tokens="fuzzed:portal-token")
    tenant_id = create_tenant(database.owner, key="fuzzed", name="Fuzzed", time_zone="Asia/Yangon")
    with app.app_context():
        for scene in CALLS.values():
            scene(everything(TestTenant(tenant_id, "fuzzed")))
    somebody = Actor(tenant_id, "fuzzed", "test:everything", frozenset(), frozenset(Role))
    token = own_token(somebody, app.config["SETTINGS"])
    yield app, {"Authorization": f"Bearer {token}", "X-Internal-Token": "portal-token"}
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drop the socket's settings where a check sends a request of its own without a session: Werkzeug knows none."""
    send = WSGITransport.send

    def without_socket(self: WSGITransport, case: Any, *, session: Any = None, **settings: Any) -> Any:
        kept = {name: value for name, value in settings.items() if name not in SOCKET_SETTINGS}
        return send(self, case, session=session, **kept)

    monkeypatch.setattr(WSGITransport, "send", without_socket)


@pytest.mark.usefixtures("in_process")
def test_the_application_does_what_its_document_says(served: tuple[APIFlask, dict[str, str]]) -> None:
    app, headers = served
    document = schemathesis.openapi.from_wsgi("/api/openapi.json", app, config=SchemathesisConfig.from_path(CONFIG))
    document.config.update(headers=headers)
    faults, statuses, phases = [], Counter[int](), set()
    for happened in Context().run(lambda: list(from_schema(document).execute())):
        if isinstance(happened, events.NonFatalError | events.FatalError):
            faults.append(str(happened))
        elif isinstance(happened, events.ScenarioFinished):
            phases.add(happened.phase)
            statuses.update(one.response.status_code for one in happened.recorder.interactions.values() if one.response)
            faults += _failures(happened)
    assert faults == []
    assert phases == PHASES
    assert statuses[200] > 50, statuses
    assert statuses[201] > 30, statuses


def _failures(happened: events.ScenarioFinished) -> list[str]:
    """Every failed check of a scenario, with how to send its request again."""
    return [
        f"{check.failure_info.failure.title}: {check.failure_info.failure.message}\n{check.failure_info.code_sample}"
        for checks in happened.recorder.checks.values()
        for check in checks
        if check.failure_info is not None
    ]
