"""Encryption of single values: bound to tenant and place, read by every configured key, refused clearly."""

import base64
from collections.abc import Iterator

import pytest

from careapp import config, crypto, tenancy
from careapp.config import new_encryption_key

OLD, NEW = new_encryption_key("2025"), new_encryption_key("2026")
TEXT = "Haematuria since Friday; ☃ မြန်မာ"
PLACE = "users.totp_secret/7"


def use(keys: str) -> None:
    """Let this process have these keys."""
    crypto.init(config.Settings(CAREAPP_ENV="development", encryption_keys=keys))


@pytest.fixture(autouse=True)
def keys_of_the_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The new key alone, in tenant 1; afterwards what the process had."""
    monkeypatch.setattr(crypto, "_ring", None)
    use(NEW)
    with tenancy.bound(1):
        yield


def test_a_value_comes_back_and_is_never_the_same_twice() -> None:
    kept = [crypto.encrypt(TEXT, about=PLACE) for _ in range(2)]
    assert kept[0] != kept[1]
    assert all(one.startswith("enc1:2026:") and "Haematuria" not in one for one in kept)
    assert [crypto.decrypt(one, about=PLACE) for one in kept] == [TEXT, TEXT]


@pytest.mark.parametrize("about", ["users.totp_secret/8", "users.name/7", "userstotp_secret./7", ""])
def test_a_value_opens_at_no_other_place(about: str) -> None:
    kept = crypto.encrypt(TEXT, about=PLACE)
    with pytest.raises(crypto.Unreadable, match="another place or tenant"):
        crypto.decrypt(kept, about=about)


def test_a_value_opens_in_no_other_tenant() -> None:
    kept = crypto.encrypt(TEXT, about=PLACE)
    with tenancy.bound(2), pytest.raises(crypto.Unreadable):
        crypto.decrypt(kept, about=PLACE)
    with tenancy.bound(None), pytest.raises(RuntimeError, match="outside a tenant"):
        crypto.decrypt(kept, about=PLACE)


def test_every_single_changed_bit_is_noticed() -> None:
    kept = crypto.encrypt("short", about=PLACE)
    head, encoded = kept.rsplit(":", 1)
    raw = base64.b64decode(encoded)
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(crypto.Unreadable):
            crypto.decrypt(f"{head}:{base64.b64encode(changed).decode()}", about=PLACE)


@pytest.mark.parametrize(
    "kept",
    ["", "plain", "enc1:", "enc1:2026", "enc1:2026:", "enc1:2026:AAAA", "enc1:2026:not base64", "enc2:2026:AAAA"],
)
def test_what_is_no_value_is_unreadable_and_nothing_else(kept: str) -> None:
    with pytest.raises(crypto.Unreadable):
        crypto.decrypt(kept, about=PLACE)


def test_the_first_key_writes_and_all_of_them_read() -> None:
    use(OLD)
    before = crypto.encrypt(TEXT, about=PLACE)
    use(f"{NEW},{OLD}")
    assert crypto.decrypt(before, about=PLACE) == TEXT
    assert crypto.key_of(crypto.encrypt(TEXT, about=PLACE)) == "2026"
    use(NEW)
    with pytest.raises(crypto.Unreadable, match="there is no key '2025'"):
        crypto.decrypt(before, about=PLACE)


def test_another_key_under_the_same_name_opens_nothing() -> None:
    kept = crypto.encrypt(TEXT, about=PLACE)
    use(new_encryption_key("2026"))
    with pytest.raises(crypto.Unreadable):
        crypto.decrypt(kept, about=PLACE)
