"""Tokens: renewed and written back, asserted, signed with keys, in turn, and from old sessions."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec.structs import replace
from tests.parity.airbyte.build import case, option, rows, stream
from tests.parity.airbyte.harness import EPOCH, Asked, Case, Reply

CREDENTIALS = {
    "client_id": "in-config",
    "client_secret": "kept",
    "refresh_token": "first",
    "access_token": "",
    "token_expiry_date": "",
}


def _auth(name: str, authenticator: Any, api: Any, config: Any, **parts: Any) -> Case:
    asks = {"authenticator": authenticator, **parts.pop("asks", {})}
    return case(f"token {name}", stream(asks=asks), api=lambda: api, config=config, **parts)


# A refresh token that is good once.


def _once(asked: Asked) -> Any:
    """A token endpoint that gives a refresh token with each access token, and an API of one."""
    if asked.path != "/token":
        return rows(1)
    return {"access_token": "second-access", "refresh_token": "second", "expires_in": 3600}


def _updater(name: str, api: Any = _once, config: Any = None, **parts: Any) -> Case:
    updater = parts.pop("updater", {})
    made = {
        "type": "OAuthAuthenticator",
        "token_refresh_endpoint": "https://api.test/token",
        "client_id": "{{ config['credentials']['client_id'] }}",
        "client_secret": "{{ config['credentials']['client_secret'] }}",
        "refresh_token": "{{ config['credentials']['refresh_token'] }}",
        "refresh_token_updater": updater,
        **parts,
    }
    return _auth(f"updated {name}", made, api, config or {"credentials": CREDENTIALS})


_UPDATED = [
    _updater("plain"),
    _updater("other client", client_id="mine", client_secret="own"),
    _updater(
        "client of its own",
        client_id="mine",
        client_secret="own",
        config={"credentials": {"refresh_token": "first", "token_expiry_date": ""}},
    ),
    _updater(
        "still good",
        config={
            "credentials": {
                **CREDENTIALS,
                "access_token": "mine",
                "token_expiry_date": "2024-06-15T13:00:00Z",
            }
        },
    ),
    _updater(
        "elsewhere",
        updater={
            "refresh_token_name": "renew",
            "access_token_config_path": ["access"],
            "refresh_token_config_path": ["deep", "refresh"],
            "token_expiry_date_config_path": ["until"],
        },
        config={"deep": {"refresh": "first"}, "until": "", "credentials": CREDENTIALS},
        api=lambda a: {"access_token": "n", "renew": "r2"} if a.path == "/token" else rows(1),
    ),
    _updater("scopes", scopes=["a", "b"], refresh_request_body={"x": "y"}),
    _updater("in the query", send_refresh_request_as_query_params=True),
    _updater(
        "an end and not a length",
        token_expiry_date_format="%Y-%m-%dT%H:%M:%SZ",
        expires_in_name="expires_at",
        api=lambda a: (
            {"access_token": "n", "refresh_token": "r2", "expires_at": "2024-06-15T20:00:00Z"}
            if a.path == "/token"
            else rows(1)
        ),
    ),
    _updater(
        "refused",
        api=lambda a: (
            Reply(status=400, body={"error": "invalid_grant"}) if a.path == "/token" else rows(1)
        ),
    ),
]

# Sessions as they once were.


def _old_session(asked: Asked) -> Any:
    if asked.path == "/api/session":
        return {"id": "fresh"}
    if asked.path == "/api/me":
        held = dict(asked.headers).get("x-session")
        return rows() if held == "good" else Reply(status=401 if held == "old" else 500, body={})
    return rows(1)


def _legacy(name: str, config: Any) -> Case:
    made = {
        "type": "LegacySessionTokenAuthenticator",
        "header": "X-Session",
        "login_url": "session",
        "validate_session_url": "me",
        "session_token_response_key": "id",
        "session_token": "{{ config.get('session', '') }}",
        "username": "{{ config['user'] }}",
        "password": "{{ config['pass'] }}",
    }
    return _auth(
        f"legacy session, {name}",
        made,
        _old_session,
        {"user": "me", "pass": "pw", **config},
        asks={"url_base": "https://api.test/api/"},
        waits=False,
        kinds=False,
        shared=("/api/session", "/api/me"),
    )


_SESSIONS = [
    _legacy("none yet", {}),
    _legacy("nobody to log in", {"pass": ""}),
    _legacy("run out, and nobody to log in", {"session": "old", "user": ""}),
    _legacy("good", {"session": "good"}),
    _legacy("run out", {"session": "old", "user": "other"}),  # the engine keeps one for each user
    _auth(
        "session in XML",
        {
            "type": "SessionTokenAuthenticator",
            "login_requester": {
                "type": "HttpRequester",
                "url_base": "https://api.test",
                "path": "/login",
                "http_method": "POST",
            },
            "session_token_path": ["login", "token"],
            "expiration_duration": "PT1H",
            "decoder": {"type": "XmlDecoder"},
            "request_authentication": {"type": "Bearer"},
        },
        lambda a: (
            Reply(body="<login><token>from-xml</token></login>") if a.path == "/login" else rows(1)
        ),
        {},
    ),
]

# Tokens that take turns.


def _quotas(left: dict[str, int], back: int = int(EPOCH) + 100) -> Any:
    """An API that counts by token; `left` is what its status says of each."""

    def fresh() -> Any:
        counts = dict(left)

        def answer(asked: Asked) -> Any:
            token = dict(asked.headers).get("authorization", "").rpartition(" ")[2]
            if asked.path == "/quota":
                body = {"core": {"left": counts.get(token, 0), "reset": back, "limit": 100}}
                counts[token] = 10  # the next time it is asked, the quota is back
                return body
            page = int(asked.params.get("page", 0))
            return {"data": [{"id": page}] if page < 5 else []}

        return answer

    return fresh


_PAGES = {
    "type": "DefaultPaginator",
    "pagination_strategy": {"type": "PageIncrement", "inject_on_first_request": True},
    "page_token_option": option("page"),
}


def _pool(name: str, left: dict[str, int], api: Any = None, **parts: Any) -> Case:
    quota = {
        "type": "TokenQuota",
        "name": "core",
        "remaining_path": ["core", "left"],
        "reset_path": ["core", "reset"],
        **parts.pop("quota", {}),
    }
    made = {
        "type": "RateLimitedMultipleTokenAuthenticator",
        "tokens": "{{ config['tokens'] }}",
        "budget_min_reserve": 0,
        "budget_reserve_fraction": 0,
        "quota_status_source": {
            "type": "QuotaStatusSource",
            "url": "https://api.test/quota",
            **parts.pop("source", {}),
        },
        "quotas": [quota],
        **parts.pop("auth", {}),
    }
    made_stream = stream(asks={"authenticator": made}, retrieves={"paginator": _PAGES})
    return case(
        f"tokens in turn, {name}",
        made_stream,
        api=api or _quotas(left),
        config={"tokens": "one, two", **parts.pop("config", {})},
        **parts,
    )


def _unavailable() -> Any:
    def answer(asked: Asked) -> Any:
        if asked.path == "/quota":
            return Reply(status=404, body={})
        page = int(asked.params.get("page", 0))
        return {"data": [{"id": page}] if page < 3 else []}

    return answer


def _limited() -> Any:
    """The first token is refused on its second call."""

    def answer(asked: Asked) -> Any:
        token = dict(asked.headers).get("authorization", "").rpartition(" ")[2]
        if asked.path == "/quota":
            return {"core": {"left": 50, "reset": int(EPOCH) + 100, "limit": 50}}
        page = int(asked.params.get("page", 0))
        if token == "one" and page:
            return Reply(status=429, body={}, headers={"X-Left": "0"})
        return Reply(
            body={"data": [{"id": page}] if page < 3 else []}, headers={"X-Left": str(40 - page)}
        )

    return answer


_POOLS = [
    _pool("enough of the first", {"one": 50, "two": 50}),
    _pool("the first is spent", {"one": 2, "two": 50}),
    _pool("a list", {"one": 2, "two": 50}, auth={"tokens": ["{{ config['a'] }}", "two"]},
          config={"a": "one"}),
    _pool("another delimiter", {"one": 1, "two": 50}, auth={"token_delimiter": ";"},
          config={"tokens": "one;two"}),
    _pool("a scheme and a header", {}, auth={"auth_method": "token", "header": "X-Auth"},
          api=_unavailable, source={"unavailable_status_codes": [404]}, headers=("x-auth",)),
    _pool("not counted", {}, api=_unavailable, source={"unavailable_status_codes": [404]}),
    _pool("no status", {}, api=_unavailable),
    _pool("both spent", {"one": 1, "two": 1}, quota={"limit_path": ["core", "limit"]}),
    _pool("spent for too long", {"one": 1, "two": 0}, auth={"max_wait_time": "PT10S"}),
    _pool("slowly at the end", {"one": 3, "two": 3}, auth={"budget_min_reserve": 50}),
    _pool(
        "a share is held back",
        {"one": 4, "two": 4},
        quota={"limit_path": ["core", "limit"]},
        auth={"budget_reserve_fraction": 0.5},
    ),
    _pool(
        "refused by an answer",
        {},
        api=_limited,
        quota={"remaining_header": "X-Left", "exhaustion_status_codes": [429]},
    ),
    _pool("a post with headers", {"one": 50, "two": 50},
          source={"http_method": "POST", "request_headers": {"X-Q": "{{ config['q'] }}"}},
          config={"q": "v"}, headers=("x-q",)),
]  # fmt: skip

# Tokens that are made and signed here.


def _claims(token: str) -> list[Any]:
    """Headers and claims of a token; what it was signed with is random for some keys."""
    parts = [part + "=" * (-len(part) % 4) for part in token.split(".")[:2]]
    return [json.loads(base64.urlsafe_b64decode(part)) for part in parts]


def _told(asked: Asked) -> Any:
    """An API whose records say what a token holds; times are those of either engine's clock."""
    if asked.path == "/token":
        fields = dict(parse_qsl(asked.body))
        token, asked_for = fields.pop("assertion"), {"grant": sorted(fields.items())}
    else:
        token = dict(asked.headers).get("authorization", asked.params.get("jwt", ""))
        asked_for = {"scheme": token.rpartition(" ")[0]}
    if token.count(".") != 2 and asked.path != "/token":
        return rows(1)
    headers, claims = _claims(token.rpartition(" ")[2])
    length = claims.pop("exp") - claims.pop("iat")
    claims.pop("nbf")
    if asked.path == "/token":
        return {"access_token": f"for-{claims.get('sub')}-{length}-{asked_for['grant']}"}
    return {"data": [{"headers": headers, "claims": claims, "length": length, **asked_for}]}


def _pem(password: bytes | None = None) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    locked: Any = serialization.NoEncryption()
    if password is not None:
        locked = serialization.BestAvailableEncryption(password)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, locked).decode()


def _jwt(name: str, config: Any, **parts: Any) -> Case:
    made = {
        "type": "JwtAuthenticator",
        "secret_key": "{{ config['key'] }}",
        "algorithm": "RS256",
        "jwt_payload": {"sub": "{{ config['who'] }}"},
        **parts,
    }
    found = _auth(f"jwt {name}", made, _told, {"who": "me", **config})
    # A key that is none is the user's to mend; the engine does not say so.
    return replace(found, unlike=("authorization", "jwt"), kinds=False)


def _asserted(name: str, **parts: Any) -> Case:
    made = {
        "type": "OAuthAuthenticator",
        "token_refresh_endpoint": "https://api.test/token",
        "use_profile_assertion": True,
        "profile_assertion": {
            "type": "JwtAuthenticator",
            "secret_key": "{{ config['key'] }}",
            "algorithm": "RS256",
            "token_duration": 600,
            "jwt_payload": {"sub": "{{ config['who'] }}"},
        },
        **parts,
    }
    config = {"key": _pem(), "who": "me"}
    return replace(_auth(f"asserted {name}", made, _told, config), unlike=("assertion",))


_MADE = [
    _jwt("private key", {"key": _pem()}),
    _jwt("locked private key", {"key": _pem(b"pw"), "pass": "pw"},
         passphrase="{{ config['pass'] }}"),
    _jwt("no key at all", {"key": "none"}),
    _jwt("a wrong passphrase", {"key": _pem(b"pw"), "pass": "other"},
         passphrase="{{ config['pass'] }}"),
    _jwt("a scheme", {"key": _pem()}, header_prefix="Token", token_duration=60),
    _jwt(
        "headers and more claims",
        {"key": _pem(), "roles": ["a"], "json": '{"kid": "k9"}'},
        jwt_headers={"kid": "{{ json_loads(config['json'])['kid'] }}",
                     "typ": "JWT+x"},
        additional_jwt_headers={"x": "{{ config['who'] }}"},
        additional_jwt_payload={"roles": "{{ config['roles'] }}", "n": "{{ 5 }}"},
    ),
    _jwt("in the query", {"key": _pem()}, request_option=option("jwt")),
    _jwt("shared secret, encoded", {"key": "s3cret"}, algorithm="HS256",
         base64_encode_secret_key=True),
    _jwt("shared secret", {"key": "s3cret"}, algorithm="HS512"),
    _asserted("plain"),
    _asserted("another grant type's name", grant_type_name="kind"),
    _asserted("with scopes", scopes=["a"], client_id="a", client_secret="b"),
]  # fmt: skip

CASES = [*_UPDATED, *_SESSIONS, *_POOLS, *_MADE]
