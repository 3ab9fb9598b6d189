"""A tenant that is suspended, or deleted: people, programs and the portal are refused with their next request."""

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256

import pytest
from apiflask import APIFlask
from sqlalchemy import delete
from werkzeug.test import TestResponse

from careapp import clock
from careapp.access import Actor, Role
from careapp.commands import system_transaction
from careapp.config import new_signing_key
from careapp.db import db
from careapp.errors import Conflict, NotFound, TenantSuspended, Unauthenticated
from careapp.identity import federation, service_clients
from careapp.identity.federation import Subject
from careapp.identity.models import SignInAttempts
from careapp.identity.second_stage import HalfSignedIn, finish_by_code
from careapp.identity.sign_in import REFUSED, sign_in
from careapp.imports.run import import_files
from careapp.operations import tenant_deletion, tenants
from careapp.signing import signed_headers
from careapp.surface.internal_credentials import CREDENTIALS, HEADER, KEYS, SigningKeys
from careapp.surface.oidc.claims import subject_of
from careapp.surface.signing_keys import signing_keys
from careapp.surface.tokens import OWN_KEYS, RULES, client_token, own_rules
from tests import factories as make
from tests.api.client import Api, is_problem, speaking_for
from tests.conftest import TestTenant
from tests.identity.enrolled import somebody, with_app, with_passkey
from tests.identity.people import PASSWORD, a_user, peer
from tests.identity.test_second_stage import alone, now_of
from tests.looking import audits, execute, newest, one
from tests.web.conftest import Desk, desk

__all__ = ["desk"]  # a fixture

SECRET = "a secret of more than thirty-two bytes"
SCOPES = ("patient.read", "episode.read")


@pytest.fixture(autouse=True)
def no_failures_yet(app: APIFlask) -> None:
    """Forget the wrong credentials of other tests: all of them come from one network address."""
    with system_transaction(None):
        db.session.execute(delete(SignInAttempts))


@pytest.fixture
def owner(app: APIFlask) -> str:
    """The address of the database's owner."""
    return str(app.config["DATABASE_OWNER_URL"])


@pytest.fixture
def programs(
    app: APIFlask, tenant: TestTenant, god: Actor, front_desk: Actor, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Callable[[], TestResponse]]:
    """Every way a program has of asking for the same episodes, by name; each was let in once."""
    member = make.an_episode(god).party_locator
    path = f"/internal/members/{member}/episodes"
    monkeypatch.setitem(app.extensions, CREDENTIALS, [(tenant.key, sha256(b"TOKEN").digest())])
    monkeypatch.setitem(app.extensions, KEYS, SigningKeys({"one": (tenant.key, SECRET)}))
    keys = signing_keys(new_signing_key())
    own = own_rules(app.config["SETTINGS"], keys)
    assert own
    monkeypatch.setitem(app.extensions, OWN_KEYS, keys)
    monkeypatch.setitem(app.extensions, RULES, {**app.extensions[RULES], own.issuer: own})
    client, _ = service_clients.create_client(god, name="Laboratory", roles=[Role.CLINICIAN], scopes=SCOPES)
    bearer = client_token(client, tenant.key, frozenset(SCOPES), app.config["SETTINGS"], keys[0])
    by_client = Api(app, {"Authorization": f"Bearer {bearer}"})
    user = speaking_for(app, make.a_person(god, Role.CLINICIAN))
    stranger = speaking_for(app, front_desk)

    def signed() -> TestResponse:
        right = {"tenant": tenant.key, "key_id": "one", "secret": SECRET, "body": b""}
        return Api(app, signed_headers("GET", path, **right), base="").get(path)

    ways = {
        "token of a user": lambda: user.get("/episodes"),
        "token of somebody the provider alone knows": lambda: stranger.get("/episodes"),
        "token of a service client": lambda: by_client.get("/episodes"),
        "portal by token": lambda: Api(app, {HEADER: "TOKEN"}, base="").get(path),
        "portal by signature": signed,
    }
    assert {name: way().status_code for name, way in ways.items()} == dict.fromkeys(ways, 200)
    return ways


def test_a_session_is_refused_with_its_next_request_and_goes_on_afterwards(
    owner: str, god: Actor, desk: Callable[..., Desk]
) -> None:
    browser, seen = desk(Role.FRONT_DESK), "SELECT last_seen_at FROM user_session"
    browser.get("/today")
    before = one(god, seen)
    tenants.suspend(owner, god, by="The board", reason="Invoices unpaid")
    with clock.at(later := clock.now() + timedelta(minutes=2)):
        page = browser.open("GET", "/today")
    assert page.status_code == 403
    assert "Access for your organisation is suspended" in page.text
    assert "Invoices" not in page.text
    assert "/sign-out" not in page.text, "it is drawn as for nobody"
    part = browser.open("GET", "/today", htmx=True)
    assert (part.status_code, part.headers["HX-Retarget"]) == (403, "#alerts")
    assert browser.open("GET", "/sign-in").status_code == 200, "nobody is led round in circles"
    assert one(god, seen) == before, "it is not kept alive"
    tenants.resume(owner, god, by="The bursar")
    with clock.at(later):
        browser.get("/today")
    assert one(god, seen) == later, "as it is where nobody is suspended"


def test_what_was_sent_changes_nothing(owner: str, god: Actor, desk: Callable[..., Desk]) -> None:
    browser = desk(Role.ADMIN)
    form = browser.forms("/admin/settings")["/admin/settings"]
    tenants.suspend(owner, god, by="test", reason="x")
    assert browser.send(form, name="Another name").status_code == 403
    assert one(god, "SELECT name FROM tenant_settings") != "Another name"


@pytest.mark.parametrize("ending", ["suspended", "deleted"])
def test_a_form_that_comes_after_its_session_is_kept_for_nobody(
    owner: str, god: Actor, desk: Callable[..., Desk], ending: str
) -> None:
    """Where people are let in it would be kept as a draft: of these nothing is written any more."""
    browser, register = desk(Role.FRONT_DESK), "/patients/new"
    typed = {**browser.forms(register)[register].values, "given": "Ei", "family": "Phyu", "gender": "female"}
    execute(god, "UPDATE user_session SET last_seen_at = now() - interval '16 minutes'")
    if ending == "suspended":
        tenants.suspend(owner, god, by="test", reason="x")
    else:
        tenant_deletion.begin(owner, god, by="test", reason="Closed", export=None)
    assert browser.open("POST", register, data=typed).status_code == 303
    assert one(god, "SELECT count(*) FROM form_drafts") == 0


def test_programs_are_told_by_a_code_of_its_own(
    owner: str, god: Actor, programs: dict[str, Callable[[], TestResponse]]
) -> None:
    tenants.suspend(owner, god, by="test", reason="x")
    for way in programs.values():
        is_problem(way(), 403, "TENANT_SUSPENDED")
    assert one(god, "SELECT count(*) FROM internal_nonces") == 1, "what is refused uses up no nonce"
    tenants.resume(owner, god, by="The bursar")
    assert {way().status_code for way in programs.values()} == {200}


def test_a_service_client_gets_no_token(app: APIFlask, owner: str, god: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.extensions, OWN_KEYS, signing_keys(new_signing_key()))
    client, secret = service_clients.create_client(god, name="Lab", roles=[Role.CLINICIAN], scopes=SCOPES)
    tenants.suspend(owner, god, by="test", reason="x")

    def ask(told: str) -> TestResponse:
        form, http = {"grant_type": "client_credentials"}, app.test_client(use_cookies=False)
        return http.post("/oauth/token", data=form, auth=(client.client_id, told))

    assert (ask(secret).status_code, ask(secret).json["error"]) == (400, "unauthorized_client")
    assert ask("another").status_code == 401, "who knows no secret learns nothing"
    told = [row for row in audits(god) if row.action == "client.token"]
    assert [(row.outcome, row.detail.get("code")) for row in told] == [("refused", "TENANT_SUSPENDED")] * 2 + [
        ("refused", None)
    ]


def test_nobody_signs_in(owner: str, god: Actor) -> None:
    (_, email), (with_code, his), (with_key, _) = (somebody(god) for _ in range(3))
    code, device = with_app(with_code), with_passkey(with_key)
    half = sign_in(his, PASSWORD, address=peer())
    assert isinstance(half, HalfSignedIn)
    before = newest(god)["audits"]
    tenants.suspend(owner, god, by="test", reason="x")
    with pytest.raises(Unauthenticated, match=REFUSED[:20]):
        sign_in(email, "not his password", address=peer())
    for way in (
        lambda: sign_in(email, PASSWORD, address=peer()),
        lambda: finish_by_code(half, now_of(code), address=peer()),
        lambda: alone(device, peer()),
    ):
        with pytest.raises(TenantSuspended):
            way()
    assert one(god, "SELECT count(*) FROM user_session") == 0
    told = [row for row in audits(god, after=before) if row.action == "user.sign_in"]
    assert [row.detail.get("code") for row in told] == [None, *["TENANT_SUSPENDED"] * 3]


def of_the_provider(tenant: TestTenant) -> Subject:
    """Somebody new, as an identity provider speaks of him."""
    return Subject("https://idp.example", "new", tenant.id, tenant.key, ("clinician",), None, "Ma Nu", None)


def test_nobody_signs_in_by_the_identity_provider_or_is_made(owner: str, god: Actor, tenant: TestTenant) -> None:
    before = one(god, "SELECT count(*) FROM users")
    tenants.suspend(owner, god, by="test", reason="x")
    with pytest.raises(TenantSuspended):
        federation.sign_in(of_the_provider(tenant), address=peer(), once="n1")
    assert one(god, "SELECT count(*) FROM users") == before
    told = [row for row in audits(god) if row.action == "user.sign_in"]
    assert [(row.outcome, row.detail["code"]) for row in told] == [("refused", "TENANT_SUSPENDED")]


def test_the_sign_in_page_tells_who_knows_the_password(
    app: APIFlask, owner: str, god: Actor, desk: Callable[..., Desk]
) -> None:
    user, browser = a_user(god), desk(Role.FRONT_DESK)
    tenants.suspend(owner, god, by="test", reason="x")
    answer = browser.fill("/sign-in", email=user.email, password=PASSWORD)
    assert answer.status_code == 403
    assert "Access for your organisation is suspended" in answer.text


def test_the_log_says_who_and_why_and_once(owner: str, god: Actor) -> None:
    tenants.suspend(owner, god, by="The board", reason="Invoices unpaid")
    with pytest.raises(Conflict, match="is suspended already"):
        tenants.suspend(owner, god, by="test", reason="again")
    tenants.resume(owner, god, by="The bursar")
    with pytest.raises(Conflict, match="is not suspended"):
        tenants.resume(owner, god, by="The bursar")
    told = [row for row in audits(god) if row.action in ("tenant.suspend", "tenant.resume")]
    assert [(row.action, row.actor, row.subject, row.detail) for row in told if row.outcome == "done"] == [
        ("tenant.suspend", god.name, god.tenant_key, {"by": "The board", "reason": "Invoices unpaid"}),
        ("tenant.resume", god.name, god.tenant_key, {"by": "The bursar"}),
    ]


def test_the_commands(app: APIFlask, god: Actor) -> None:
    def flask(*words: str) -> tuple[int, str]:
        done = app.test_cli_runner().invoke(args=["tenant", *words])
        return done.exit_code, done.output

    by, why = ("--by", "The board"), ("--reason", "Moved away")
    for lacking in (("suspend", *by), ("suspend", *why), ("resume",), ("export", "all.zip")):
        assert flask(lacking[0], god.tenant_key, *lacking[1:])[0] == 2, "who decided it has to be said, and why"
    assert flask("suspend", god.tenant_key, *by, *why)[0] == 0
    assert f"{god.tenant_key}  suspended since " in flask("list")[1]
    again = flask("suspend", god.tenant_key, *by, *why)
    assert (again[0], "suspended already" in again[1]) == (1, True)
    assert flask("resume", god.tenant_key, *by)[0] == 0
    assert god.tenant_key in flask("list")[1].splitlines()
    nobody = flask("resume", "nobody", *by)
    assert (nobody[0], "There is no tenant nobody" in nobody[1]) == (1, True)


def test_another_tenant_notices_nothing(
    owner: str, god: Actor, new_tenant: Callable[..., TestTenant], programs: dict[str, Callable[[], TestResponse]]
) -> None:
    other = new_tenant()
    tenants.suspend(owner, Actor(other.id, other.key, "test", god.permissions), by="test", reason="x")
    assert {way().status_code for way in programs.values()} == {200}


def test_of_a_deleted_one_all_are_strangers_at_once(
    app: APIFlask, owner: str, god: Actor, tenant: TestTenant, desk: Callable[..., Desk],
    programs: dict[str, Callable[[], TestResponse]],
) -> None:  # fmt: skip
    """From the tombstone on, before any row went; processes that know the tenant's key are no exception."""
    browser, (_, email) = desk(Role.FRONT_DESK), somebody(god)
    browser.get("/today")
    tenant_deletion.begin(owner, god, by="test", reason="Closed", export=None)
    assert one(god, "SELECT count(*) FROM users WHERE disabled_at IS NULL") > 0
    led = browser.open("GET", "/today")
    assert (led.status_code, led.headers["Location"].partition("?")[0]) == (303, "/sign-in")
    for way in programs.values():
        is_problem(way(), 401, "UNAUTHENTICATED")
    with pytest.raises(Unauthenticated, match=REFUSED[:20]):
        sign_in(email, PASSWORD, address=peer())
    with pytest.raises(Unauthenticated):
        federation.sign_in(of_the_provider(tenant), address=peer(), once="n1")
    claims = {"iss": "https://idp.example", "sub": "new", "tenant": tenant.key}
    settings = app.config["SETTINGS"].model_copy(update={"oidc_tenant_claim": "tenant"})
    assert subject_of(claims, settings) is None
    with pytest.raises(NotFound):
        import_files([], tenant_key=tenant.key, progress=lambda _: None)
    with pytest.raises(Conflict, match="never another's"):
        tenants.create_tenant(owner, key=tenant.key, name="Another", time_zone="UTC")
    with pytest.raises(Conflict, match="is not suspended"):
        tenants.resume(owner, god, by="The bursar")
