"""Auth of the dialect: bearer, api_key, http_basic and OAuth2 client credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from penstock.dialects.dlt.called import auth_of
from penstock.dialects.dlt.context import Context, nearest
from penstock.dialects.dlt.repairs import AUTH_NAMES, entries, pairs, word
from penstock.dialects.document import Node, SecretRef
from penstock.dialects.repairing.edits import Into, Rewrite
from penstock.plan.auth import ApiKey, Auth, Basic, Bearer, NoAuth, OAuth2, client_credentials
from penstock.plan.expr import Const, Expr
from penstock.plan.request import Slot

_Entries = Mapping[str, Node]

OBTAINED = "token of a script"
"""The key of a token that a script has obtained itself; nobody writes it by hand."""

_KEYS = {
    "bearer": ("token",),
    "api_key": ("name", "api_key", "location"),
    "http_basic": ("username", "password"),
    "oauth2_client_credentials": (
        "access_token_url",
        "client_id",
        "client_secret",
        "access_token_request_data",
        "default_token_expiration",
        "access_token",
        "scope",
        "grant_type",
        "session",
    ),
}
_RENAMES = {
    "bearer": {"api_key": "token", "access_token": "token", "api_token": "token", "key": "token"},
    "api_key": {"key": "api_key", "value": "api_key", "token": "api_key", "in": "location",
                "header": "name", "header_name": "name", "param_name": "name"},
    "http_basic": {"user": "username", "login": "username", "pass": "password",
                   "token": "password"},
    "oauth2_client_credentials": {
        "token_url": "access_token_url",
        "url": "access_token_url",
        "token_endpoint": "access_token_url",
        "id": "client_id",
        "secret": "client_secret",
        "scopes": "scope",
    },
}  # fmt: skip


def auth(ctx: Context, node: Node | None) -> Auth:
    """The auth of a client or an endpoint."""
    if node is None or node.value is None:
        return NoAuth()
    if _none(node):
        return _nothing(ctx, node, node)
    if isinstance(node.value, str):
        kind = word(ctx, node, AUTH_NAMES, _KEYS)
        return _built(ctx, kind, node, {})
    own = auth_of(ctx, node)
    if own is not None:
        return own
    if not ctx.mapping(node):
        return NoAuth()
    said = node.get("type")
    if said is not None and _none(said):
        node.mark()
        return _nothing(ctx, said, node)
    kind = "bearer" if said is None else word(ctx, said, AUTH_NAMES, _KEYS)
    if kind not in _KEYS:
        return _built(ctx, kind, said or node, {})
    what = f"{kind} auth"
    made = (OBTAINED,) if node.has(OBTAINED) else ()
    held = entries(ctx, node, (*_KEYS[kind], *made, "type"), _RENAMES[kind], what)
    return _built(ctx, kind, node, held)


def _nothing(ctx: Context, said: Node, node: Node) -> Auth:
    message = f"{said.plain()!r} is no auth of dlt; it is read as none"
    edit = Rewrite(node=node, value=None)
    ctx.warn("renamed-value", message, said, "write null, or leave it out", edits=(edit,))
    return NoAuth()


def _none(node: Node) -> bool:
    return isinstance(node.value, str) and node.value.lower() in {"none", "no_auth", "noauth"}


def _built(ctx: Context, kind: str | None, node: Node, held: _Entries) -> Auth:
    if kind not in _BUILDERS:
        if kind is not None:
            hint = nearest(kind, _BUILDERS)
            if kind.lower().startswith(("bearer ", "token ")):
                hint = 'write {"type": "bearer", "token": dlt.secrets["token"]}'
            ctx.error("unknown-value", f"there is no auth {kind!r}", node, hint)
            node.mark()
        return NoAuth()
    return _BUILDERS[kind](ctx, node, held)


# Fields for which a text in place of all credentials stands.
_WHOLE = {"token", "api_key"}


def _credential(ctx: Context, held: _Entries, name: str, *, secret: bool = True) -> Expr:
    """A field that, when the document leaves it out, is looked up as dlt does, or by its name."""
    found = held.get(name)
    if found is None or found.value is None:
        before = (f"credentials.{name}", *(("credentials",) if name in _WHOLE else ()))
        return ctx.input(SecretRef(name=name, secret=secret), before)
    return ctx.secret(found) if secret else ctx.expr(found)


def _bearer(ctx: Context, node: Node, held: _Entries) -> Auth:
    del node
    return Bearer(token=_credential(ctx, held, "token"))


def _api_key(ctx: Context, node: Node, held: _Entries) -> Auth:
    del node
    name = ctx.text(held.get("name"), "Authorization") or "Authorization"
    location = ctx.choice(held.get("location"), ("header", "query", "param", "cookie"), "header")
    value = _credential(ctx, held, "api_key")
    if location == "cookie":
        return ApiKey(slot=Slot(place="cookie", path=(name,)), value=value)
    if location == "header":
        return ApiKey(slot=Slot(place="header", path=(name,)), value=value)
    return ApiKey(slot=Slot(place="query", path=(name,)), value=value)


def _basic(ctx: Context, node: Node, held: _Entries) -> Auth:
    del node
    return Basic(
        username=_credential(ctx, held, "username", secret=False),
        password=_credential(ctx, held, "password"),
    )


def _oauth2(ctx: Context, node: Node, held: _Entries) -> Auth:
    grant = held.get("grant_type")
    if grant is not None and grant.value != "client_credentials":
        hint = pairs(grant_type="client_credentials")
        ctx.error("unknown-value", f"the grant {grant.plain()!r} is not supported", grant, hint)
    if held and held.get("access_token_url") is None:
        ctx.missing(node, "access_token_url", "oauth2_client_credentials auth")
    session = held.get("session")
    if session is not None and session.value is not None:
        ctx.gap(session, "a session of requests is not used for tokens")
    if held.get("access_token") is not None:
        ctx.gap(held["access_token"], "access_token is not used; a token is always asked for")
    made = client_credentials(
        url=_credential(ctx, held, "access_token_url", secret=False),
        client_id=_credential(ctx, held, "client_id", secret=False),
        client_secret=_credential(ctx, held, "client_secret"),
        extra=_extra(ctx, held),
    )
    return _obtained(ctx, _with_lifetime(ctx, made, held), held.get(OBTAINED))


def _obtained(ctx: Context, auth: OAuth2, node: Node | None) -> OAuth2:
    """The auth with a token that the script itself has asked for, while it is good."""
    token, until = (node.get("token"), node.get("until")) if node is not None else (None, None)
    if token is None or until is None:
        return auth
    return msgspec.structs.replace(auth, initial=ctx.secret(token), expiry=ctx.expr(until))


def _extra(ctx: Context, held: _Entries) -> tuple[tuple[Expr, Expr], ...]:
    found: list[tuple[Expr, Expr]] = []
    data, scope = held.get("access_token_request_data"), held.get("scope")
    if data is not None and ctx.mapping(data):
        for key in data.mapping:
            child = data.get(key)
            assert child is not None, "the key was just listed"
            found.append((Const(value=key), ctx.expr(child)))
    if scope is not None:
        text = " ".join(ctx.texts(scope)) if isinstance(scope.value, list) else None
        hint = pairs(access_token_request_data={"scope": text or scope.plain()})
        message = "scope is sent with the token request"
        edit = Into(node=scope, holder="access_token_request_data", name="scope", value=text)
        ctx.warn("renamed-key", message, scope, f"write {hint}", key=True, edits=(edit,))
        found.append((Const(value="scope"), Const(value=text) if text else ctx.expr(scope)))
    return tuple(found)


def _with_lifetime(ctx: Context, auth: OAuth2, held: _Entries) -> OAuth2:
    lifetime = held.get("default_token_expiration")
    if lifetime is None or lifetime.value is None:
        return auth
    return OAuth2(url=auth.url, body=auth.body, lifetime=ctx.number(lifetime, auth.lifetime))


_BUILDERS: dict[str, Callable[[Context, Node, _Entries], Auth]] = {
    "bearer": _bearer,
    "api_key": _api_key,
    "http_basic": _basic,
    "oauth2_client_credentials": _oauth2,
}
