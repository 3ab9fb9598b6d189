"""A realm of Keycloak as an installation would set it up: the client, what its tokens say, and its people."""

from typing import Any

from tools.keycloak.server import Keycloak

REALM, CLIENT, SECRET = "clinic", "careapp", "a secret of the client"
PASSWORD = "Seven-Red-Kites-1"


def set_up(keycloak: Keycloak, careapp: str) -> None:
    """Make the realm, with careapp at this address as its client."""
    keycloak.admin("POST", "", {
        "realm": REALM, "enabled": True, "sslRequired": "none",
        "roles": {"realm": [{"name": name} for name in ("clinician", "front_desk", "admin", "auditor")]},
        "clients": [client(careapp)],
    })  # fmt: skip
    profile = keycloak.admin("GET", f"/{REALM}/users/profile").json()
    keycloak.admin("PUT", f"/{REALM}/users/profile", profile | {"unmanagedAttributePolicy": "ADMIN_EDIT"})


def client(careapp: str) -> dict[str, Any]:
    """careapp as a client: code flow with PKCE, tenant and roles in the ID token, told of sign-outs."""
    in_id_token = {"id.token.claim": "true", "access.token.claim": "true", "jsonType.label": "String"}
    mappers = [
        ("tenant", "oidc-usermodel-attribute-mapper", {"user.attribute": "tenant", "claim.name": "tenant"}),
        ("roles", "oidc-usermodel-realm-role-mapper", {"claim.name": "realm_access.roles", "multivalued": "true"}),
    ]
    return {
        "clientId": CLIENT, "secret": SECRET, "publicClient": False, "standardFlowEnabled": True,
        "directAccessGrantsEnabled": False, "redirectUris": [f"{careapp}/sign-in/oidc/callback"],
        "attributes": {
            "pkce.code.challenge.method": "S256", "post.logout.redirect.uris": f"{careapp}/sign-in",
            "backchannel.logout.url": f"{careapp}/sign-in/oidc/backchannel-logout",
            "backchannel.logout.session.required": "true",
        },
        "protocolMappers": [
            {"name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": in_id_token | config}
            for name, kind, config in mappers
        ],
    }  # fmt: skip


def a_person(keycloak: Keycloak, name: str, tenant: str, *roles: str) -> str:
    """Somebody who signs in as `name` with PASSWORD; his id."""
    keycloak.admin("POST", f"/{REALM}/users", {
        "username": name, "enabled": True, "email": f"{name}@{tenant}.example", "emailVerified": True,
        "firstName": "Daw", "lastName": name.title(), "attributes": {"tenant": [tenant]},
        "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}],
    })  # fmt: skip
    [found] = keycloak.admin("GET", f"/{REALM}/users?username={name}&exact=true").json()
    give_roles(keycloak, found["id"], *roles)
    return str(found["id"])


def give_roles(keycloak: Keycloak, person: str, *names: str) -> None:
    """Give somebody these roles of ours and no other."""
    place = f"/{REALM}/users/{person}/role-mappings/realm"
    held = [role for role in keycloak.admin("GET", place).json() if not role["name"].startswith("default-")]
    if held:
        keycloak.admin("DELETE", place, held)
    if names:
        keycloak.admin("POST", place, [keycloak.admin("GET", f"/{REALM}/roles/{name}").json() for name in names])
