"""JSON Web Tokens (RFC 7519): signed here with a shared secret, by PyJWT with a private key."""

from __future__ import annotations

import base64
import hashlib
import hmac

import msgspec

from penstock.errors import AuthError
from penstock.plan.expr import JsonValue

_HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def signed(
    headers: dict[str, JsonValue],
    payload: dict[str, JsonValue],
    secret: str,
    algorithm: str,
    passphrase: str = "",
) -> str:
    """The token with these headers and claims.

    Raises:
        AuthError: it cannot be signed: the key is none, or what signs with it is not installed.
    """
    if algorithm not in _HASHES or passphrase:
        return _with_key(headers, payload, secret, algorithm, passphrase)
    parts = [_encoded(msgspec.json.encode(part)) for part in (headers, payload)]
    text = ".".join(parts)
    digest = hmac.new(secret.encode(), text.encode(), _HASHES[algorithm]).digest()
    return f"{text}.{_encoded(digest)}"


def _with_key(
    headers: dict[str, JsonValue],
    payload: dict[str, JsonValue],
    secret: str,
    algorithm: str,
    passphrase: str,
) -> str:
    try:
        import jwt  # noqa: PLC0415 (few documents sign with a private key)
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 (the same)
    except ImportError as exc:
        message = f"a token signed with {algorithm} needs PyJWT and cryptography"
        raise AuthError(message, hint="pip install 'penstock[jwt]'") from exc
    try:
        pem = secret.encode()
        key = serialization.load_pem_private_key(pem, passphrase.encode()) if passphrase else secret
        return jwt.encode(payload, key, algorithm, headers)  # type: ignore[arg-type]  # checked
    except Exception as exc:
        # Not `exc` itself: it may quote the key.
        message = f"a token cannot be signed with {algorithm}: {type(exc).__name__}"
        raise AuthError(message, hint="check the private key and its passphrase") from exc


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
