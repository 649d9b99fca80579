"""Authenticators → auth."""

from __future__ import annotations

from collections.abc import Callable

from penstock.dialects.airbyte import custom, template
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component
from penstock.dialects.airbyte.request import request, slot
from penstock.plan import auth as plan
from penstock.plan.expr import Concat, Const, Expr, Object, Ref, Scope, TimeOf
from penstock.plan.request import JsonBody, Param, Request, Slot
from penstock.plan.slices import parse_duration

_AUTHORIZATION = Slot(place="header", path=("Authorization",))
_DAY = 86_400.0


def authentication(ctx: Context, parent: Component, field: str = "authenticator") -> plan.Auth:
    """The auth of a requester; none where it has no authenticator."""
    component = parent.child(field)
    return plan.NoAuth() if component is None else made(ctx, component)


def made(ctx: Context, component: Component) -> plan.Auth:
    """The auth that an authenticator describes."""
    if component.kind == "CustomAuthenticator":
        return custom.sign(ctx, component)
    make = _KINDS.get(component.kind or "")
    if make is None:
        ctx.unknown(component, "the authenticator", (*_KINDS, "CustomAuthenticator"))
        return plan.NoAuth()
    return make(ctx, ctx.check(component))


def _none(ctx: Context, component: Component) -> plan.Auth:
    del ctx, component
    return plan.NoAuth()


def _bearer(ctx: Context, component: Component) -> plan.Auth:
    return plan.Bearer(token=ctx.credential(component, "api_token"))


def _basic(ctx: Context, component: Component) -> plan.Auth:
    return plan.Basic(
        username=ctx.credential(component, "username"),
        password=ctx.credential(component, "password"),
    )


def _api_key(ctx: Context, component: Component) -> plan.Auth:
    into = component.child("inject_into")
    header = ctx.path(component, "header")
    if (into is None) == (not header):
        message = "an ApiKeyAuthenticator needs 'inject_into', or 'header', but not both"
        ctx.error("missing-key", message, component.node)
    found = slot(ctx, into) if into is not None else Slot(place="header", path=header)
    if found is None:
        return plan.NoAuth()
    return plan.ApiKey(slot=found, value=ctx.credential(component, "api_token"))


def _oauth(ctx: Context, component: Component) -> plan.Auth:
    updater = component.child("refresh_token_updater")
    endpoint = "token_refresh_endpoint" in component
    if not endpoint and "access_token_value" in component:
        return plan.Bearer(token=ctx.credential(component, "access_token_value"))
    if not endpoint:
        ctx.error("missing-key", "an OAuthAuthenticator needs 'token_refresh_endpoint'",
                  component.node)  # fmt: skip
    if component.value("use_profile_assertion") not in (None, False):
        ctx.gap(component, "the profile assertion flow is not run", "use_profile_assertion")
    site = ctx.site(component, template.REQUEST)
    headers = component.get("refresh_request_headers")
    pairs = headers.mapping.items() if headers else ()
    params = tuple(
        Param(slot=Slot(place="header", path=(k,)), value=ctx.scalar(v, site, spelled=True))
        for k, v in pairs
    )
    own_login = any(p.slot.name == "Authorization" for p in params)
    return plan.OAuth2(
        url=ctx.credential(component, "token_refresh_endpoint"),
        body=_refresh_body(ctx, component, own_login=own_login),
        headers=params,
        encoding="query" if component.value("send_refresh_request_as_query_params") else "form",
        token_field=_word(ctx, component, "access_token_name", "access_token"),
        expires_field=_word(ctx, component, "expires_in_name", "expires_in"),
        initial=_optional(ctx, component, "access_token_value"),
        expiry=_expiry(ctx, component),
        rotation=_rotation(ctx, updater) if updater is not None else None,
        refused=_refused(component),
    )


def _word(ctx: Context, component: Component, field: str, default: str) -> str:
    return str(ctx.settled(component, field, default))


def _optional(ctx: Context, component: Component, field: str) -> Expr | None:
    return ctx.credential(component, field) if field in component else None


def _expiry(ctx: Context, component: Component) -> Expr | None:
    value = ctx.expression(component, "token_expiry_date", template.CONFIG, spelled=True)
    spelled = component.value("token_expiry_date_format")
    if value is None or not isinstance(spelled, str):
        return value
    return TimeOf(value=value, format=spelled)


def _refresh_body(ctx: Context, component: Component, *, own_login: bool) -> Expr:
    """The fields of a token request, in the order the reference engine sends them."""
    names = ("grant_type", "client_id", "client_secret", "refresh_token")
    fields: list[tuple[Expr, Expr]] = []
    for name in names:
        if own_login and name.startswith("client_"):
            continue
        default = Const(value="refresh_token" if name == "grant_type" else None)
        known = name in component
        value = ctx.expression(component, name, template.CONFIG, "value", spelled=True)
        key = _word(ctx, component, f"{name}_name", name)
        fields.append((Const(value=key), value if known and value is not None else default))
    scopes = component.value("scopes")
    if scopes:
        fields.append((Const(value="scopes"), Const(value=scopes)))
    taken = {k.value for k, _ in fields if isinstance(k, Const)}
    extra = component.get("refresh_request_body")
    if extra is not None:
        site = ctx.site(component, template.CONFIG)
        held = ((k, v) for k, v in extra.mapping.items() if k not in taken)
        fields += [(Const(value=k), ctx.scalar(v, site, spelled=True)) for k, v in held]
    return Object(items=tuple(fields), drop_null=True)


def _rotation(ctx: Context, component: Component) -> plan.Rotation:
    defaults = plan.Rotation()
    return plan.Rotation(
        refresh_field=_word(ctx, component, "refresh_token_name", defaults.refresh_field),
        refresh=ctx.path(component, "refresh_token_config_path") or defaults.refresh,
        access=ctx.path(component, "access_token_config_path") or defaults.access,
        expiry=ctx.path(component, "token_expiry_date_config_path") or defaults.expiry,
    )


def _refused(component: Component) -> tuple[tuple[int, ...], str, tuple[str, ...]]:
    statuses = component.value("refresh_token_error_status_codes")
    key = component.value("refresh_token_error_key")
    values = component.value("refresh_token_error_values")
    return (
        tuple(int(str(s)) for s in statuses) if isinstance(statuses, list) else (400,),
        str(key or "error"),
        tuple(str(v) for v in values)
        if isinstance(values, list)
        else ("invalid_grant", "invalid_permissions"),
    )


def _session(ctx: Context, component: Component) -> plan.Auth:
    login, how = component.child("login_requester"), component.child("request_authentication")
    if login is None or how is None:
        return plan.NoAuth()
    into = how.child("inject_into")
    key = how.kind == "ApiKey"
    lifetime = component.value("expiration_duration")
    return plan.SessionToken(
        login=request(ctx, login),
        auth=authentication(ctx, login),
        path=ctx.path(component, "session_token_path"),
        lifetime=_length(lifetime) if isinstance(lifetime, str) else None,
        slot=slot(ctx, into) if key and into is not None else None,
        value=_session_value(ctx, how) if key and "api_token" in how else None,
    )


def _session_value(ctx: Context, component: Component) -> Expr | None:
    names = template.REQUEST | {"session_token"}
    return ctx.expression(component, "api_token", names, spelled=True)


def _length(text: str) -> float:
    duration = parse_duration(text)
    return duration.months * 30 * _DAY + duration.seconds


def _legacy_session(ctx: Context, component: Component) -> plan.Auth:
    fields = tuple(
        (Const(value=name), ctx.credential(component, name)) for name in ("username", "password")
    )
    ctx.gap(component, "a given session token is used without being tried", "validate_session_url")
    return plan.SessionToken(
        login=Request(
            url=ctx.credential(component, "login_url"),
            method="POST",
            body=JsonBody(value=Object(items=fields)),
        ),
        path=(_word(ctx, component, "session_token_response_key", "id"),),
        lifetime=_DAY,
        slot=Slot(place="header", path=(_word(ctx, component, "header", "Authorization"),)),
        known=_optional(ctx, component, "session_token"),
    )


def _jwt(ctx: Context, component: Component) -> plan.Auth:
    algorithm = str(component.value("algorithm"))
    if not algorithm.startswith("HS"):
        ctx.gap(component, f"a token cannot be signed with {algorithm}", "algorithm")
    option = component.child("request_option")
    return plan.Jwt(
        secret=ctx.credential(component, "secret_key"),
        algorithm=algorithm,
        headers=_jwt_part(ctx, component, "jwt_headers", {"typ": "JWT"}),
        claims=_jwt_part(ctx, component, "jwt_payload", {}),
        lifetime=ctx.number(component, "token_duration", 1200.0),
        encode=component.value("base64_encode_secret_key") in (True, "true", "True"),
        scheme=ctx.credential(component, "header_prefix"),
        slot=slot(ctx, option) if option is not None else _AUTHORIZATION,
    )


def _jwt_part(ctx: Context, component: Component, field: str, defaults: dict[str, str]) -> Expr:
    site = ctx.site(component, template.CONFIG)
    pairs: dict[str, Expr] = {k: Const(value=v) for k, v in defaults.items()}
    for name in (field, f"additional_{field}"):
        node = component.get(name)
        for key, child in node.mapping.items() if node is not None else ():
            if key not in {"type", "$parameters"}:
                pairs[key] = ctx.scalar(child, site, spelled=True)
    return Object(items=tuple((Const(value=k), v) for k, v in pairs.items()), drop_null=True)


def _choose(ctx: Context, component: Component) -> plan.Auth:
    path = component.value("authenticator_selection_path")
    keys = tuple(map(str, path)) if isinstance(path, list) else ()
    options = component.child("authenticators")
    names = tuple(options.entries) if options is not None else ()
    found = []
    for name in names:
        child = options.child(name) if options is not None else None
        if child is not None:
            found.append((name, made(ctx, child)))
    return plan.Choose(by=Ref(at=Scope.SOURCE, path=keys), options=tuple(found))


def _token_pool(ctx: Context, component: Component) -> plan.Auth:
    ctx.gap(component, "only the first of several tokens is used", "tokens")
    tokens = component.value("tokens")
    header = str(component.value("header", "Authorization"))
    method = str(component.value("auth_method", "Bearer"))
    text = tokens[0] if isinstance(tokens, list) and tokens else tokens
    try:
        token = template.credential(str(text), ctx.site(component, template.CONFIG))
    except template.TemplateError as exc:
        ctx.error("template", str(exc), component.place_of("tokens"), exc.hint)
        return plan.NoAuth()
    value = Concat(parts=(Const(value=f"{method} "), token)) if method else token
    return plan.ApiKey(slot=Slot(place="header", path=(header,)), value=value)


_KINDS: dict[str, Callable[[Context, Component], plan.Auth]] = {
    "NoAuth": _none,
    "BearerAuthenticator": _bearer,
    "BasicHttpAuthenticator": _basic,
    "ApiKeyAuthenticator": _api_key,
    "OAuthAuthenticator": _oauth,
    "SessionTokenAuthenticator": _session,
    "LegacySessionTokenAuthenticator": _legacy_session,
    "JwtAuthenticator": _jwt,
    "SelectiveAuthenticator": _choose,
    "RateLimitedMultipleTokenAuthenticator": _token_pool,
}
