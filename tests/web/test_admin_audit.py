"""The page of the audit log: its words, its filters in the address, finding a person, and the export."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from careapp.access import Actor, Role
from careapp.episodes import queries as episodes
from careapp.errors import Forbidden
from careapp.patients import queries as patients
from careapp.web.admin.audit_file import harmless
from tests import factories as make
from tests.identity.people import a_user
from tests.looking import audits
from tests.web.conftest import Desk


@pytest.fixture
def auditor(desk: Callable[..., Desk]) -> Desk:
    """An auditor's browser."""
    return desk(Role.AUDITOR, name="Freya Auditor")


def as_user(god: Actor, user: Any, *permissions: Any) -> Actor:
    """The actor of a user, with all permissions unless some are named."""
    return Actor(god.tenant_id, god.tenant_key, f"user:{user.id}", frozenset(permissions) or god.permissions)


def test_acts_are_told_in_words_with_the_name_of_staff_and_none_of_patients(auditor: Desk, god: Actor) -> None:
    nurse = a_user(god, Role.CLINICIAN, name="Ma Hla <Night>")
    episode = make.an_episode(god)
    episodes.get_episode(as_user(god, nurse), episode.locator)
    patients.search_patients(as_user(god, nurse), name="Testowa")
    with pytest.raises(Forbidden):
        episodes.get_episode(as_user(god, nurse, "audit.view"), episode.locator)
    page = auditor.get(f"/admin/audit?actor=user:{nurse.id}").text
    name = "<strong>Ma Hla &lt;Night&gt;</strong>"
    assert f'{name} opened <span class="locator">{episode.locator}</span>' in page
    assert f"{name} searched for patients" in page
    assert "was refused" in page
    assert "the role does not allow it" in page
    assert episode.party_locator in page
    assert "Testowa" not in page.replace("Testowa-", "")
    assert "What was typed, or of a clinical kind." in page


def test_filters_stand_in_the_address(auditor: Desk, god: Actor) -> None:
    first, second = make.an_episode(god), make.an_episode(god)
    for query, shown, hidden in (
        (f"patient={first.party_locator.lower()}", first.locator, second.locator),
        (f"patient={first.party_locator.replace('-', '').lower()}", first.locator, second.locator),
        (f"subject={second.locator}", second.locator, first.locator),
        (f"action=episode.open&patient={first.party_locator}", first.locator, second.locator),
        ("outcome=done&since=2020-01-01T00:00", first.locator, "refused “"),
    ):
        page = auditor.get(f"/admin/audit?{query}").text
        log = page[page.index('id="log"') :]
        assert shown in log, query
        assert hidden not in log, query
    assert "Nothing in the log meets this." in auditor.get("/admin/audit?until=2020-01-01T00:00").text
    assert "<h1" not in auditor.get("/admin/audit?outcome=done", htmx=True).text


def test_a_filter_that_means_nothing_is_refused(auditor: Desk) -> None:
    for query in ("since=yesterday", "outcome=maybe", "cursor=x"):
        assert auditor.open("GET", f"/admin/audit?{query}").status_code == 422, query
    for no_number in ("42", "Mi Mi Thwin", "EPI-2026-000042"):
        page = auditor.open("GET", f"/admin/audit?patient={no_number}")
        assert page.status_code == 422
        assert "Patient number: Give a number such as PTY-2026-000042." in page.text
        assert "Nothing in the log meets this" not in page.text


def test_the_log_goes_on_with_a_cursor(auditor: Desk, god: Actor, statements: Callable[[], Any]) -> None:
    for _ in range(30):
        make.an_episode(god)
    with statements() as seen:
        page = auditor.get("/admin/audit?outcome=done").text
    assert len(seen) == 6, seen  # zone, the log, its own audit, names, the last seal, what waits for the next
    further = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "outcome=done" in further
    assert auditor.get(further).text.count("<details>") > 5


def test_a_person_is_found_by_name_and_becomes_a_number_in_the_address(auditor: Desk, god: Actor) -> None:
    nurse = a_user(god, Role.CLINICIAN, name="Daw Khin Test")
    form = auditor.forms("/admin/audit?outcome=seen")["/admin/audit/people?outcome=seen"]
    for htmx in (True, False):
        answer = auditor.send(form, q="khin", htmx=htmx)
        assert f'href="/admin/audit?actor=user%3A{nurse.id}&amp;outcome=seen"' in answer.text.replace(
            f"outcome=seen&amp;actor=user%3A{nurse.id}", f"actor=user%3A{nurse.id}&amp;outcome=seen"
        )
        assert ("<h1" in answer.text) is not htmx
    assert "Nobody. Try fewer letters." in auditor.send(form, q="100%", htmx=True).text


def test_each_search_and_export_is_audited(auditor: Desk, god: Actor) -> None:
    party = make.a_patient(god).locator
    auditor.get(f"/admin/audit?patient={party}")
    auditor.open("GET", f"/admin/audit.csv?patient={party}")
    search, export = audits(god)[-2:]
    assert (search.action, search.outcome, search.subject, search.patients) == ("audit.search", "seen", party, [party])
    assert search.detail == {"filter": {"patient": party}, "rows": 1}
    assert (export.action, export.detail["rows"]) == ("audit.export", 2)


def test_the_export_is_the_filter_as_a_file(auditor: Desk, god: Actor) -> None:
    episode = make.an_episode(god)
    answer = auditor.open("GET", f"/admin/audit.csv?subject={episode.locator}")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="audit-2')
    assert answer.headers["Cache-Control"] == "no-store"
    head, row = csv.reader(io.StringIO(answer.get_data(as_text=True).removeprefix("\ufeff")))
    told = dict(zip(head, row, strict=True))
    assert (told["action"], told["subject"], told["patients"]) == (
        "episode.open",
        episode.locator,
        episode.party_locator,
    )
    assert head[0] == "time (Asia/Yangon)"


def test_a_cell_computes_nothing() -> None:
    for cell in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"):
        assert harmless(cell) == f"'{cell}"
    assert harmless("EPI-2026-000001") == "EPI-2026-000001"
