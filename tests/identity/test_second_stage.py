"""Second factors on the database: enrolment, one use of each code, half sessions, and every refusal of a passkey."""

import json
import time as seconds
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from apiflask import APIFlask

from careapp import clock
from careapp.access import Actor, Role
from careapp.errors import Conflict, Invalid, NotFound, TooMany, Unauthenticated
from careapp.identity import challenges, factors, passkeys, recovery, second_stage, sessions, totp, users
from careapp.identity.passkeys import Site
from careapp.identity.second_stage import HalfSignedIn, Over
from careapp.identity.sign_in import SignedIn, sign_in
from tests.conftest import TestTenant, everything
from tests.identity.authenticator import ELIGIBLE, HERE, PRESENT, VERIFIED, Authenticator
from tests.identity.enrolled import NO_SESSION, somebody, with_app, with_passkey
from tests.identity.people import PASSWORD
from tests.identity.test_sign_in import PEERS, Clock
from tests.looking import audits, execute, one, rows


@pytest.fixture
def peer() -> str:
    """A network address no other test uses."""
    return next(PEERS)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that the test moves."""
    moving = Clock()
    monkeypatch.setattr(clock, "now", moving.now)
    return moving


@pytest.fixture
def person(app: APIFlask, admin: Actor) -> tuple[Actor, str]:
    """Somebody without a second factor, and his e-mail address."""
    return somebody(admin)


def half_of(email: str, peer: str) -> HalfSignedIn:
    """What the right password brings who has a second factor."""
    held = sign_in(email, PASSWORD, address=peer)
    assert isinstance(held, HalfSignedIn)
    return held


def now_of(app: pyotp.TOTP) -> str:
    return app.at(int(seconds.time()))


def test_without_a_second_factor_the_password_is_enough(person: tuple[Actor, str], peer: str) -> None:
    actor, email = person
    assert isinstance(sign_in(email, PASSWORD, address=peer), SignedIn)
    assert one(actor, "SELECT factors FROM user_session") == ["password"]


def test_an_app_counts_from_its_first_code_on(person: tuple[Actor, str], peer: str) -> None:
    actor, email = person
    totp.begin(actor)
    waiting = totp.pending(actor)
    assert waiting
    assert isinstance(sign_in(email, PASSWORD, address=peer), SignedIn), "begun is not in use"
    with pytest.raises(Invalid):
        totp.confirm(actor, session_id=NO_SESSION, code="000000x")
    app = pyotp.parse_uri(waiting.uri)
    assert isinstance(app, pyotp.TOTP)
    assert app.secret == waiting.secret.replace(" ", "")
    codes = totp.confirm(actor, session_id=NO_SESSION, code=now_of(app))
    assert len(codes) == recovery.HOW_MANY == len(set(codes))
    assert totp.pending(actor) is None
    assert isinstance(sign_in(email, PASSWORD, address=peer), HalfSignedIn)
    with pytest.raises(Conflict):
        totp.confirm(actor, session_id=NO_SESSION, code=now_of(app))


def test_an_enrolment_that_waits_too_long_is_begun_again(person: tuple[Actor, str], time: Clock) -> None:
    actor, _email = person
    totp.begin(actor)
    time.go(minutes=16)
    assert totp.pending(actor) is None


def test_the_secret_is_not_readable_in_the_database(person: tuple[Actor, str]) -> None:
    actor, _email = person
    app = with_app(actor)
    totp.begin(actor)
    [kept] = rows(actor, "SELECT secret, pending FROM totp_factors")
    for text in kept:
        assert text.startswith("enc1:")
        assert app.secret not in text


def test_a_secret_copied_to_somebody_else_is_no_secret_of_his(
    admin: Actor, person: tuple[Actor, str], peer: str
) -> None:
    actor, _email = person
    thief, mail = somebody(admin)
    mine, _theirs = with_app(actor), with_app(thief)
    execute(
        actor, "UPDATE totp_factors SET secret = (SELECT secret FROM totp_factors WHERE user_id = :mine)"
        " WHERE user_id = :his", mine=actor.user_id, his=thief.user_id,
    )  # fmt: skip
    with pytest.raises(Unauthenticated):
        second_stage.finish_by_code(half_of(mail, peer), now_of(mine), address=peer)


def test_a_code_works_once_and_an_earlier_one_never_after_it(person: tuple[Actor, str], peer: str) -> None:
    actor, email = person
    app, moment = with_app(actor), int(seconds.time())
    used, earlier = app.at(moment), app.at(moment - 30)
    held = second_stage.finish_by_code(half_of(email, peer), used, address=peer)
    assert held.tenant_id == actor.tenant_id
    assert sorted(rows(actor, "SELECT factors FROM user_session")[0][0]) == ["password", "totp"]
    for code in (used, earlier):
        with pytest.raises(Unauthenticated):
            second_stage.finish_by_code(half_of(email, peer), code, address=peer)


@pytest.mark.parametrize(("off", "taken"), [(-90, False), (-60, False), (30, True), (60, False)])
def test_a_clock_may_be_one_step_off(person: tuple[Actor, str], peer: str, time: Clock, off: int, taken: bool) -> None:
    actor, email = person
    totp.begin(actor)
    waiting = totp.pending(actor)
    assert waiting
    app = pyotp.TOTP(waiting.secret.replace(" ", ""))
    totp.confirm(actor, session_id=NO_SESSION, code=app.at(int(time.moment.timestamp())))
    time.go(minutes=10)
    code = app.at(int(time.moment.timestamp()) + off)
    if taken:
        assert second_stage.finish_by_code(half_of(email, peer), code, address=peer)
    else:
        with pytest.raises(Unauthenticated):
            second_stage.finish_by_code(half_of(email, peer), code, address=peer)


def test_a_recovery_code_works_once_however_it_is_typed(person: tuple[Actor, str], peer: str) -> None:
    actor, email = person
    with_app(actor)
    codes = recovery.make(actor)
    typed = f" {codes[3].upper().replace('-', ' ')} "
    assert second_stage.finish_by_code(half_of(email, peer), typed, address=peer)
    assert factors.own_factors(actor).recovery_codes == recovery.HOW_MANY - 1
    with pytest.raises(Unauthenticated):
        second_stage.finish_by_code(half_of(email, peer), codes[3], address=peer)
    newer = recovery.make(actor)
    with pytest.raises(Unauthenticated):
        second_stage.finish_by_code(half_of(email, peer), codes[4], address=peer)
    assert second_stage.finish_by_code(half_of(email, peer), newer[0], address=peer)
    stored = rows(actor, "SELECT encode(code_hash, 'hex') FROM recovery_codes")
    assert all(len(kept) == 64 for [kept] in stored)


def test_a_half_session_is_good_for_nothing_else(app: APIFlask, person: tuple[Actor, str], peer: str) -> None:
    actor, email = person
    with_app(actor)
    held = half_of(email, peer)
    assert sessions.session_actor(held.tenant_id, held.half, settings=app.config["SETTINGS"]) is None
    assert rows(actor, "SELECT 1 FROM user_session") == []


def test_a_half_session_is_used_once(person: tuple[Actor, str], peer: str) -> None:
    actor, email = person
    with_app(actor)
    first, second = recovery.make(actor)[:2]
    held = half_of(email, peer)
    second_stage.finish_by_code(held, first, address=peer)
    with pytest.raises(Over):
        second_stage.finish_by_code(held, second, address=peer)


CHANGES: dict[str, Callable[[Actor, Actor, Clock], Any]] = {
    "five minutes": lambda god, actor, time: time.go(minutes=5),
    "a new password": lambda god, actor, time: users.set_password(
        god, actor.user_id, password="nine blue herons at dusk"
    ),
    "disabled": lambda god, actor, time: users.disable(god, actor.user_id),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_half_session_ends_with(person: tuple[Actor, str], god: Actor, peer: str, time: Clock, change: str) -> None:
    actor, email = person
    with_app(actor)
    [code, *_rest] = recovery.make(actor)
    held = half_of(email, peer)
    CHANGES[change](god, actor, time)
    with pytest.raises(Over):
        second_stage.ways(held)
    with pytest.raises(Over):
        second_stage.finish_by_code(held, code, address=peer)


def test_a_half_session_of_another_tenant_is_none(
    person: tuple[Actor, str], new_tenant: Callable[..., TestTenant], peer: str
) -> None:
    actor, email = person
    with_app(actor)
    held = half_of(email, peer)
    with pytest.raises(Over):
        second_stage.ways(held._replace(tenant_id=new_tenant().id))


def test_failures_slow_the_next_try_and_never_lock_for_good(person: tuple[Actor, str], time: Clock) -> None:
    actor, email = person
    with_app(actor)
    codes = recovery.make(actor)
    for _ in range(5):
        peer = next(PEERS)
        with pytest.raises(Unauthenticated):
            second_stage.finish_by_code(half_of(email, peer), "123456789", address=peer)
    with pytest.raises(TooMany):
        second_stage.finish_by_code(half_of(email, peer), codes[0], address=peer)
    time.go(seconds=1)
    assert second_stage.finish_by_code(half_of(email, peer), codes[0], address=peer)
    for _ in range(40):
        time.go(minutes=15)
        with pytest.raises(Unauthenticated):
            second_stage.finish_by_code(half_of(email, peer), "123456789", address=peer)
    time.go(minutes=15)
    assert second_stage.finish_by_code(half_of(email, peer), codes[1], address=peer)


def test_failing_at_the_second_factor_slows_no_password(person: tuple[Actor, str]) -> None:
    actor, email = person
    with_app(actor)
    for _ in range(5):
        peer = next(PEERS)
        with pytest.raises(Unauthenticated):
            second_stage.finish_by_code(half_of(email, peer), "1", address=peer)
    assert half_of(email, next(PEERS))


def test_the_log_says_by_what_somebody_signed_in_and_what_failed(person: tuple[Actor, str], peer: str) -> None:
    actor, email = person
    with_app(actor)
    after = audits(actor)[-1].id
    with pytest.raises(Unauthenticated):
        second_stage.finish_by_code(half_of(email, peer), "1", address=peer)
    [code, *_rest] = recovery.make(actor)
    second_stage.finish_by_code(half_of(email, peer), code, address=peer)
    told = [(row.action, row.outcome, row.actor, row.detail.get("factor")) for row in audits(actor, after=after)]
    assert told == [
        ("user.first_factor", "done", actor.name, "password"),
        ("user.sign_in", "refused", "nobody", "totp"),
        ("factor.recovery_codes", "done", actor.name, None),
        ("user.first_factor", "done", actor.name, "password"),
        ("user.sign_in", "done", actor.name, "recovery"),
    ]


# Passkeys.


def proof(email: str, device: Authenticator, peer: str, *, site: Site = HERE) -> Any:
    """A second stage with a passkey."""
    held = half_of(email, peer)
    answer = device.signed(second_stage.passkey_options(held, site))
    return second_stage.finish_by_passkey(held, answer, site=site, address=peer)


def alone(device: Authenticator, peer: str, **changes: Any) -> Any:
    """A sign-in with a passkey and nothing else."""
    options = passkeys.proof_options(HERE, challenges.give("tab", passkeys.SIGN_IN))
    return second_stage.sign_in_by_passkey("tab", device.signed(options, **changes), site=HERE, address=peer)


def test_a_passkey_is_a_second_factor_and_signs_in_alone(person: tuple[Actor, str], peer: str) -> None:
    actor, email = person
    device = with_passkey(actor)
    assert proof(email, device, peer).tenant_id == actor.tenant_id
    assert alone(device, peer).tenant_id == actor.tenant_id
    assert [row[0] for row in rows(actor, "SELECT factors FROM user_session ORDER BY id")] == [
        ["password", "passkey"], ["passkey"],
    ]  # fmt: skip
    [kept] = factors.own_factors(actor).passkeys
    assert kept.last_used_at
    assert one(actor, "SELECT sign_count FROM passkeys") == 2


def test_flags_of_backup_are_kept_and_follow_the_device(person: tuple[Actor, str], peer: str) -> None:
    actor, _email = person
    device = with_passkey(actor, Authenticator(flags=PRESENT | VERIFIED | ELIGIBLE))
    assert rows(actor, "SELECT backup_eligible, backed_up FROM passkeys") == [(True, False)]
    device.flags |= 0x10
    alone(device, peer)
    assert rows(actor, "SELECT backup_eligible, backed_up FROM passkeys") == [(True, True)]


def test_options_ask_for_what_is_checked(person: tuple[Actor, str]) -> None:
    actor, _email = person
    with_passkey(actor)
    made = json.loads(passkeys.registration_options(actor, site=HERE, challenge=b"c" * 32))
    assert made["rp"]["id"] == "clinic.example"
    assert made["authenticatorSelection"]["userVerification"] == "required"
    assert made["authenticatorSelection"]["residentKey"] == "required"
    assert len(made["excludeCredentials"]) == 1
    assert json.loads(passkeys.proof_options(HERE, b"c" * 32))["userVerification"] == "required"


THIEVES: dict[str, Callable[[Authenticator], Any]] = {
    "wrong origin": lambda device: replace(device, site=Site("clinic.example", "https://clinic.example.evil.example")),
    "plain HTTP": lambda device: replace(device, site=Site("clinic.example", "http://clinic.example")),
    "wrong RP id": lambda device: replace(device, site=Site("evil.example", "https://clinic.example")),
    "person not verified": lambda device: replace(device, flags=PRESENT),
    "nobody present": lambda device: replace(device, flags=VERIFIED),
    "cloned, with the same count": lambda device: replace(device, count=device.count - 1),
    "cloned, far behind": lambda device: replace(device, count=0),
    "another key with the same name": lambda device: replace(device, key=Authenticator().key),
    "a key nobody knows": lambda device: replace(device, id=b"x" * 32),
    "somebody else's name": lambda device: replace(device, handle=passkeys.HANDLE.pack(1, 2**63 + 5)),
    "no name": lambda device: replace(device, handle=b""),
}


@pytest.mark.parametrize("thief", THIEVES)
def test_a_passkey_is_refused_for(person: tuple[Actor, str], peer: str, thief: str) -> None:
    actor, email = person
    device = with_passkey(actor)
    for _ in range(3):
        alone(device, peer)
    stolen = THIEVES[thief](device)
    with pytest.raises(Unauthenticated):
        alone(stolen, peer)
    if "name" not in thief or "same name" in thief:
        with pytest.raises(Unauthenticated):
            proof(email, THIEVES[thief](device), peer)
    assert one(actor, "SELECT count(*) FROM user_session") == 3
    device.count += 2
    assert alone(device, peer), "its owner's own still works"


@pytest.mark.parametrize(
    "answer",
    ["", "null", "[]", "{}", '{"id": 7}', "[" * 50_000, "x" * 20_000, '{"id": "AA", "response": {"userHandle": 5}}'],
)
def test_nonsense_is_refused(person: tuple[Actor, str], peer: str, answer: str) -> None:
    actor, email = person
    with_passkey(actor)
    challenges.give("tab", passkeys.SIGN_IN)
    with pytest.raises(Unauthenticated):
        second_stage.sign_in_by_passkey("tab", answer, site=HERE, address=peer)
    with pytest.raises(Unauthenticated):
        second_stage.finish_by_passkey(half_of(email, peer), answer, site=HERE, address=peer)
    with pytest.raises(Invalid):
        passkeys.register(actor, session_id=0, site=HERE, challenge=b"c" * 32, answer=answer, name="Key")


def test_an_answer_is_taken_once_and_only_to_its_own_challenge(person: tuple[Actor, str], peer: str) -> None:
    actor, _email = person
    device = with_passkey(actor)
    options = passkeys.proof_options(HERE, challenges.give("tab", passkeys.SIGN_IN))
    answer = device.signed(options)
    for binding in ("another browser", "tab", "tab"):
        right = binding == "tab" and one(actor, "SELECT count(*) FROM user_session") == 0
        if right:
            assert second_stage.sign_in_by_passkey(binding, answer, site=HERE, address=peer)
        else:
            with pytest.raises(Unauthenticated):
                second_stage.sign_in_by_passkey(binding, answer, site=HERE, address=peer)
    challenges.give("tab", passkeys.SIGN_IN)
    with pytest.raises(Unauthenticated):
        second_stage.sign_in_by_passkey("tab", answer, site=HERE, address=peer)


def test_a_challenge_is_for_one_purpose_and_five_minutes(time: Clock, app: APIFlask) -> None:
    given = challenges.give("tab", passkeys.SIGN_IN)
    assert challenges.take("tab", passkeys.REGISTER) is None
    assert challenges.take("other", passkeys.SIGN_IN) is None
    assert challenges.take("tab", passkeys.SIGN_IN) == given
    assert challenges.take("tab", passkeys.SIGN_IN) is None
    challenges.give("tab", passkeys.SIGN_IN)
    time.go(minutes=5)
    assert challenges.take("tab", passkeys.SIGN_IN) is None
    challenges.give("tab", passkeys.SIGN_IN)
    time.go(minutes=6)
    assert challenges.forget_old() >= 1


def test_a_passkey_of_another_tenant_is_refused(
    person: tuple[Actor, str], new_tenant: Callable[..., TestTenant], peer: str
) -> None:
    actor, email = person
    with_passkey(actor)
    foreigner, _mail = somebody(everything(new_tenant()))
    theirs = with_passkey(foreigner)
    with pytest.raises(Unauthenticated):
        proof(email, theirs, peer)
    with pytest.raises(Unauthenticated):
        alone(replace(theirs, handle=passkeys.HANDLE.pack(actor.tenant_id, actor.user_id or 0), count=9), peer)
    assert rows(actor, "SELECT 1 FROM user_session") == []


def test_a_colleagues_passkey_is_refused(person: tuple[Actor, str], admin: Actor, peer: str) -> None:
    actor, email = person
    with_passkey(actor)
    colleague, _mail = somebody(admin)
    with pytest.raises(Unauthenticated):
        proof(email, with_passkey(colleague), peer)


def test_a_disabled_user_signs_in_by_nothing(person: tuple[Actor, str], god: Actor, peer: str) -> None:
    actor, _email = person
    device = with_passkey(actor)
    users.disable(god, actor.user_id)
    with pytest.raises(Unauthenticated, match="not accepted"):
        alone(device, peer)


def test_twenty_failures_of_an_address_make_it_wait(person: tuple[Actor, str], peer: str) -> None:
    actor, _email = person
    device = with_passkey(actor)
    for _ in range(20):
        with pytest.raises(Unauthenticated):
            alone(Authenticator(), peer)
    with pytest.raises(TooMany):
        alone(device, peer)
    assert alone(device, next(PEERS))


MAKERS = {
    name: thief
    for name, thief in THIEVES.items()
    if name in ("wrong origin", "plain HTTP", "wrong RP id", "person not verified", "nobody present")
}


@pytest.mark.parametrize("maker", MAKERS)
def test_a_passkey_is_not_made_for(person: tuple[Actor, str], maker: str) -> None:
    actor, _email = person
    with pytest.raises(Invalid):
        with_passkey(actor, MAKERS[maker](Authenticator()))
    assert rows(actor, "SELECT 1 FROM passkeys") == []


def test_a_passkey_is_made_only_for_this_browsers_challenge_and_once(person: tuple[Actor, str]) -> None:
    actor, _email = person
    device = Authenticator()
    options = passkeys.registration_options(actor, site=HERE, challenge=challenges.give("tab", passkeys.REGISTER))
    answer = device.made(options)
    for challenge in (None, b"x" * 32):
        with pytest.raises(Invalid):
            passkeys.register(actor, session_id=0, site=HERE, challenge=challenge, answer=answer, name="Phone")
    right = challenges.take("tab", passkeys.REGISTER)
    passkeys.register(actor, session_id=0, site=HERE, challenge=right, answer=answer, name="Phone")
    with pytest.raises(Invalid):
        passkeys.register(actor, session_id=0, site=HERE, challenge=right, answer=answer, name="Twice")


@pytest.mark.parametrize("name", ["", "  ", "x" * 61])
def test_a_passkey_has_a_name(person: tuple[Actor, str], name: str) -> None:
    with pytest.raises(Invalid, match="look"):
        passkeys.register(person[0], session_id=0, site=HERE, challenge=b"c" * 32, answer="{}", name=name)


# What somebody has, and what he must have.


def open_session(actor: Actor, email: str, peer: str) -> int:
    """A session by password alone; its id."""
    assert isinstance(sign_in(email, PASSWORD, address=peer), SignedIn)
    return int(one(actor, "SELECT max(id) FROM user_session"))


def test_a_new_or_lost_factor_ends_all_other_sessions(person: tuple[Actor, str], peer: str) -> None:
    actor, email = person
    for change in (with_app, with_passkey):
        execute(actor, "DELETE FROM user_session")
        execute(actor, "DELETE FROM totp_factors")
        open_session(actor, email, peer)
        here = open_session(actor, email, peer)
        change(actor, session_id=here)
        assert rows(actor, "SELECT id FROM user_session WHERE ended_at IS NULL") == [(here,)]
    factors.remove_passkey(actor, factors.own_factors(actor).passkeys[0].id, session_id=NO_SESSION)
    assert rows(actor, "SELECT id FROM user_session WHERE ended_at IS NULL") == []


def require(actor: Actor, of: str) -> None:
    """Set whom the clinic asks for a second factor."""
    execute(actor, "UPDATE tenant_settings SET second_factor = :of WHERE tenant_id = :t", of=of, t=actor.tenant_id)


@pytest.mark.parametrize(("of", "role", "asked"), [
    ("nobody", Role.ADMIN, False), ("administrators", Role.ADMIN, True), ("administrators", Role.CLINICIAN, False),
    ("everybody", Role.FRONT_DESK, True),
])  # fmt: skip
def test_the_last_factor_stays_where_one_is_asked_for(admin: Actor, of: str, role: Role, asked: bool) -> None:
    actor, _email = somebody(admin, role)
    with_app(actor)
    with_passkey(actor)
    require(actor, of)
    key = factors.own_factors(actor).passkeys[0].id
    assert factors.own_factors(actor).required is asked
    factors.remove_passkey(actor, key, session_id=NO_SESSION)
    if asked:
        with pytest.raises(Conflict, match="Add another"):
            factors.remove_app(actor, session_id=NO_SESSION)
        assert factors.own_factors(actor).count == 1
    else:
        factors.remove_app(actor, session_id=NO_SESSION)
        assert factors.own_factors(actor) == factors.FactorsView(
            totp_since=None, passkeys=(), recovery_codes=0, required=False
        )


def test_what_is_not_there_is_not_removed(person: tuple[Actor, str], admin: Actor) -> None:
    actor, _email = person
    colleague, _mail = somebody(admin)
    with_passkey(colleague)
    with pytest.raises(NotFound):
        factors.remove_app(actor, session_id=NO_SESSION)
    with pytest.raises(NotFound):
        factors.remove_passkey(actor, factors.own_factors(colleague).passkeys[0].id, session_id=NO_SESSION)
    assert factors.own_factors(colleague).count == 1


def test_an_administrator_removes_all_factors_of_somebody_and_ends_his_sessions(
    person: tuple[Actor, str], admin: Actor, peer: str
) -> None:
    actor, email = person
    open_session(actor, email, peer)
    with_app(actor, session_id=int(one(actor, "SELECT max(id) FROM user_session")))
    with_passkey(actor, session_id=int(one(actor, "SELECT max(id) FROM user_session")))
    assert factors.remove_all(admin, actor.user_id) == 1
    assert factors.factors_of(admin, actor.user_id).count == 0
    assert rows(actor, "SELECT 1 FROM recovery_codes") == []
    told = audits(actor)[-1]
    assert (told.action, told.subject, told.detail["sessions_ended"]) == ("user.remove_factors", actor.name, 1)
    assert isinstance(sign_in(email, PASSWORD, address=peer), SignedIn)


def test_nobody_removes_his_own_factors_as_an_administrator(admin: Actor) -> None:
    actor, _email = somebody(admin, Role.ADMIN)
    with_app(actor)
    with pytest.raises(Conflict, match="another administrator"):
        factors.remove_all(actor, actor.user_id)


def test_an_administrator_reaches_nobody_of_another_tenant(
    person: tuple[Actor, str], new_tenant: Callable[..., TestTenant]
) -> None:
    actor, _email = person
    with_app(actor)
    foreigner = everything(new_tenant())
    with pytest.raises(NotFound):
        factors.remove_all(foreigner, actor.user_id)
    with pytest.raises(NotFound):
        factors.factors_of(foreigner, actor.user_id)
    assert factors.own_factors(actor).count == 1


def test_other_systems_have_no_factors(admin: Actor) -> None:
    for ask in (factors.own_factors, recovery.make, totp.begin):
        with pytest.raises(NotFound):
            ask(admin)


def test_old_half_sessions_go_with_the_next_one(person: tuple[Actor, str], peer: str, time: Clock) -> None:
    actor, email = person
    with_passkey(actor)
    half_of(email, peer)
    time.go(minutes=6)
    half_of(email, peer)
    assert one(actor, "SELECT count(*) FROM half_sessions") == 1
    assert timedelta(minutes=5) == second_stage.GOOD_FOR
