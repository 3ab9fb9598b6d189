"""Passkeys (WebAuthn level 2): registration and proof, always with the person verified on the device.

The library checks what an authenticator signed; this module says what was expected: the challenge of this browser, this
site, a key of this user. A counter that does not grow (a cloned key) is refused there, and of two answers at once that
bring the same count one is refused here.
"""

import json
import struct
from dataclasses import dataclass
from typing import Any

import webauthn
from sqlalchemy import Row, select
from webauthn.helpers import base64url_to_bytes, options_to_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import command, query, record, refuse_on
from careapp.db import db, guarded_update, insert, table_of
from careapp.errors import Conflict, Invalid, Sentence
from careapp.identity import challenges, recovery, sessions
from careapp.identity.actors import lock_user, own_id
from careapp.identity.models import Passkey
from careapp.identity.names import checked_name

REGISTER, SIGN_IN, SECOND, CONFIRM = "register", "sign in", "second factor", "confirm"  # purposes of challenges
LONGEST_NAME, LONGEST_ANSWER, MOST_KEYS = 60, 16_384, 20
MILLISECONDS = int(challenges.GOOD_FOR.total_seconds() * 1000)
VERIFIED = UserVerificationRequirement.REQUIRED
HANDLE = struct.Struct(">IQ")  # tenant and user as numbers: what a device keeps says nothing of the person
REFUSED = Sentence("This passkey was not accepted. Try again, or use another way.")
KEYS = table_of(Passkey).c


@dataclass(frozen=True)
class Site:
    """Who we are to an authenticator: the RP id (a host name), and the one origin that pages have."""

    rp_id: str
    origin: str


@query(Permission.OWN_ACCOUNT)
def registration_options(actor: Actor, *, site: Site, challenge: bytes) -> str:
    """What a browser needs to make a passkey of the actor's, as JSON; those he has are named."""
    user_id = own_id(actor)
    return options_to_json(
        webauthn.generate_registration_options(
            rp_id=site.rp_id, rp_name="careapp", user_id=HANDLE.pack(actor.tenant_id, user_id),
            user_name=f"{actor.label} ({actor.tenant_key})", user_display_name=actor.label, timeout=MILLISECONDS,
            challenge=challenge, exclude_credentials=descriptors(actor.tenant_id, user_id),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=VERIFIED
            ),
        )
    )  # fmt: skip


@command(Permission.OWN_ACCOUNT)
def register(
    actor: Actor, *, session_id: int, site: Site, challenge: bytes | None, answer: str, name: str
) -> tuple[str, ...]:
    """Keep a passkey that was just made, under a name; the actor's other sessions end.

    `challenge` is what this browser was given, None where that is too long ago. Returns new recovery codes where he has
    none. Raises Invalid naming `name` or `passkey`, Conflict TOO_MANY_PASSKEYS.
    """
    user_id, name = own_id(actor), checked_name(name, longest=LONGEST_NAME)
    lock_user(actor.tenant_id, user_id)
    if len(descriptors(actor.tenant_id, user_id)) >= MOST_KEYS:
        raise Conflict(f"There are {MOST_KEYS} passkeys already. Remove one first.", code="TOO_MANY_PASSKEYS")
    made = _registered(site, challenge, answer)
    insert(
        Passkey, Passkey.id, tenant_id=actor.tenant_id, user_id=user_id, name=name,
        credential_id=made.credential_id, public_key=made.credential_public_key, sign_count=made.sign_count,
        backup_eligible=made.credential_device_type == CredentialDeviceType.MULTI_DEVICE,
        backed_up=made.credential_backed_up,
    )  # fmt: skip
    ended = sessions.end_all(actor.tenant_id, user_id, "second factor added", but=session_id)
    record("factor.add", actor.name, factor="passkey", sessions_ended=ended)
    return recovery.made_if_none(actor)


def proof_options(site: Site, challenge: bytes, *, of: list[PublicKeyCredentialDescriptor] | None = None) -> str:
    """What a browser needs to prove a passkey, as JSON; without `of` any passkey for this site will do."""
    return options_to_json(
        webauthn.generate_authentication_options(
            rp_id=site.rp_id, challenge=challenge, timeout=MILLISECONDS, allow_credentials=of or [],
            user_verification=VERIFIED,
        )
    )  # fmt: skip


def owner_named(answer: str) -> tuple[int, int] | None:
    """The tenant and user an answer says it is of, which only says where to look for the key; None for nonsense."""
    try:
        return HANDLE.unpack(base64url_to_bytes(_parsed(answer)["response"]["userHandle"]))
    except (ValueError, KeyError, TypeError, AttributeError, struct.error):
        return None


def check(tenant_id: int, user_id: int, *, site: Site, challenge: bytes | None, answer: str) -> bool:
    """Whether an answer to this challenge is signed by a passkey of this user, whose count and flags are then kept.

    Runs in the present transaction, which is bound to the tenant: a key of another tenant is not found.
    """
    try:
        sent = _parsed(answer)
        key = _key(tenant_id, user_id, base64url_to_bytes(sent["id"]))
        if key is None or challenge is None:
            return False
        proved = webauthn.verify_authentication_response(
            credential=sent, expected_challenge=challenge, expected_rp_id=site.rp_id, expected_origin=site.origin,
            credential_public_key=key.public_key, credential_current_sign_count=key.sign_count,
            require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError):
        return False
    unchanged = (KEYS.tenant_id == tenant_id, KEYS.id == key.id, KEYS.sign_count == key.sign_count)
    kept = guarded_update(
        Passkey, *unchanged, sign_count=proved.new_sign_count, backed_up=proved.credential_backed_up,
        last_used_at=clock.now(),
    )  # fmt: skip
    return kept is not None


def descriptors(tenant_id: int, user_id: int) -> list[PublicKeyCredentialDescriptor]:
    """A user's passkeys, as options name them."""
    mine = select(KEYS.credential_id).where(KEYS.tenant_id == tenant_id, KEYS.user_id == user_id).order_by(KEYS.id)
    return [PublicKeyCredentialDescriptor(id=one) for one in db.session.execute(mine).scalars()]


def _registered(site: Site, challenge: bytes | None, answer: str) -> Any:
    """What an authenticator says it has made. Raises Invalid for anything but an answer to this challenge."""
    try:
        if challenge is None:
            raise ValueError("none was given, or too long ago")
        return webauthn.verify_registration_response(
            credential=_parsed(answer), expected_challenge=challenge, expected_rp_id=site.rp_id,
            expected_origin=site.origin, require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError):
        raise Invalid({"passkey": REFUSED}) from None


def _parsed(answer: str) -> dict[str, Any]:
    """An answer as the browser's toJSON() made it. Raises ValueError for anything else."""
    if len(answer) > LONGEST_ANSWER:
        raise ValueError("longer than any answer")
    try:
        sent = json.loads(answer)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(sent, dict):
        raise ValueError("no object")
    return sent


def _key(tenant_id: int, user_id: int, credential_id: bytes) -> Row[*tuple[Any, ...]] | None:
    mine = (KEYS.tenant_id == tenant_id, KEYS.user_id == user_id, KEYS.credential_id == credential_id)
    return db.session.execute(select(KEYS.id, KEYS.public_key, KEYS.sign_count).where(*mine)).one_or_none()


refuse_on("passkeys_tenant_id_credential_id_key", lambda: Invalid({"passkey": REFUSED}))
