"""Auth: pure kinds that sign a request with a token, and say which requests obtain one.

Nothing here does input or output. `obtain` is a generator: it yields the requests it needs and is
sent their responses, so that a token request passes the same limits and retries as any other. The
reader keeps the token, shares it among all requests, and calls `obtain` once at a time.
"""

from __future__ import annotations

import base64
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Literal, TypeAlias, assert_never
from urllib.parse import urlencode

import msgspec

from penstock.errors import AuthError
from penstock.plan import jsontext
from penstock.plan.datetimes import moment_of
from penstock.plan.decoder import Decoder
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
from penstock.plan.pool import TokenPool
from penstock.plan.python import Sign
from penstock.plan.request import (
    Body,
    FormBody,
    JsonBody,
    Param,
    Request,
    Slot,
    build,
    placed,
)

Kept: TypeAlias = "tuple[tuple[tuple[str, ...], str], ...]"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it was obtained: `expires_at` in seconds of the run's clock, None for never.

    `kept` are values of the user's that it replaces, by their paths: they must be stored before the
    token is used, as a refresh token may be good for one use only.
    """

    value: str
    expires_at: float | None = None
    kept: Kept = ()


Obtain: TypeAlias = Generator[HttpRequest, HttpResponse, Grant]


AUTHORIZATION = Slot(place="header", path=("Authorization",))


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


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """Where the user's values keep what a token endpoint gives, as paths into them.

    A refresh token that can be used once must be kept as soon as it is there. `refresh_field` is
    its name in requests and answers.
    """

    refresh_field: str = "refresh_token"
    refresh: tuple[str, ...] = ("credentials", "refresh_token")
    access: tuple[str, ...] = ("credentials", "access_token")
    expiry: tuple[str, ...] = ("credentials", "token_expiry_date")


class OAuth2(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A token from a token endpoint (RFC 6749), renewed before it expires and once on a 401.

    `body` holds the fields of the token request, the grant type among them. `lifetime` in seconds
    is taken where the answer has no `expires_in`. `initial` is a token the user brought, good until
    `expiry`, an ISO 8601 time; it is used before the endpoint is asked. With `rotation` a new
    refresh token replaces the user's. `refused` are the statuses, and the values of a field, by
    which the endpoint says that the credentials themselves are no good. With `assertion` the body
    sees a token made and signed here as `assertion` of the page. `timed` says that the answer
    gives the time at which the token ends, and not how long it is good. Nothing is asked for
    without the values that it `needs`, by their names.
    """

    url: Expr
    body: Expr
    headers: tuple[Param, ...] = ()
    encoding: Literal["form", "json", "query"] = "form"
    token_field: str = "access_token"  # noqa: S105 (a field name)
    expires_field: str = "expires_in"
    lifetime: float = 3600.0  # seconds
    scheme: str = "Bearer"
    initial: Expr | None = None
    expiry: Expr | None = None
    rotation: Rotation | None = None
    assertion: Jwt | None = None
    timed: bool = False
    needs: tuple[tuple[str, Expr], ...] = ()
    refused: tuple[tuple[int, ...], str, tuple[str, ...]] = ((), "error", ())


class SessionToken(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A token that a login gives, at `path` of its answer, kept for `lifetime` seconds.

    It goes into `slot`, as `value` says, which sees it as `session_token` of the page; without a
    slot it is a bearer token. The login itself is signed with `auth`. No lifetime means until it is
    refused. A `known` token is used first, where the user has one and `trial`, which is signed with
    it, is not answered with 401. `decoder` says how the answer of the login is spelled. Without the
    user's values that it `needs`, by their names, nobody can log in.
    """

    login: Request
    path: tuple[str, ...]
    auth: Auth = NoAuth()
    lifetime: float | None = None
    slot: Slot | None = None
    value: Expr | None = None
    known: Expr | None = None
    trial: Request | None = None
    needs: tuple[tuple[str, Expr], ...] = ()
    decoder: Decoder = Decoder()


class Jwt(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A JSON Web Token made for `lifetime` seconds, signed with a secret the user gave.

    `encode` takes the secret's Base64; a private key may be locked with `passphrase`. Claims and
    headers that are null are left out.
    """

    secret: Expr
    algorithm: str
    headers: Expr
    claims: Expr
    lifetime: float = 1200.0
    encode: bool = False
    passphrase: Expr | None = None
    scheme: Expr = Const(value="Bearer")
    slot: Slot | None = None


class Choose(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One of several kinds, picked by a value the user gave."""

    by: Expr
    options: tuple[tuple[str, Auth], ...]


Auth = (
    NoAuth | ApiKey | Bearer | Basic | OAuth2 | SessionToken | Jwt | TokenPool | Choose | Sign
)  # stands after its members, so that annotations resolve on every Python

# Renewed this long before the end, so that no request is under way with a token that just expired.
RENEW_BEFORE = 30.0
_MIN_LIFETIME_SHARE = 0.1
_UNAUTHORIZED = 401


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


def slots(auth: Auth) -> tuple[Slot, ...]:
    """Where the credentials of a kind go."""
    match auth:
        case ApiKey(slot=slot) | SessionToken(slot=Slot() as slot) | Jwt(slot=Slot() as slot):
            return (slot,)
        case NoAuth() | Choose() | Sign() | TokenPool():
            return ()  # nowhere, or where it turns out
        case _:
            return (AUTHORIZATION,)


def needs_grant(auth: Auth) -> bool:
    """Whether requests must wait for a token that `obtain` gets."""
    return isinstance(auth, (OAuth2, SessionToken, Jwt))


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
        case SessionToken() | Jwt():
            if grant is None:
                raise AuthError("no token was obtained")
            return _with_grant(auth, request, frame, grant.value)
        case Choose():
            return sign(chosen(auth, frame), request, frame, grant)
        case Sign():
            raise AuthError(f"{auth.name} signs where it may block")
        case TokenPool():
            raise AuthError("tokens that take turns sign where they may wait")
        case _:
            assert_never(auth)


def _with_body(request: HttpRequest, body: bytes, content_type: str) -> HttpRequest:
    """The request with another body, and its type unless it had one."""
    changed = msgspec.structs.replace(request, body=body)
    typed = any(name.lower() == "content-type" for name, _ in request.headers)
    return changed if typed else changed.with_header("Content-Type", content_type)


def _with_grant(
    auth: SessionToken | Jwt, request: HttpRequest, frame: Frame, token: str
) -> HttpRequest:
    """The request with a token in its slot, or as a bearer token."""
    page = {**frame.page, "session_token": token}
    here = msgspec.structs.replace(frame, page=page)
    if isinstance(auth, Jwt):
        scheme = evaluate_text(auth.scheme, frame)
        value = f"{scheme} {token}" if scheme else token
    else:
        value = evaluate_text(auth.value, here) if auth.value is not None else token
    if auth.slot is not None:
        return _in_slot(request, auth.slot, value)
    bearer = value if isinstance(auth, Jwt) else f"Bearer {value}"
    return request.with_header("Authorization", bearer)


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
        case "form":
            joint = "&" if request.body else ""
            held = (request.body or b"").decode() + joint + urlencode({slot.name: value})
            return _with_body(request, held.encode(), "application/x-www-form-urlencoded")
        case "json":
            decoded: JsonValue = msgspec.json.decode(request.body) if request.body else {}
            body = msgspec.json.encode(placed(decoded, slot.path, value))
            return _with_body(request, body, "application/json")
        case "url":
            raise AuthError("a credential cannot stand for the URL of a request")
        case _:
            assert_never(slot.place)


def obtain(auth: Auth, frame: Frame, now: float, refused: str | None = None) -> Obtain:
    """The requests that get a token, and the token; not the one that the API has `refused`.

    Raises:
        AuthError: the endpoint refused, or its answer holds no token.
    """
    match auth:
        case OAuth2():
            brought = _brought(auth, frame, now)
            if brought is not None and brought.value != refused:
                return brought
            _complete(auth, frame)
            response = yield token_request(auth, _asserting(auth, frame, now))
            return read_grant(auth, response, now)
        case SessionToken():
            known = evaluate_text(auth.known, frame) if auth.known else ""
            if known and known != refused:
                tried = yield from _tried(auth, known, frame)
                if tried is None or tried.ok:
                    return Grant(value=known)
            _complete(auth, frame)
            login = sign(auth.auth, build(auth.login, (), frame), frame, None)
            response = yield login
            return _session(auth, response, now)
        case Jwt():
            return _made(auth, frame, now)
        case _:
            raise AuthError(f"{type(auth).__name__} needs no token")


def _asserting(auth: OAuth2, frame: Frame, now: float) -> Frame:
    """The frame of a token request that says who asks by a signed token."""
    if auth.assertion is None:
        return frame
    made = _made(auth.assertion, frame, now).value
    scheme = evaluate_text(auth.assertion.scheme, frame)
    page = {**frame.page, "assertion": f"{scheme} {made}" if scheme else made}
    return msgspec.structs.replace(frame, page=page)


def _complete(auth: OAuth2 | SessionToken, frame: Frame) -> None:
    """Make sure of what a login needs.

    Raises:
        AuthError: some of it is empty.
    """
    missing = [name for name, value in auth.needs if not evaluate_text(value, frame)]
    if missing:
        message = f"no token can be obtained without a {' and a '.join(missing)}"
        raise AuthError(message, hint="give a value for each, or a token that is good")


def _tried(
    auth: SessionToken, known: str, frame: Frame
) -> Generator[HttpRequest, HttpResponse, HttpResponse | None]:
    """The answer to a request with a token the user has; None where the document names none.

    Raises:
        AuthError: the answer tells neither that the token is good nor that it is not.
    """
    if auth.trial is None:
        return None
    response = yield _with_grant(auth, build(auth.trial, (), frame), frame, known)
    if not response.ok and response.status != _UNAUTHORIZED:
        raise AuthError(
            f"the session could not be looked at: the API answered {response.status}",
            request=f"GET {response.url}",
        )
    return response


def _brought(auth: OAuth2, frame: Frame, now: float) -> Grant | None:
    """The token the user brought, if it is still good."""
    token = evaluate_text(auth.initial, frame) if auth.initial else ""
    until = evaluate_text(auth.expiry, frame) if auth.expiry else ""
    if not token or not until:
        return None
    try:
        expires_at = datetime.fromisoformat(until).timestamp()
    except ValueError:
        return None
    return Grant(value=token, expires_at=expires_at) if now < expires_at else None


def _session(auth: SessionToken, response: HttpResponse, now: float) -> Grant:
    """The token in the answer to a login."""
    value = jsontext.decode_or(response.body, None)
    if not response.ok:
        raise AuthError(
            f"the login answered {response.status}{_reason(value)}",
            request=f"{auth.login.method} {response.url}",
            hint="check the user name and password",
        )
    for key in auth.path:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, (str, int, float)):
        raise AuthError(
            f"the login's answer holds nothing at {'.'.join(auth.path)!r}",
            request=f"{auth.login.method} {response.url}",
        )
    expires_at = None if auth.lifetime is None else now + auth.lifetime
    return Grant(value=str(value), expires_at=expires_at)


def _made(auth: Jwt, frame: Frame, now: float) -> Grant:
    """A token made and signed here."""
    from penstock.plan import jwt  # noqa: PLC0415 (few documents need it)

    secret = evaluate_text(auth.secret, frame)
    issued = int(now)
    times: dict[str, JsonValue] = {
        "iat": issued,
        "nbf": issued,
        "exp": issued + int(auth.lifetime),
    }
    value = jwt.signed(
        {**_present(auth.headers, frame), "alg": auth.algorithm},
        {**_present(auth.claims, frame), **times},
        _b64(secret) if auth.encode else secret,
        auth.algorithm,
        evaluate_text(auth.passphrase, frame) if auth.passphrase else "",
    )
    return Grant(value=value, expires_at=now + auth.lifetime * (1 - _MIN_LIFETIME_SHARE))


def _present(expr: Expr, frame: Frame) -> dict[str, JsonValue]:
    value = evaluate(expr, frame)
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else {}


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
    return build(request, (), frame)


def read_grant(auth: OAuth2, response: HttpResponse, now: float) -> Grant:
    """The token in the answer of a token endpoint.

    Raises:
        AuthError: the endpoint refused, or its answer holds no token.
    """
    answer = jsontext.decode_or(response.body, None)
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
    ends = _ends(auth, _find(answer, auth.expires_field), now)
    margin = min(RENEW_BEFORE, (ends - now) * _MIN_LIFETIME_SHARE)
    return Grant(
        value=token, expires_at=ends - margin, kept=_kept(auth.rotation, answer, token, ends)
    )


def _ends(auth: OAuth2, told: JsonValue, now: float) -> float:
    """When a token ends, in seconds of the run's clock, as the answer tells it.

    Raises:
        AuthError: the answer does not tell it as the document says.
    """
    if not auth.timed or told is None:
        return now + _seconds(told, auth.lifetime)
    moment = moment_of(as_text(told))
    if moment is None:
        raise AuthError(f"the token endpoint gives {as_text(told)!r} as the end of the token")
    return moment.timestamp()


def _kept(rotation: Rotation | None, answer: JsonValue, token: str, ends: float) -> Kept:
    """What the user's values are to hold from now on."""
    if rotation is None:
        return ()
    until = datetime.fromtimestamp(ends, UTC).isoformat()
    refresh = _find(answer, rotation.refresh_field)
    renewed = ((rotation.refresh, refresh),) if isinstance(refresh, str) and refresh else ()
    return ((rotation.access, token), *renewed, (rotation.expiry, until))


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
