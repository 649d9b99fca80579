"""From SOURCE to a plan and its values; every secret on the way is made known to the console."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol, assert_never

import msgspec

from penstock.cli import diagnostics
from penstock.cli.context import App
from penstock.cli.engine import Compiled, Result
from penstock.errors import Diagnostic, PlanError
from penstock.plan.auth import (
    ApiKey,
    Auth,
    Basic,
    Bearer,
    Choose,
    Jwt,
    NoAuth,
    OAuth2,
    SessionToken,
)
from penstock.plan.expr import Const, Expr, JsonValue, Object, walk
from penstock.plan.pool import TokenPool
from penstock.plan.python import Sign
from penstock.plan.request import Param, Request
from penstock.plan.source import Source
from penstock.plan.target import Target
from penstock.redact import is_sensitive
from penstock.values import gather, remarks, scalars, secrets

ANY_DESTINATION = "any.duckdb"
"""Of the kind that is loaded into if nothing else is said."""

_NOTHING_BUILT = Diagnostic(
    code="no-source",
    severity="error",
    message="the script ended before it built a source",
    hint="`penstock run` executes it in full",
)
_SCHEMES = ("bearer ", "basic ", "token ")
_LEAST_PART = 8  # characters


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A document that compiled, what was said about it, and the values it will run with."""

    source: Source
    dialect: str
    said: tuple[Diagnostic, ...]
    values: dict[str, JsonValue]
    target: Target = Target()


class Loading(Protocol):
    """What loads what a script has asked for by now."""

    def load_next(self, opened: Opened) -> tuple[Result, str]:
        """Load it; gives how it went, and where to."""

    def place(self, target: Target, source: str | None = None) -> tuple[str, str] | None:
        """The destination and schema that a run goes to; None where these are not known yet."""


class _Waited:
    """The same for plans whose values are still to be gathered."""

    def __init__(self, loads: Loading, open_: Callable[[Compiled], Opened]) -> None:
        self._open = open_
        self._loads = loads
        self.place = loads.place

    def load(self, compiled: Compiled) -> tuple[Result, str]:
        """Load a plan; gives how it went, and where to."""
        return self._loads.load_next(self._open(compiled))


def open_source(
    app: App,
    spec: str,
    sets: Mapping[str, JsonValue],
    config: Mapping[str, JsonValue] | None = None,
) -> Opened:
    """Compile a document and gather its values, with all that is to say about either on stderr.

    Raises:
        PlanError: the document has errors or a value is missing.
    """
    hide_given(app, sets)
    hide_given(app, config or {})
    compiled = app.compile(spec, {**(config or {}), **sets})
    return opened(app, spec, compiled, sets, config)


def open_or_load(
    app: App,
    spec: str,
    sets: Mapping[str, JsonValue],
    config: Mapping[str, JsonValue] | None,
    loads: Loading,
) -> Opened | None:
    """The same, or nothing: what a script has asked for while it was executed was loaded then.

    Raises:
        PlanError: the document has errors or a value is missing.
        Error: whatever loading raises.
    """
    hide_given(app, sets)
    hide_given(app, config or {})

    waited = _Waited(loads, lambda compiled: opened(app, spec, compiled, sets, config))
    compiled = app.compile(spec, {**(config or {}), **sets}, waited)
    if not getattr(compiled, "loaded", False):
        return opened(app, spec, compiled, sets, config)
    if has_errors(compiled.diagnostics):
        raise PlanError(compiled.diagnostics)
    diagnostics.show_all(app.console, compiled.diagnostics)
    return None


def opened(
    app: App,
    spec: str,
    compiled: Compiled,
    sets: Mapping[str, JsonValue],
    config: Mapping[str, JsonValue] | None,
) -> Opened:
    """A compiled document with its values; what is to say about either goes to stderr.

    Raises:
        PlanError: the document has errors or a value is missing.
    """
    source = usable(app, compiled)
    values = gather(
        source.inputs,
        sets=sets,
        config=config,
        environ=os.environ,
        folder=Path.cwd(),
        source_name=source.name,
    )
    app.console.redactor.add(*secrets(source.inputs, values))
    if compiled.dialect == "airbyte":
        # What such a document leaves to the user may decide which streams there are.
        source = app.compile(spec, values).source or source
    more = remarks(source.inputs, values, sets)
    diagnostics.show_all(app.console, more)
    said = (*compiled.diagnostics, *more)
    target = target_of(compiled)
    return Opened(source=source, dialect=compiled.dialect, said=said, values=values, target=target)


def target_of(compiled: Compiled) -> Target:
    """Where the document's own run puts its rows, as far as it says."""
    return getattr(compiled, "target", None) or Target()


def compile_source(
    app: App, spec: str, values: Mapping[str, JsonValue] | None = None
) -> tuple[Compiled, Source]:
    """Compile a document; repairs and warnings go to stderr.

    Raises:
        PlanError: the document has errors.
    """
    compiled = app.compile(spec, values)
    return compiled, usable(app, compiled)


def usable(app: App, compiled: Compiled) -> Source:
    """The plan of a compiled document; repairs and warnings go to stderr.

    Raises:
        PlanError: the document has errors.
    """
    if compiled.source is None and not has_errors(compiled.diagnostics):
        raise PlanError((*compiled.diagnostics, _NOTHING_BUILT))
    if compiled.source is None or has_errors(compiled.diagnostics):
        raise PlanError(compiled.diagnostics)
    hide_written(app, compiled.source)
    diagnostics.show_all(app.console, compiled.diagnostics)
    return compiled.source


def has_errors(found: Iterable[Diagnostic]) -> bool:
    """Whether any of them is an error."""
    return any(d.severity == "error" for d in found)


def hide_given(app: App, values: Mapping[str, JsonValue]) -> None:
    """Mask given values whose names say that they are secret, before the document is known."""
    for name, value in values.items():
        if isinstance(value, dict):
            hide_given(app, value)
        if is_sensitive(name.rpartition(".")[2]):
            app.console.redactor.add(*scalars(value))


def hide_written(app: App, source: Source) -> None:
    """Mask the secrets that stand in the document itself."""
    later = [s.later for s in source.streams if s.later is not None]
    for stream in (*source.streams, *later):
        hidden = [*_in_auth(stream.auth), *_in_request(stream.request)]
        app.console.redactor.add(*(text for expr in hidden for text in _constants(expr)))
    kept = (i.default for i in source.inputs if i.secret)
    app.console.redactor.add(*(text for value in kept for text in scalars(value)))


def _in_auth(auth: Auth) -> list[Expr]:
    match auth:
        case NoAuth() | Sign():
            return []
        case ApiKey():
            return [auth.value]
        case Bearer():
            return [auth.token]
        case Basic():
            return [auth.password]
        case OAuth2():
            known = [auth.initial] if auth.initial is not None else []
            return [*known, *_in_fields(auth.body), *_in_params(auth.headers)]
        case SessionToken():
            known = [auth.known] if auth.known is not None else []
            return [*known, *_in_request(auth.login), *_in_auth(auth.auth)]
        case Jwt():
            return [auth.secret, *([auth.passphrase] if auth.passphrase else [])]
        case TokenPool():
            return [*auth.tokens, *_in_request(auth.status)]
        case Choose():
            return [expr for _, option in auth.options for expr in _in_auth(option)]
        case _:
            assert_never(auth)


def _in_request(request: Request) -> list[Expr]:
    fields = _in_fields(request.body.value) if request.body is not None else []
    return [*_in_params(request.params), *fields]


def _in_fields(body: Expr) -> list[Expr]:
    pairs = body.items if isinstance(body, Object) else ()
    return [value for key, value in pairs if isinstance(key, Const) and _is_sensitive(key.value)]


def _in_params(params: tuple[Param, ...]) -> list[Expr]:
    return [p.value for p in params if is_sensitive(p.slot.name)]


def _is_sensitive(name: JsonValue) -> bool:
    return isinstance(name, str) and is_sensitive(name)


def _constants(expr: Expr) -> list[str]:
    """The secret texts written in an expression; a short part of a longer text is punctuation."""
    if isinstance(expr, Const):
        return [_without_scheme(text) for text in scalars(expr.value)]
    parts = [text for e in walk(expr) if isinstance(e, Const) for text in scalars(e.value)]
    return [text for text in map(_without_scheme, parts) if len(text) >= _LEAST_PART]


def _without_scheme(text: str) -> str:
    scheme = next((s for s in _SCHEMES if f"{text} ".lower().startswith(s)), "")
    return text[len(scheme) :].strip()


def default_destination(source: Source, given: str | None) -> str:
    """Where a source goes if nothing else is said: a DuckDB file in the working directory."""
    return given or f"{source.name}.duckdb"
