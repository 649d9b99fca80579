"""JSON Web Tokens (RFC 7519) signed with a shared secret."""

from __future__ import annotations

import base64
import hashlib
import hmac

import msgspec

from penstock.errors import AuthError
from penstock.plan.expr import JsonValue

_HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def signed(
    headers: dict[str, JsonValue], payload: dict[str, JsonValue], secret: str, algorithm: str
) -> str:
    """The token with these headers and claims.

    Raises:
        AuthError: the algorithm needs a private key, which this cannot sign with.
    """
    if algorithm not in _HASHES:
        known = ", ".join(_HASHES)
        raise AuthError(f"a token cannot be signed with {algorithm}", hint=f"there are: {known}")
    parts = [_encoded(msgspec.json.encode(part)) for part in (headers, payload)]
    text = ".".join(parts)
    digest = hmac.new(secret.encode(), text.encode(), _HASHES[algorithm]).digest()
    return f"{text}.{_encoded(digest)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
