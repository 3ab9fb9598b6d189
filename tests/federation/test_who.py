"""Who a provider's subject is here: made, linked, kept up to date, shut out; and what the audit keeps of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from apiflask import APIFlask

from careapp.access import Actor, Role
from careapp.db import db
from careapp.errors import Unauthenticated
from careapp.identity import federation, users
from careapp.identity.sign_in import sign_in
from careapp.surface.oidc.claims import claim_at
from tests.conftest import TestTenant, everything
from tests.federation.conftest import Browser
from tests.federation.provider import HostileProvider
from tests.identity.people import PASSWORD, a_user
from tests.looking import one, rows

Use = Callable[..., Any]


def stored(god: Actor) -> Any:
    """The only user of the tenant."""
    [found] = rows(god, "SELECT id, email, name, roles, password_hash FROM users WHERE tenant_id = :t", t=god.tenant_id)
    return found


def roles(*names: str) -> dict[str, Any]:
    """The claim with these roles."""
    return {"realm_access": {"roles": list(names)}}


def refused(answer: Any, why: str, status: int = 403) -> None:
    """The page says why."""
    assert answer.status_code == status, answer.text
    assert why in answer.text


def test_a_new_person_becomes_a_user_without_a_password(browser: Browser, god: Actor, idp: HostileProvider) -> None:
    answer = browser.sign_in("/sign-in/oidc?next=/today")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/today")
    assert browser.signed_in
    made = stored(god)
    assert (made.email, made.name, made.roles, made.password_hash) == (
        idp.person["email"], "Daw Mya Sein", ["clinician"], None
    )  # fmt: skip
    acts = [tuple(row) for row in rows(god, "SELECT action, actor, subject FROM audit_event ORDER BY id")]
    me = f"user:{made.id}"
    assert acts[:3] == [
        ("user.create", "identity-provider", me), ("user.federate", "identity-provider", me), ("user.sign_in", me, me)
    ]  # fmt: skip
    assert one(god, "SELECT detail->>'factor' FROM audit_event WHERE action = 'user.sign_in'") == "oidc"
    with pytest.raises(Unauthenticated, match="The e-mail address or the password is not right"):
        sign_in(made.email, "", address="192.0.2.1")
    with pytest.raises(Unauthenticated):
        sign_in(made.email, PASSWORD, address="192.0.2.1")


def test_a_second_sign_in_is_the_same_user(browser: Browser, new_browser: Callable[[], Browser], god: Actor) -> None:
    browser.sign_in()
    second = new_browser()
    second.sign_in(email=None, name="Another Name")
    assert browser.signed_in
    assert second.signed_in
    assert stored(god).name == "Daw Mya Sein"


def test_other_roles_end_what_is_open_and_hold_at_once(
    browser: Browser, new_browser: Callable[[], Browser], god: Actor
) -> None:
    browser.sign_in()
    second = new_browser()
    second.sign_in(**roles("front_desk", "uma_authorization"))
    assert stored(god).roles == ["front_desk"]
    assert not browser.signed_in
    assert second.signed_in
    row = one(god, "SELECT detail FROM audit_event WHERE action = 'user.change'")
    assert (row["before"], row["after"]) == ({"roles": ["clinician"]}, {"roles": ["front_desk"]})
    assert row["sessions_ended"] == 1


@pytest.mark.parametrize(
    "claim",
    [
        roles(), roles("Clinician", "CLINICIAN "), {"realm_access": None}, {"realm_access": "clinician"},
        {"realm_access": 7}, {"realm_access": {"roles": [["clinician"], None, 7]}},
        {"roles": ["clinician"], "realm_access": None},
    ],
)  # fmt: skip
def test_nobody_without_a_role_gets_in(browser: Browser, god: Actor, claim: dict[str, Any]) -> None:
    refused(browser.sign_in(**claim), "you have no role here")
    assert not browser.signed_in
    assert rows(god, "SELECT 1 FROM users WHERE tenant_id = :t", t=god.tenant_id) == []


def test_a_person_whose_roles_are_all_taken_keeps_his_row_and_stays_out(browser: Browser, god: Actor) -> None:
    browser.sign_in()
    browser.post("/sign-out")
    refused(browser.sign_in(**roles()), "you have no role here")
    assert stored(god).roles == ["clinician"]
    assert not browser.signed_in


@pytest.mark.parametrize("claim", [{"tenant": "nowhere"}, {"tenant": None}, {"tenant": 7}, {"tenant": ["a", "b"]}])
def test_nobody_of_no_tenant_gets_in(browser: Browser, claim: dict[str, Any]) -> None:
    refused(browser.sign_in(**claim), "not as a member of a clinic here")


def test_a_tenant_in_a_list_of_one_is_good(browser: Browser, tenant: TestTenant) -> None:
    assert browser.sign_in(tenant=[tenant.key]).status_code == 303


def test_one_subject_is_of_one_tenant(browser: Browser, new_tenant: Callable[..., TestTenant], god: Actor) -> None:
    browser.sign_in()
    browser.post("/sign-out")
    other = new_tenant()
    refused(browser.sign_in(tenant=other.key), "a member of another clinic")
    assert rows(everything(other), "SELECT 1 FROM users WHERE tenant_id = :t", t=other.id) == []


def test_a_disabled_user_stays_out(browser: Browser, god: Actor) -> None:
    browser.sign_in()
    users.disable(god, stored(god).id)
    assert not browser.signed_in
    refused(browser.sign_in(**roles("admin")), "Your account here is disabled.")
    assert stored(god).roles == ["clinician"]


@pytest.mark.parametrize(
    "claim", [{"email_verified": False}, {"email_verified": None}, {"email_verified": "true"}, {"email": None}]
)
def test_an_address_that_is_not_verified_is_nobodys(browser: Browser, god: Actor, claim: dict[str, Any]) -> None:
    assert browser.sign_in(**claim).status_code == 303
    assert stored(god).email.endswith("@federated.invalid")


def test_a_local_user_is_not_taken_over(browser: Browser, god: Actor, idp: HostileProvider) -> None:
    a_user(god, Role.ADMIN, email=idp.person["email"])
    refused(browser.sign_in(**roles("admin")), "Somebody signs in here with your e-mail address")
    assert not browser.signed_in
    assert sign_in(idp.person["email"], PASSWORD, address="192.0.2.1")


def test_a_local_user_is_linked_where_the_installation_says_so(
    browser: Browser, god: Actor, idp: HostileProvider, use: Use
) -> None:
    use(idp.url, oidc_link_by_email=True)
    local = a_user(god, Role.CLINICIAN, email=idp.person["email"])
    assert browser.sign_in(email=idp.person["email"].upper()).status_code == 303
    assert stored(god).id == local.id
    assert one(god, "SELECT user_id FROM federated_identities") == local.id


@pytest.mark.parametrize("claim", [{"email_verified": False}, {"email_verified": "true"}])
def test_an_unverified_address_links_nobody(
    browser: Browser, god: Actor, idp: HostileProvider, use: Use, claim: dict[str, Any]
) -> None:
    use(idp.url, oidc_link_by_email=True)
    local = a_user(god, Role.ADMIN, email=idp.person["email"])
    assert browser.sign_in(**claim, **roles("clinician")).status_code == 303
    assert one(god, "SELECT user_id FROM federated_identities") != local.id


def test_a_user_of_another_tenant_is_never_linked(
    browser: Browser, idp: HostileProvider, use: Use, new_tenant: Callable[..., TestTenant]
) -> None:
    use(idp.url, oidc_link_by_email=True)
    a_user(everything(new_tenant()), Role.ADMIN, email=idp.person["email"])
    refused(browser.sign_in(), "Somebody signs in here with your e-mail address")


def test_a_disabled_local_user_is_not_linked(browser: Browser, god: Actor, idp: HostileProvider, use: Use) -> None:
    use(idp.url, oidc_link_by_email=True)
    users.disable(god, a_user(god, Role.CLINICIAN, email=idp.person["email"]).id)
    refused(browser.sign_in(), "Your account here is disabled.")


def test_linking_never_takes_the_last_administrator(
    browser: Browser, god: Actor, idp: HostileProvider, use: Use
) -> None:
    use(idp.url, oidc_link_by_email=True)
    a_user(god, Role.ADMIN, email=idp.person["email"])
    refused(browser.sign_in(), "This is the last administrator", 409)
    assert stored(god).roles == ["admin"]
    a_user(god, Role.ADMIN)
    assert browser.sign_in().status_code == 303


def test_the_provider_takes_back_what_it_gave_and_can_give_it_again(browser: Browser, god: Actor) -> None:
    browser.sign_in(**roles("admin"))
    browser.post("/sign-out")
    browser.sign_in(**roles("clinician"))
    assert stored(god).roles == ["clinician"]
    browser.post("/sign-out")
    browser.sign_in(**roles("admin"))
    assert stored(god).roles == ["admin"]


def test_two_first_sign_ins_at_once_make_one_user(app: APIFlask, idp: HostileProvider, god: Actor) -> None:
    email = f"once@{god.tenant_key}.example"
    who = federation.Subject(
        idp.url, "at once", god.tenant_id, god.tenant_key, ("clinician",), email, "Ko Ko", None
    )  # fmt: skip

    def arrive(number: int) -> int:
        with app.app_context():
            signed = federation.sign_in(who, address="192.0.2.1", once=f"{god.tenant_key} {number}")
            db.session.remove()
        return signed.tenant_id

    with ThreadPoolExecutor(6) as crowd:
        assert list(crowd.map(arrive, range(6))) == [god.tenant_id] * 6
    assert stored(god).name == "Ko Ko"
    assert one(god, "SELECT count(*) FROM user_session WHERE tenant_id = :t", t=god.tenant_id) == 6


@pytest.mark.parametrize(
    ("path", "found"),
    [("a", 1), ("b.c", [2]), ("b", {"c": [2]}), ("x.y", 3), ("b.c.d", None), ("", None), ("..", None), ("z", None)],
)
def test_claims_are_found_by_name_or_by_dots(path: str, found: Any) -> None:
    assert claim_at({"a": 1, "b": {"c": [2]}, "x.y": 3}, path) == found
