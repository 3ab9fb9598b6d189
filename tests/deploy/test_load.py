"""The load plan: it loads only what it may, reads forms as a browser sends them, and its verdict can say no."""

from types import SimpleNamespace

import pytest

from deploy.load import forms, run, verdict


@pytest.mark.parametrize("host", ["http://127.0.0.1:8000", "http://127.8.9.1", "http://[::1]:8000", "http://localhost"])
def test_this_machine_may_be_loaded(host: str) -> None:
    assert run.is_here(host)


@pytest.mark.parametrize(
    "host",
    [
        "https://clinic.example", "http://10.0.0.8", "http://127.0.0.1.example", "http://localhost.example",
        "http://127.0.0.1@clinic.example", "http://0.0.0.0:8000", "127.0.0.1:8000", "",
    ],
)  # fmt: skip
def test_another_is_refused_unless_one_says_so(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert not run.is_here(host)
    with pytest.raises(SystemExit) as refused:
        run.main(["--host", host])
    assert refused.value.code == 2
    assert "--this-is-my-server" in capsys.readouterr().err


def test_elsewhere_no_credentials_of_the_demo_are_sent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in run.NEEDED:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit):
        run.main(["--host", "https://clinic.example", "--this-is-my-server"])
    assert f"set {', '.join(run.NEEDED)}" in capsys.readouterr().err


def test_it_ends_within_an_hour(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(["--seconds", "3601"])
    assert "--seconds is 1 to 3600" in capsys.readouterr().err


def test_a_form_is_read_as_a_browser_sends_it() -> None:
    page = """<a href="/today">Today</a><input name="outside" value="1">
    <form method="post" action="/today/APT-1/arrive?clinic=C&amp;tab=due"><input type="hidden" name="version" value="3">
    <input type="checkbox" name="no" value="1"><input type="checkbox" name="yes" value="1" checked><input type="submit">
    <select name="category"><option value="PATIENT">P</option><option value="CLINIC" selected>C</option></select>
    <textarea name="reason"></textarea></form><form action="/find"><input name="q"></form>"""
    found, links = forms.read(page)
    assert links == ["/today"]
    assert [(one.method, one.action) for one in found] == [
        ("post", "/today/APT-1/arrive?clinic=C&tab=due"), ("get", "/find"),
    ]  # fmt: skip
    assert [one.values for one in found] == [
        {"version": "3", "yes": "1", "category": "CLINIC", "reason": ""}, {"q": ""},
    ]  # fmt: skip


def measured(p95: float, *, count: int = 100, failures: float = 0.0) -> SimpleNamespace:
    """Figures as locust keeps them, of one page."""
    page = SimpleNamespace(
        name="/today", method="GET", num_requests=count, get_response_time_percentile=lambda share: p95
    )
    return SimpleNamespace(entries={"/today": page}, total=SimpleNamespace(num_requests=count, fail_ratio=failures))


def test_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict.judge(measured(500), 0) == 0
    assert "kept        500      500     100  GET /today" in capsys.readouterr().out
    assert verdict.judge(measured(501), 0) == 1
    assert "MISSED" in capsys.readouterr().out
    assert verdict.judge(measured(10, failures=0.02), 0) == 1
    assert verdict.judge(measured(10), 1) == 1, "somebody could not go on"
    assert verdict.judge(measured(9000, count=3), 0) == 0, "three say nothing"
    assert verdict.judge(measured(0, count=0), 0) == 2


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("sign in", 2000),
        ("/today poll", 150),
        ("/today", 500),
        ("/episodes poll", 150),
        ("/episodes/{episode}", 500),
        ("/api book", 300),
        ("/internal/x", 250),
    ],
)
def test_each_kind_has_its_threshold(name: str, limit: int) -> None:
    assert verdict.allowed(name) == limit
