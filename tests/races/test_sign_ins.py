"""What somebody signs in with, changed while he signs in: nothing of before is left over, and nobody waits for ever."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from careapp import commands
from careapp.access import Actor
from careapp.identity import confirmation, factors, passkeys, recovery, second_stage, session_list, sessions, totp
from careapp.identity.own_password import change_own_password
from careapp.identity.second_stage import HalfSignedIn
from careapp.identity.sign_in import sign_in
from tests.identity.authenticator import HERE
from tests.identity.enrolled import somebody, with_app, with_passkey
from tests.identity.people import PASSWORD
from tests.identity.test_sign_in import PEERS
from tests.looking import one, rows
from tests.races.crowd import Crowd, Meanwhile, done, refused

OPEN = "SELECT count(*) FROM user_session WHERE ended_at IS NULL AND user_id = :who"


@pytest.mark.parametrize("add", [with_app, with_passkey])
def test_a_first_factor_leaves_no_session_begun_by_a_password_alone(
    admin: Actor, crowd: Crowd, monkeypatch: pytest.MonkeyPatch, add: Callable[[Actor], object]
) -> None:
    actor, email = somebody(admin)
    adding = Meanwhile(monkeypatch, second_stage, "begin").do(partial(add, actor))
    outcomes = crowd([partial(sign_in, email, PASSWORD, address=next(PEERS)), adding])
    assert refused(outcomes) == []
    assert one(actor, OPEN, who=actor.user_id) == 0
    assert isinstance(sign_in(email, PASSWORD, address=next(PEERS)), HalfSignedIn)


def by_app(actor: Actor, email: str) -> Callable[[], object]:
    """The act of finishing a sign-in by a code of the app."""
    code = with_app(actor).at(int(time.time()))
    return partial(second_stage.finish_by_code, half_of(email), code, address=next(PEERS))


def by_recovery_code(actor: Actor, email: str) -> Callable[[], object]:
    """The act of finishing a sign-in by a recovery code."""
    with_app(actor)
    return partial(second_stage.finish_by_code, half_of(email), recovery.make(actor)[0], address=next(PEERS))


def by_passkey(actor: Actor, email: str) -> Callable[[], object]:
    """The act of finishing a sign-in by a passkey."""
    device = with_passkey(actor)
    half = half_of(email)
    answer = device.signed(second_stage.passkey_options(half, HERE))
    return partial(second_stage.finish_by_passkey, half, answer, site=HERE, address=next(PEERS))


def half_of(email: str) -> HalfSignedIn:
    """A half session of somebody who has a second factor."""
    half = sign_in(email, PASSWORD, address=next(PEERS))
    assert isinstance(half, HalfSignedIn)
    return half


@pytest.mark.parametrize(
    ("finish", "of", "name"),
    [(by_app, totp, "check"), (by_recovery_code, recovery, "use"), (by_passkey, passkeys, "check")],
)
def test_all_factors_are_taken_away_while_one_is_shown(
    admin: Actor, crowd: Crowd, monkeypatch: pytest.MonkeyPatch, finish: Callable[..., Any], of: Any, name: str
) -> None:
    actor, email = somebody(admin)
    finishing = finish(actor, email)
    removing = Meanwhile(monkeypatch, of, name).do(partial(factors.remove_all, admin, actor.user_id))
    outcomes = crowd([finishing, removing])
    assert len(done(outcomes)) == 2
    assert one(actor, OPEN, who=actor.user_id) == 0


def test_recovery_codes_made_by_many_are_those_of_one(admin: Actor, crowd: Crowd) -> None:
    actor, _email = somebody(admin)
    recovery.make(actor)
    made = crowd([partial(recovery.make, actor)] * 4)
    assert one(actor, "SELECT count(*) FROM recovery_codes") == recovery.HOW_MANY
    with commands.system_transaction(actor.tenant_id):
        works = [recovery.use(actor.tenant_id, actor.user_id or 0, codes[0]) for codes in made]
    assert sorted(works) == [False, False, False, True]


def test_other_sessions_are_ended_while_the_password_is_changed(
    admin: Actor, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor, _email = somebody(admin)
    with commands.system_transaction(actor.tenant_id):
        for _ in range(3):
            sessions.start(actor.tenant_id, actor.user_id or 0)
    [_first, mine, other] = [row.id for row in rows(actor, "SELECT id FROM user_session ORDER BY id")]
    ending = Meanwhile(monkeypatch, sessions, "renew").do(partial(session_list.end_own_other_sessions, actor, other))
    changing = partial(
        change_own_password, actor, mine, old=PASSWORD, new="nine grey herons by the river", address=next(PEERS)
    )
    assert refused(crowd([changing, ending])) == []
    assert one(actor, OPEN, who=actor.user_id) == 0, "each ended the other's"


def test_who_signs_out_while_his_session_gets_another_value_is_signed_out(
    admin: Actor, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor, _email = somebody(admin)
    with commands.system_transaction(actor.tenant_id):
        sid = sessions.start(actor.tenant_id, actor.user_id or 0)
    session_id = one(actor, "SELECT id FROM user_session")
    leaving = partial(sessions.end_session, actor.tenant_id, sid, "signed out", address=next(PEERS))
    confirming = partial(confirmation.confirmed, actor, session_id, way="password", address=next(PEERS))
    crowd([confirming, Meanwhile(monkeypatch, sessions, "renew").do(leaving)])
    assert one(actor, OPEN, who=actor.user_id) == 0
