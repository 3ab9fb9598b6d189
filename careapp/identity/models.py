"""Identity tables: users, their clinic scope, sessions, second factors, the sign-in directory and failed attempts."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, Text, UniqueConstraint, false, func, text, true
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from careapp.crypto import EncryptedText
from careapp.db import Aggregate, Base, TenantRow, one_of, table_of, tenant_key
from careapp.identity.states import DENSITIES, LANGUAGES, THEMES


class User(Aggregate, Base):
    """A member of staff. `roles` are names of careapp.access.Role; `provider_id` links a clinician to his own slots.

    With `needs_new_password` his sessions are good for nothing but choosing one: others know the one he has.
    """

    __tablename__ = "users"

    email: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str | None] = mapped_column(Text)  # None: known through an identity provider only
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    provider_id: Mapped[int | None] = mapped_column(BigInteger)
    disabled_at: Mapped[datetime | None]
    language: Mapped[str | None] = mapped_column(Text)
    theme: Mapped[str] = mapped_column(Text, server_default="system")
    density: Mapped[str] = mapped_column(Text, server_default="normal")
    shortcuts: Mapped[bool] = mapped_column(server_default=true())
    needs_new_password: Mapped[bool] = mapped_column(server_default=false())

    __table_args__ = (
        UniqueConstraint("tenant_id", "email"),
        tenant_key("provider_id", "providers"),
        one_of("language", LANGUAGES),
        one_of("theme", THEMES),
        one_of("density", DENSITIES),
        Index("users_by_name", "tenant_id", "name", "id"),
    )


class UserClinic(Base):
    """A clinic in a user's scope; a user without any sees every clinic of the tenant."""

    __tablename__ = "user_clinics"

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    clinic_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)

    __table_args__ = (tenant_key("user_id", "users"), tenant_key("clinic_id", "clinics"))


class UserSession(TenantRow, Base):
    """One sign-in of one user: the browser holds a random value, its SHA-256 stands here, so ending the row ends it.

    `confirmed_at` is when he last proved in it who he is (empty: at sign-in), `confirm_failures` how often he failed to
    since. `device` ("Chrome on Windows") and the network `address` are as seen at sign-in, for his list of sessions.
    """

    __tablename__ = "user_session"

    sid_hash: Mapped[bytes] = mapped_column(LargeBinary)
    user_id: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(Text)
    factors: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    federated_id: Mapped[int | None] = mapped_column(BigInteger)  # the identity it was begun with, if any
    idp_sid: Mapped[str | None] = mapped_column(Text)  # the provider's own session behind it
    confirmed_at: Mapped[datetime | None]
    confirm_failures: Mapped[int] = mapped_column(Integer, server_default="0")
    device: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("tenant_id", "sid_hash"),
        tenant_key("user_id", "users"),
        tenant_key("federated_id", "federated_identities"),
        Index("user_session_user", "tenant_id", "user_id", "id"),
        Index(
            "user_session_federated",
            "tenant_id",
            "federated_id",
            postgresql_where=text("federated_id IS NOT NULL AND ended_at IS NULL"),
        ),
    )


class FederatedIdentity(TenantRow, Base):
    """Who a subject of an identity provider is here; the sign-in directory finds its tenant."""

    __tablename__ = "federated_identities"

    issuer: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    user_id: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("tenant_id", "issuer", "subject"),
        UniqueConstraint("tenant_id", "user_id", "issuer"),
        tenant_key("user_id", "users"),
    )


class FormDraft(TenantRow, Base):
    """What one user typed into the form of one address and has not saved; only he sees it again."""

    __tablename__ = "form_drafts"

    user_id: Mapped[int] = mapped_column(BigInteger)
    address: Mapped[str] = mapped_column(Text)
    fields: Mapped[list[list[str]]] = mapped_column(JSONB)
    saved_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("tenant_id", "user_id", "address"),
        tenant_key("user_id", "users"),
        Index("form_drafts_age", "tenant_id", "saved_at"),
    )


class TotpFactor(TenantRow, Base):
    """The authenticator app of one user. `last_step` is the last time step a code was taken of: none works twice.

    `pending` is a secret shown to him whose first code has not come yet; it replaces `secret` when it does.
    """

    __tablename__ = "totp_factors"

    user_id: Mapped[int] = mapped_column(BigInteger)
    secret: Mapped[str | None] = mapped_column(EncryptedText("totp_factors.secret", row=("user_id",)))
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    confirmed_at: Mapped[datetime | None]
    pending: Mapped[str | None] = mapped_column(EncryptedText("totp_factors.pending", row=("user_id",)))
    pending_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("tenant_id", "user_id"), tenant_key("user_id", "users"))


class RecoveryCode(TenantRow, Base):
    """A code for the day the phone is lost, as its SHA-256: it is random, long, and works once."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[int] = mapped_column(BigInteger)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (UniqueConstraint("tenant_id", "user_id", "code_hash"), tenant_key("user_id", "users"))


class Passkey(TenantRow, Base):
    """A WebAuthn credential of one user: its public key, and what its authenticator last said of itself."""

    __tablename__ = "passkeys"

    user_id: Mapped[int] = mapped_column(BigInteger)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    name: Mapped[str] = mapped_column(Text)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    backup_eligible: Mapped[bool]
    backed_up: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_used_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("tenant_id", "credential_id"),
        tenant_key("user_id", "users"),
        Index("passkeys_user", "tenant_id", "user_id", "id"),
    )


class HalfSession(TenantRow, Base):
    """A sign-in that has shown the password and not yet the second factor; good for that, for minutes, and once.

    `user_version` is the user's then: a password, a role or anything else of his that changes ends it.
    """

    __tablename__ = "half_sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    user_id: Mapped[int] = mapped_column(BigInteger)
    user_version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("tenant_id", "token_hash"),
        tenant_key("user_id", "users"),
        Index("half_sessions_age", "tenant_id", "created_at"),
    )


class WebauthnChallenge(Base):
    """What an authenticator is to sign next for one browser and one purpose. Whoever signs in with a passkey alone is
    asked before any tenant is known, so the table has none; it holds random values only.
    """

    __tablename__ = "webauthn_challenges"

    binding_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text, primary_key=True)
    challenge: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime]

    __table_args__ = (Index("webauthn_challenges_age", "expires_at"),)


class SignInDirectory(Base):
    """Which tenant and user an e-mail address signs in to; asked before any tenant is known. Keyed by its SHA-256."""

    __tablename__ = "sign_in_directory"

    email_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(Integer)
    user_id: Mapped[int] = mapped_column(BigInteger)


class SignInAttempts(Base):
    """Recent failures of one e-mail address or one network address (both hashed): the wait they cost ends by itself."""

    __tablename__ = "sign_in_attempts"

    subject: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    first_at: Mapped[datetime] = mapped_column(server_default=func.now())
    blocked_until: Mapped[datetime | None]


USERS = table_of(User).c
DRAFTS = table_of(FormDraft).c
