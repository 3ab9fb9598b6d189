"""How programs say who they are, as the OpenAPI document has it."""

from collections.abc import Iterable
from typing import Any

from careapp.api.oauth import KEYS_PATH, METADATA_PATH, TOKEN_PATH
from careapp.scopes import WRITE
from careapp.signing import KEY, NONCE, SIGNATURE, TIME
from careapp.surface.internal_credentials import HEADER

BEARER, CLIENT, INTERNAL = "bearer", "serviceClient", "internalToken"
SIGNED = {"signatureKey": KEY, "signatureTime": TIME, "signatureNonce": NONCE, "signature": SIGNATURE}  # all of them
DESCRIBED = "/api/docs#credentials"

TOKENS = f"""`POST {TOKEN_PATH}` gives a service client a token of fifteen minutes: `grant_type=client_credentials`
as a form, id and secret as HTTP Basic. `{METADATA_PATH}` and `{KEYS_PATH}` say the rest."""
HOW_SIGNED = f"""Instead of a bare credential, a signature over the request, good once and for a minute: the key's id in
`{KEY}`, seconds since 1970 in `{TIME}`, 16 to 64 of `A-Za-z0-9_-` never used before in `{NONCE}`, and in `{SIGNATURE}`
the HMAC-SHA256, in lower-case hexadecimal, over nine lines with line feeds between them: `careapp-hmac-sha256-1`,
tenant, key's id, method, path, query, SHA-256 of the body in hexadecimal, time, nonce. docs/security/api-tokens.md has
each of them exactly, and an example."""


def with_credentials(document: dict[str, Any], scopes: Iterable[str], issuer: str) -> dict[str, Any]:
    """The document with every way to say who one is; `scopes` are those that tokens can use.

    Its addresses are whole ones, of the issuer, as OpenAPI asks for.
    """
    here = issuer.rstrip("/")
    document["components"]["securitySchemes"] = _schemes(scopes, here)
    for tag in document["tags"]:
        if tag["name"] == "Internal":
            tag["externalDocs"] = {"description": "How a request is signed", "url": here + DESCRIBED}
    for operations in document["paths"].values():
        for method, operation in operations.items():
            if method != "parameters":
                operation["security"] += [_other_way(operation["security"][0])]
    return document


def _schemes(scopes: Iterable[str], here: str) -> dict[str, Any]:
    given = {scope: _told(scope) for scope in sorted(scopes)}
    told = "A token: of the identity provider, of `POST /oauth/token`, or, to try, of `flask token`."
    bare = "A bare service credential. An installation may take signed requests alone."
    return {
        BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": told},
        CLIENT: {
            "type": "oauth2", "description": TOKENS,
            "flows": {"clientCredentials": {"tokenUrl": here + TOKEN_PATH, "scopes": given}},
        },
        INTERNAL: {"type": "apiKey", "in": "header", "name": HEADER, "description": bare},
        **{
            name: {"type": "apiKey", "in": "header", "name": header, "description": f"One of four: see `{DESCRIBED}`."}
            for name, header in SIGNED.items()
        },
    }  # fmt: skip


def _other_way(asked: dict[str, list[str]]) -> dict[str, list[str]]:
    """The other way to meet what an operation asks for: a client's token with its scope, or a signature."""
    return {CLIENT: asked[BEARER]} if BEARER in asked else {name: [] for name in SIGNED}


def _told(scope: str) -> str:
    family, _, act = scope.partition(".")
    return (
        f"Family {family}: to write, and to read what answers show." if act == WRITE else f"Family {family}: to read."
    )
