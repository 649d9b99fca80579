"""Auth: pure kinds that sign a request with a token, and say which requests obtain one.

Nothing here does input or output. `obtain` is a generator: it yields the requests it needs and is
sent their responses, so that a token request passes the same limits and retries as any other. The
reader keeps the token, shares it among all requests, and calls `obtain` once at a time.
"""

from __future__ import annotations

import base64
from collections.abc import Generator
from typing import Literal, TypeAlias, assert_never

import msgspec

from penstock.errors import AuthError
from penstock.plan.expr import (
    Const,
    Expr,
    Frame,
    JsonValue,
    Object,
    as_text,
    evaluate,
    evaluate_text,
)
from penstock.plan.page import HttpRequest, HttpResponse
from penstock.plan.request import Body, FormBody, JsonBody, Param, Request, Slot, build


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it was obtained: `expires_at` in seconds of the run's clock, None for never.

    `refresh` is the refresh token that goes with it, where the API gave one.
    """

    value: str
    expires_at: float | None = None
    refresh: str | None = None


Obtain: TypeAlias = Generator[HttpRequest, HttpResponse, Grant]


class NoAuth(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Requests go as they are."""


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A value in a slot of every request."""

    slot: Slot
    value: Expr


class Bearer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`Authorization: Bearer <token>`, the token as written."""

    token: Expr


class Basic(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """HTTP Basic, RFC 7617."""

    username: Expr
    password: Expr


class OAuth2(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A token from a token endpoint (RFC 6749), renewed before it expires and once on a 401.

    `body` holds the fields of the token request, the grant type among them. `lifetime` in seconds
    is taken where the answer has no `expires_in`.
    """

    url: Expr
    body: Expr
    headers: tuple[Param, ...] = ()
    encoding: Literal["form", "json", "query"] = "form"
    token_field: str = "access_token"  # noqa: S105 (a field name)
    expires_field: str = "expires_in"
    lifetime: float = 3600.0  # seconds
    scheme: str = "Bearer"


class Choose(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One of several kinds, picked by a value the user gave."""

    by: Expr
    options: tuple[tuple[str, Auth], ...]


Auth = NoAuth | ApiKey | Bearer | Basic | OAuth2 | Choose

# Renewed this long before the end, so that no request is under way with a token that just expired.
RENEW_BEFORE = 30.0
_MIN_LIFETIME_SHARE = 0.1


def chosen(auth: Auth, frame: Frame) -> Auth:
    """The kind that applies, with every `Choose` decided.

    Raises:
        AuthError: the value names none of the options.
    """
    while isinstance(auth, Choose):
        name = evaluate_text(auth.by, frame)
        options = dict(auth.options)
        if name not in options:
            known = ", ".join(sorted(options))
            raise AuthError(f"no authentication is called {name!r}", hint=f"there are: {known}")
        auth = options[name]
    return auth


def needs_grant(auth: Auth) -> bool:
    """Whether requests must wait for a token that `obtain` gets."""
    return isinstance(auth, OAuth2)


def fresh(grant: Grant, now: float) -> bool:
    """Whether the token can still be used."""
    return grant.expires_at is None or now < grant.expires_at


def sign(auth: Auth, request: HttpRequest, frame: Frame, grant: Grant | None) -> HttpRequest:
    """The request with its credentials.

    Raises:
        AuthError: a token is needed and there is none.
    """
    match auth:
        case NoAuth():
            return request
        case ApiKey():
            return _in_slot(request, auth.slot, evaluate_text(auth.value, frame))
        case Bearer():
            token = evaluate_text(auth.token, frame)
            return request.with_header("Authorization", f"Bearer {token}")
        case Basic():
            pair = f"{evaluate_text(auth.username, frame)}:{evaluate_text(auth.password, frame)}"
            return request.with_header("Authorization", f"Basic {_b64(pair)}")
        case OAuth2():
            if grant is None:
                raise AuthError("no token was obtained")
            return request.with_header("Authorization", f"{auth.scheme} {grant.value}")
        case Choose():
            return sign(chosen(auth, frame), request, frame, grant)
        case _:
            assert_never(auth)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _in_slot(request: HttpRequest, slot: Slot, value: str) -> HttpRequest:
    match slot.place:
        case "query":
            return request.with_query(slot.name, value)
        case "header":
            return request.with_header(slot.name, value)
        case "cookie":
            held = next((v for n, v in request.headers if n.lower() == "cookie"), "")
            pair = f"{slot.name}={value}"
            return request.with_header("Cookie", f"{held}; {pair}" if held else pair)
        case "json" | "form" | "url":
            raise AuthError(f"a credential cannot be put into the {slot.place} of a request")
        case _:
            assert_never(slot.place)


def obtain(auth: Auth, frame: Frame, now: float) -> Obtain:
    """The requests that get a token, and the token.

    Raises:
        AuthError: the endpoint refused, or its answer holds no token.
    """
    if not isinstance(auth, OAuth2):
        raise AuthError(f"{type(auth).__name__} needs no token")
    response = yield token_request(auth, frame)
    return read_grant(auth, response, now)


def token_request(auth: OAuth2, frame: Frame) -> HttpRequest:
    """The request for a token."""
    fields = evaluate(auth.body, frame)
    if auth.encoding == "query":
        pairs = fields.items() if isinstance(fields, dict) else ()
        extra = [(Slot(place="query", path=(k,)), v) for k, v in pairs]
        return build(Request(url=auth.url, method="POST", params=auth.headers), extra, frame)
    value = Const(value=fields)
    body: Body = JsonBody(value=value) if auth.encoding == "json" else FormBody(value=value)
    request = Request(url=auth.url, method="POST", params=auth.headers, body=body)
    return build(request, (), frame).with_header("Accept", "application/json")


def read_grant(auth: OAuth2, response: HttpResponse, now: float) -> Grant:
    """The token in the answer of a token endpoint.

    Raises:
        AuthError: the endpoint refused, or its answer holds no token.
    """
    answer = _json(response)
    if not response.ok:
        raise AuthError(
            f"the token endpoint answered {response.status}{_reason(answer)}",
            request=f"POST {response.url}",
            hint="check the client id and secret",
        )
    token = _find(answer, auth.token_field)
    if not isinstance(token, str) or not token:
        raise AuthError(
            f"the token endpoint's answer holds no {auth.token_field!r}",
            request=f"POST {response.url}",
        )
    lifetime = _seconds(_find(answer, auth.expires_field), auth.lifetime)
    margin = min(RENEW_BEFORE, lifetime * _MIN_LIFETIME_SHARE)
    refresh = _find(answer, "refresh_token")
    return Grant(
        value=token,
        expires_at=now + lifetime - margin,
        refresh=refresh if isinstance(refresh, str) else None,
    )


def _json(response: HttpResponse) -> JsonValue:
    try:
        decoded: JsonValue = msgspec.json.decode(response.body)
    except msgspec.DecodeError:
        return None
    return decoded


def _find(value: JsonValue, name: str, depth: int = 5) -> JsonValue:
    """The first value called `name`, also inside nested objects, as far as `depth`."""
    if not isinstance(value, dict) or depth == 0:
        return None
    if name in value:
        return value[name]
    found = (_find(inner, name, depth - 1) for inner in value.values())
    return next((f for f in found if f is not None), None)


def _seconds(value: JsonValue, default: float) -> float:
    try:
        return float(as_text(value)) if value is not None else default
    except ValueError:
        return default


def _reason(answer: JsonValue) -> str:
    words = [as_text(_find(answer, name)) for name in ("error", "error_description", "message")]
    said = ": ".join(w for w in words if w)
    return f" ({said})" if said else ""


def client_credentials(
    *, url: Expr, client_id: Expr, client_secret: Expr, extra: tuple[tuple[Expr, Expr], ...] = ()
) -> OAuth2:
    """The client credentials grant, RFC 6749 section 4.4, its fields in the body."""
    fields = (
        (Const(value="grant_type"), Const(value="client_credentials")),
        (Const(value="client_id"), client_id),
        (Const(value="client_secret"), client_secret),
        *extra,
    )
    return OAuth2(url=url, body=Object(items=fields))
