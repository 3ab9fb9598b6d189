"""Second factors sent by many at once: each code, each half session and each answer works for one of them."""

import time
from collections.abc import Callable

from careapp.access import Actor
from careapp.identity import challenges, factors, passkeys, recovery, second_stage
from careapp.identity.second_stage import HalfSignedIn
from careapp.identity.sign_in import sign_in
from careapp.operations.settings import change_settings, get_settings
from tests.identity.authenticator import HERE
from tests.identity.enrolled import somebody, with_app, with_passkey
from tests.identity.people import PASSWORD
from tests.identity.test_sign_in import PEERS
from tests.looking import one
from tests.races.crowd import Crowd, done, refused

AT_ONCE = 4  # a user's fifth failure at once would have to wait instead


def halves(email: str, count: int) -> list[HalfSignedIn]:
    found = [sign_in(email, PASSWORD, address=next(PEERS)) for _ in range(count)]
    assert all(isinstance(half, HalfSignedIn) for half in found)
    return [HalfSignedIn(*half) for half in found]


def by_code(half: HalfSignedIn, code: str) -> Callable[[], object]:
    return lambda: second_stage.finish_by_code(half, code, address=next(PEERS))


def test_a_code_of_the_app_works_for_one(admin: Actor, crowd: Crowd) -> None:
    actor, email = somebody(admin)
    code = with_app(actor).at(int(time.time()))
    assert len(done(crowd([by_code(half, code) for half in halves(email, AT_ONCE)]))) == 1
    assert one(actor, "SELECT count(*) FROM user_session") == 1


def test_a_recovery_code_works_for_one(admin: Actor, crowd: Crowd) -> None:
    actor, email = somebody(admin)
    with_app(actor)
    [code, *_rest] = recovery.make(actor)
    assert len(done(crowd([by_code(half, code) for half in halves(email, AT_ONCE)]))) == 1


def test_a_half_session_becomes_one_session(admin: Actor, crowd: Crowd) -> None:
    actor, email = somebody(admin)
    with_app(actor)
    codes, [half] = recovery.make(actor), halves(email, 1)
    assert len(done(crowd([by_code(half, code) for code in codes[:AT_ONCE]]))) == 1
    assert one(actor, "SELECT count(*) FROM user_session") == 1
    assert one(actor, "SELECT count(*) FROM recovery_codes WHERE used_at IS NOT NULL") == 1


def test_an_answer_of_a_passkey_works_for_one(admin: Actor, crowd: Crowd) -> None:
    actor, _email = somebody(admin)
    device = with_passkey(actor)
    answer = device.signed(passkeys.proof_options(HERE, challenges.give("tab", passkeys.SIGN_IN)))
    crowded = [lambda: second_stage.sign_in_by_passkey("tab", answer, site=HERE, address=next(PEERS)) for _ in range(8)]
    assert len(done(crowd(crowded))) == 1
    assert one(actor, "SELECT count(*) FROM user_session") == 1


def test_of_two_factors_removed_at_once_the_one_that_is_required_stays(admin: Actor, god: Actor, crowd: Crowd) -> None:
    actor, _email = somebody(admin)
    with_app(actor), with_passkey(actor)
    now = get_settings(god)
    given = {"name": now.name, "buffer_minutes": now.buffer_minutes, "language": now.language}
    change_settings(god, version=now.version, **given, second_factor="everybody")
    key = one(actor, "SELECT id FROM passkeys")
    outcomes = crowd([
        lambda: factors.remove_app(actor, session_id=0), lambda: factors.remove_passkey(actor, key, session_id=0)
    ])  # fmt: skip
    assert (len(done(outcomes)), refused(outcomes)) == (1, ["LAST_FACTOR"])
