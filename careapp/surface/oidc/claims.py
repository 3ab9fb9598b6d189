"""Who an ID token speaks of: tenant, roles, name and address from the claims that the settings name."""

from typing import Any

from careapp.config import Settings
from careapp.identity.directory import normalised
from careapp.identity.federation import Subject
from careapp.identity.names import LONGEST_NAME
from careapp.identity.users import LONGEST_ADDRESS
from careapp.operations.tenants import tenant_id_of
from careapp.surface.oidc.tokens import LONGEST_TEXT, Claims

MOST_ROLES = 200


def subject_of(claims: Claims, settings: Settings) -> Subject | None:
    """The person, or None where his token names no tenant of ours. Claims that are no text count as absent."""
    key = _text(_single(claim_at(claims, settings.oidc_tenant_claim)))
    tenant = tenant_id_of(key) if key else None
    if key is None or tenant is None:
        return None
    email = _text(claims.get("email"), LONGEST_ADDRESS) if claims.get("email_verified") is True else None
    name = next(
        (said for one in ("name", "preferred_username", "sub") if (said := _text(claims.get(one), LONGEST_NAME))), ""
    )
    return Subject(
        issuer=claims["iss"], subject=claims["sub"], tenant_id=tenant, tenant_key=key,
        roles=_texts(claim_at(claims, settings.oidc_roles_claim)), email=normalised(email) if email else None,
        name=name, session=_text(claims.get("sid")), methods=_texts(claims.get("amr")),
    )  # fmt: skip


def claim_at(claims: Claims, path: str) -> Any:
    """The claim of that name, or the one that dots lead to: `realm_access.roles`. None where there is none."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _texts(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(text for one in listed[:MOST_ROLES] if (text := _text(one)))


def _text(value: Any, longest: int = LONGEST_TEXT) -> str | None:
    good = isinstance(value, str) and value.strip() and len(value) <= longest and value.isprintable()
    return value if good else None
