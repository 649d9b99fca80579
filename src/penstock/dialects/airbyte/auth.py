"""Authenticators → auth."""

from __future__ import annotations

from collections.abc import Callable

from penstock.dialects.airbyte import custom, template
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.limits import matcher
from penstock.dialects.airbyte.manifest import Component
from penstock.dialects.airbyte.records import decoder
from penstock.dialects.airbyte.request import base_url, request, slot
from penstock.plan import auth as plan
from penstock.plan.expr import Concat, Const, Expr, Object, Ref, Scope, TimeOf
from penstock.plan.paths import at
from penstock.plan.pool import Quota, TokenPool
from penstock.plan.request import JsonBody, Param, Request, Slot

_DAY = 86_400.0


def authentication(ctx: Context, parent: Component, field: str = "authenticator") -> plan.Auth:
    """The auth of a requester; none where it has no authenticator."""
    component = parent.child(field)
    return plan.NoAuth() if component is None else made(ctx, component, parent)


def made(ctx: Context, component: Component, requester: Component) -> plan.Auth:
    """The auth that an authenticator of a requester describes."""
    if component.kind == "CustomAuthenticator":
        return custom.sign(ctx, component)
    if component.kind == "SelectiveAuthenticator":
        return _choose(ctx, ctx.check(component), requester)
    if component.kind == "LegacySessionTokenAuthenticator":
        return _legacy_session(ctx, ctx.check(component), requester)
    make = _KINDS.get(component.kind or "")
    if make is None:
        ctx.unknown(component, "the authenticator", (*_KINDS, *_OTHERS))
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
    endpoint = "token_refresh_endpoint" in component
    if not endpoint and "access_token_value" in component:
        return plan.Bearer(token=ctx.credential(component, "access_token_value"))
    if not endpoint:
        ctx.error("missing-key", "an OAuthAuthenticator needs 'token_refresh_endpoint'",
                  component.node)  # fmt: skip
    updater = component.child("refresh_token_updater")
    rotation = _rotation(ctx, updater) if updater is not None else None
    site = ctx.site(component, template.REQUEST)
    headers = component.get("refresh_request_headers")
    pairs = headers.mapping.items() if headers else ()
    params = tuple(
        Param(slot=Slot(place="header", path=(k,)), value=ctx.scalar(v, site, spelled=True))
        for k, v in pairs
    )
    assertion = _assertion(ctx, component)
    query = component.value("send_refresh_request_as_query_params") is True
    return plan.OAuth2(
        url=ctx.credential(component, "token_refresh_endpoint"),
        body=_refresh_body(ctx, component, rotation, params) if assertion is None
        else _asserting_body(ctx, component),
        headers=params,
        encoding="query" if query and assertion is None else "form",
        token_field=_word(ctx, component, "access_token_name", "access_token"),
        expires_field=_word(ctx, component, "expires_in_name", "expires_in"),
        initial=_optional(ctx, component, "access_token_value") if rotation is None
        else _kept_at(rotation.access),
        expiry=_expiry(ctx, component) if rotation is None else _kept_at(rotation.expiry),
        rotation=rotation,
        assertion=assertion,
        timed="token_expiry_date_format" in component,
        needs=() if assertion or rotation else _client(ctx, component, params),
        refused=_refused(ctx, component, updater),
    )  # fmt: skip


def _kept_at(path: tuple[str, ...]) -> Expr:
    return Ref(at=Scope.SOURCE, path=path, optional=True)


def _assertion(ctx: Context, component: Component) -> plan.Jwt | None:
    """The signed token that stands in for client and refresh token, where one does."""
    if not ctx.truth(component, "use_profile_assertion"):
        return None
    child = component.child("profile_assertion")
    if child is None:
        message = "'use_profile_assertion' needs a 'profile_assertion'"
        ctx.error("missing-key", message, component.place_of("use_profile_assertion"))
        return None
    if child.kind != "JwtAuthenticator":
        ctx.unknown(child, "the profile assertion", ("JwtAuthenticator",))
        return None
    return _jwt(ctx, ctx.check(child))


_BY_TOKEN = "urn:ietf:params:oauth:grant-type:jwt-bearer"  # noqa: S105 (a name)


def _asserting_body(ctx: Context, component: Component) -> Expr:
    name = _word(ctx, component, "grant_type_name", "grant_type")
    return Object(
        items=(
            (Const(value=name), Const(value=_BY_TOKEN)),
            (Const(value="assertion"), Ref(at=Scope.PAGE, path=("assertion",))),
        )
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


def _refresh_body(
    ctx: Context,
    component: Component,
    rotation: plan.Rotation | None,
    headers: tuple[Param, ...],
) -> Expr:
    """The fields of a token request, in the order the reference engine sends them."""
    own_login = any(p.slot.name == "Authorization" for p in headers)
    fields: list[tuple[Expr, Expr]] = []
    for name in ("grant_type", "client_id", "client_secret", "refresh_token"):
        if own_login and name.startswith("client_"):
            continue
        key = _word(ctx, component, f"{name}_name", name)
        value = _refresh_field(ctx, component, name, rotation)
        if name == "refresh_token" and rotation is not None:
            key = rotation.refresh_field
        fields.append((Const(value=key), value))
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


def _client(
    ctx: Context, component: Component, headers: tuple[Param, ...]
) -> tuple[tuple[str, Expr], ...]:
    """The name of who asks, without which the reference engine asks for nothing."""
    if any(p.slot.name == "Authorization" for p in headers):
        return ()
    name = ctx.expression(component, "client_id", template.CONFIG, spelled=True)
    return (("client_id", name or Const(value="")),)


def _refresh_field(
    ctx: Context, component: Component, name: str, rotation: plan.Rotation | None
) -> Expr:
    """A field of a token request; what is written back is read from where it is written to."""
    if rotation is not None and name == "refresh_token":
        return _kept_at(rotation.refresh)
    if rotation is not None and name.startswith("client_"):
        found, held = at(dict(ctx.values), ("credentials", name))
        if found and held is not None:
            return _kept_at(("credentials", name))
    if component.value(name) == "":
        return Const(value="")  # it is sent as it stands
    value = ctx.expression(component, name, template.CONFIG, spelled=True)
    if value is None or name not in component:
        return Const(value="refresh_token" if name == "grant_type" else None)
    return value


def _rotation(ctx: Context, component: Component) -> plan.Rotation:
    defaults = plan.Rotation()
    return plan.Rotation(
        refresh_field=_word(ctx, component, "refresh_token_name", defaults.refresh_field),
        refresh=ctx.path(component, "refresh_token_config_path") or defaults.refresh,
        access=ctx.path(component, "access_token_config_path") or defaults.access,
        expiry=ctx.path(component, "token_expiry_date_config_path") or defaults.expiry,
    )


_REFUSALS = tuple(f"refresh_token_error_{part}" for part in ("status_codes", "key", "values"))


def _refused(
    ctx: Context, component: Component, updater: Component | None
) -> tuple[tuple[int, ...], str, tuple[str, ...]]:
    """By what the endpoint says that the credentials are no good; either place may tell it."""
    told = [part for part in (component, updater) if part and any(f in part for f in _REFUSALS)]
    if len(told) > 1:
        message = "what a refused refresh token looks like is said twice"
        ctx.error("two-refusals", message, component.place_of("refresh_token_updater"))
    source = told[0] if told else component
    key, values = (source.value(field) for field in _REFUSALS[1:])
    whole = source is component
    return (
        ctx.statuses(source, _REFUSALS[0], (400,) if whole else ()),
        str(key or ("error" if whole else "")),
        tuple(str(v) for v in values) if isinstance(values, list) else
        ("invalid_grant", "invalid_permissions") if whole else (),
    )  # fmt: skip


def _session(ctx: Context, component: Component) -> plan.Auth:
    login, how = component.child("login_requester"), component.child("request_authentication")
    if login is None or how is None:
        return plan.NoAuth()
    into = how.child("inject_into")
    key = how.kind == "ApiKey"
    return plan.SessionToken(
        login=request(ctx, login),
        auth=authentication(ctx, login),
        path=ctx.path(component, "session_token_path"),
        lifetime=_length(ctx, component, "expiration_duration"),
        slot=slot(ctx, into) if key and into is not None else None,
        value=_session_value(ctx, how) if key and "api_token" in how else None,
        decoder=decoder(ctx, component.child("decoder")),
    )


def _session_value(ctx: Context, component: Component) -> Expr | None:
    names = template.REQUEST | {"session_token"}
    return ctx.expression(component, "api_token", names, spelled=True)


def _length(
    ctx: Context, component: Component, field: str, default: str | None = None
) -> float | None:
    """The seconds that a field says, if it says any."""
    text = ctx.settled(component, field, default)
    found = ctx.duration(component, field, text) if isinstance(text, str) else None
    return None if found is None else found.months * 30 * _DAY + found.seconds


def _legacy_session(ctx: Context, component: Component, requester: Component) -> plan.Auth:
    login = tuple((name, ctx.credential(component, name)) for name in ("username", "password"))
    fields = tuple((Const(value=name), value) for name, value in login)
    known = _optional(ctx, component, "session_token")
    base = base_url(ctx, requester, template.REQUEST) or Const(value="")

    def below(field: str) -> Expr:
        return Concat(parts=(base, ctx.credential(component, field)))

    return plan.SessionToken(
        login=Request(
            url=below("login_url"), method="POST", body=JsonBody(value=Object(items=fields))
        ),
        path=(_word(ctx, component, "session_token_response_key", "id"),),
        lifetime=_DAY,
        slot=Slot(place="header", path=(_word(ctx, component, "header", "Authorization"),)),
        known=known,
        trial=Request(url=below("validate_session_url")) if known is not None else None,
        needs=login,
    )


def _jwt(ctx: Context, component: Component) -> plan.Jwt:
    algorithm = str(component.value("algorithm"))
    option = component.child("request_option")
    return plan.Jwt(
        secret=ctx.credential(component, "secret_key"),
        algorithm=algorithm,
        headers=_jwt_part(ctx, component, "jwt_headers", {"typ": "JWT"}),
        claims=_jwt_part(ctx, component, "jwt_payload", {}),
        lifetime=ctx.number(component, "token_duration", 1200.0),
        encode=ctx.truth(component, "base64_encode_secret_key"),
        passphrase=_optional(ctx, component, "passphrase"),
        scheme=ctx.credential(component, "header_prefix"),
        slot=slot(ctx, option) if option is not None else plan.AUTHORIZATION,
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


def _choose(ctx: Context, component: Component, requester: Component) -> plan.Auth:
    path = component.value("authenticator_selection_path")
    keys = tuple(map(str, path)) if isinstance(path, list) else ()
    options = component.child("authenticators")
    names = tuple(options.entries) if options is not None else ()
    found = []
    for name in names:
        child = options.child(name) if options is not None else None
        if child is not None:
            found.append((name, made(ctx, child, requester)))
    return plan.Choose(by=Ref(at=Scope.SOURCE, path=keys), options=tuple(found))


def _pool(ctx: Context, component: Component) -> plan.Auth:
    source = component.child("quota_status_source")
    quotas = tuple(_quota(ctx, child) for child in component.children("quotas"))
    if source is None or not quotas:
        ctx.error("missing-key", "tokens that take turns need quotas", component.node)
        return plan.NoAuth()
    ctx.check(source)
    listed, texts = component.get("tokens"), component.value("tokens")
    nodes = listed.items if listed is not None and isinstance(texts, list) else [listed]
    site = ctx.site(component, template.CONFIG)
    share = ctx.number(component, "budget_reserve_fraction", 0.1)
    return TokenPool(
        tokens=tuple(ctx.secret(node, site) for node in nodes if node is not None),
        delimiter=None
        if isinstance(texts, list)
        else _word(ctx, component, "token_delimiter", ","),
        scheme=_word(ctx, component, "auth_method", "Bearer"),
        header=_word(ctx, component, "header", "Authorization"),
        status=_status(ctx, source),
        untracked=ctx.statuses(source, "unavailable_status_codes"),
        quotas=quotas,
        patience=_length(ctx, component, "max_wait_time", "PT2H") or 0.0,
        share=share,
        reserve=int(ctx.number(component, "budget_min_reserve", 50)),
    )


def _status(ctx: Context, source: Component) -> Request:
    """The request that says what is left for a token."""
    headers = source.get("request_headers")
    site = ctx.site(source, template.CONFIG)
    pairs = headers.mapping.items() if headers is not None else ()
    return Request(
        url=ctx.credential(source, "url"),
        method=str(source.value("http_method", "GET")).upper(),
        params=tuple(
            Param(slot=Slot(place="header", path=(k,)), value=ctx.scalar(v, site, spelled=True))
            for k, v in pairs
        ),
    )


def _quota(ctx: Context, component: Component) -> Quota:
    ctx.check(component)
    header = {
        name: str(component.value(f"{name}_header") or "") or None
        for name in ("remaining", "reset", "limit")
    }
    return Quota(
        name=str(component.value("name", "")),
        remaining=ctx.path(component, "remaining_path"),
        reset=ctx.path(component, "reset_path"),
        limit=ctx.path(component, "limit_path") or None,
        matchers=tuple(matcher(ctx, child) for child in component.children("matchers")),
        remaining_header=header["remaining"],
        reset_header=header["reset"],
        limit_header=header["limit"],
        spent=ctx.statuses(component, "exhaustion_status_codes"),
    )


_KINDS: dict[str, Callable[[Context, Component], plan.Auth]] = {
    "NoAuth": _none,
    "BearerAuthenticator": _bearer,
    "BasicHttpAuthenticator": _basic,
    "ApiKeyAuthenticator": _api_key,
    "OAuthAuthenticator": _oauth,
    "SessionTokenAuthenticator": _session,
    "JwtAuthenticator": _jwt,
    "RateLimitedMultipleTokenAuthenticator": _pool,
}
_OTHERS = ("SelectiveAuthenticator", "LegacySessionTokenAuthenticator", "CustomAuthenticator")
