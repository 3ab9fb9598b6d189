"""Passwords: which new ones are refused, and that checking costs a stranger the same."""

import pytest

from careapp.errors import Invalid, TooMany
from careapp.identity import passwords

ADDRESS = "ann.tester.long@clinic.example"


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short one",
        "fourteen chars",
        "x" * 300,
        "aaaaaaaaaaaaaaaaaaaa",
        "abababababababab",
        "passwordpassword",
        "swordfishswordfishsword",
        "123456789012345678",
        "abcdefghijklmnopq",
        "zyxwvutsrqponmlkj",
        "qwertyuiopasdfghjkl",
        "1qaz2wsx3edc4rfv",
        "Correct Horse Battery Staple",
        "This is my password!",
        "WELCOME-TO-THE-CLINIC",
        ADDRESS.upper(),
    ],
)
def test_guessable_passwords_are_refused(password: str) -> None:
    with pytest.raises(Invalid) as refusal:
        passwords.check_new(password, email=ADDRESS)
    assert set(refusal.value.errors) == {"password"}


def test_who_is_refused_is_told_one_cause() -> None:
    for password, said in ((ADDRESS, "This is the address itself."), ("passwordpassword123", "Many people use this")):
        with pytest.raises(Invalid) as refusal:
            passwords.check_new(password, email=ADDRESS)
        [sentence] = refusal.value.errors.values()
        assert (sentence.startswith(said), " or " in sentence) == (True, False)


@pytest.mark.parametrize(
    "password",
    ["careapp demo clinic", "exactly15 signs", "ပုဂံမြို့က လေပူဖောင်းများ", "two 🎈 balloons over Bagan"],
)
def test_any_long_password_of_any_characters_is_taken(password: str) -> None:
    passwords.check_new(password, email=ADDRESS)


def test_the_longest_password_is_taken() -> None:
    passwords.check_new("".join(f"word{number} " for number in range(40))[: passwords.LONGEST], email=ADDRESS)


def test_right_and_wrong_passwords() -> None:
    kept = passwords.hashed("seven red kites rising")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.verify(kept, "seven red kites rising")
    assert not passwords.verify(kept, "seven red kites risinG")
    assert not passwords.verify(kept, "seven red kites rising" + "g" * 100_000)
    assert not passwords.needs_rehash(kept)


def test_the_same_letters_typed_on_another_keyboard_are_the_same_password() -> None:
    assert passwords.verify(passwords.hashed("cafe\u0301 in the old town"), "caf\u00e9 in the old town")


def test_a_stranger_is_never_right_though_a_hash_is_checked() -> None:
    assert not passwords.verify(None, "nobody has this password")
    assert not passwords.verify("not a hash", "nobody has this password")


def test_a_hash_with_other_costs_is_made_anew() -> None:
    assert passwords.needs_rehash("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$" + "a" * 43)


def test_a_flood_of_hashing_is_refused_instead_of_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "LONGEST_WAIT", 0)
    held = [passwords._turns.acquire(blocking=False) for _ in range(passwords.HASHES_AT_ONCE)]
    try:
        with pytest.raises(TooMany):
            passwords.verify(None, "anything at all")
    finally:
        for _ in filter(None, held):
            passwords._turns.release()
