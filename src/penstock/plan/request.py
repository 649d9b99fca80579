"""Requests: everything that shapes one is a param in a slot; one function merges them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias, assert_never
from urllib.parse import urlencode

import msgspec

from penstock.errors import ExprError
from penstock.plan.expr import Const, Expr, Frame, JsonValue, as_text, evaluate, evaluate_text
from penstock.plan.page import HttpRequest
from penstock.plan.python import Send

PlaceName = Literal["query", "header", "cookie", "json", "form", "url"]


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """Where a param goes: a query, header, cookie or form name, or a path into the JSON body.

    The `url` place replaces the URL of the request.
    """

    place: PlaceName
    path: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name, or the path with dots."""
        return ".".join(self.path)


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """A value in a slot. `omit` says which values leave the param out of the request."""

    slot: Slot
    value: Expr
    omit: Literal["null", "empty", "never"] = "null"


class JsonBody(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A JSON body; with `omit_empty`, one that turns out empty is not sent."""

    value: Expr
    omit_empty: bool = False


class FormBody(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A form: a mapping, or a list of pairs where a name comes twice."""

    value: Expr


class TextBody(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A body sent as it is written; with `form`, a mapping is sent as a form."""

    value: Expr
    content_type: str | None = None
    form: bool = False


_FORM = "application/x-www-form-urlencoded"

Body: TypeAlias = JsonBody | FormBody | TextBody


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What one page of a stream asks for; `url` without the params' query.

    With `send` a class of the document's shapes and sends the request in place of all that.
    """

    url: Expr
    method: str = "GET"
    params: tuple[Param, ...] = ()
    body: Body | None = None
    connect_timeout: float | None = None  # seconds
    read_timeout: float | None = None  # seconds
    send: Send | None = None


Value: TypeAlias = "tuple[Slot, JsonValue]"


def values(params: Iterable[Param], frame: Frame) -> list[Value]:
    """The params that apply in `frame`, with their values."""
    found: list[Value] = []
    for param in params:
        value = evaluate(param.value, frame)
        if not _omitted(param, value):
            found.append((param.slot, value))
    return found


def _omitted(param: Param, value: JsonValue) -> bool:
    match param.omit:
        case "null":
            return value is None
        case "empty":
            return value is None or value in ("", [], {})
        case "never":
            return False
        case _:
            assert_never(param.omit)


def build(
    request: Request,
    extra: Iterable[Value],
    frame: Frame,
    signed: tuple[Slot, ...] | None = None,
) -> HttpRequest:
    """The request in `frame`, with the values of pagination, cursor and partition merged in.

    A later value replaces an earlier one in the same slot. Where `signed` names the slots of
    credentials, that is an error.
    """
    merged: dict[Slot, JsonValue] = dict(values(request.params, frame))
    if signed is not None:
        extra = list(extra)
        _apart(merged, {*signed, *(slot for slot, _ in extra)})
    merged.update(extra)
    url = evaluate_text(request.url, frame)
    unquoted = _unquoted(request.url, url, frame)
    query: list[tuple[str, str]] = []
    headers: list[tuple[str, str]] = []
    cookies: list[str] = []
    for slot, value in merged.items():
        match slot.place:
            case "query":
                if signed is not None and isinstance(value, dict):
                    message = f"the value of {slot.name!r} in the query is an object: {value!r}"
                    raise ExprError(message)
                query.extend((slot.name, text) for text in _texts(value))
            case "header":
                headers.append((slot.name, as_text(value)))
            case "cookie":
                cookies.append(f"{slot.name}={as_text(value)}")
            case "url":
                url, unquoted = as_text(value), None
            case "json" | "form":
                pass  # placed into the body below, which needs all of them at once
            case _:
                assert_never(slot.place)
    if cookies:
        headers.append(("Cookie", "; ".join(cookies)))
    body, content_type = _body(request.body, merged, frame, distinct=signed is not None)
    if content_type and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", content_type))
    return HttpRequest(
        method=request.method,
        url=url,
        query=tuple(query),
        headers=tuple(headers),
        body=body,
        connect_timeout=request.connect_timeout,
        read_timeout=request.read_timeout,
        unquoted=unquoted,
    )


def _unquoted(expr: Expr, url: str, frame: Frame) -> str | None:
    """The URL with the slashes of data as they are, if it is another than this one."""
    if "%2F" not in url and "%25" not in url:
        return None
    found = evaluate_text(expr, msgspec.structs.replace(frame, unquoted=True))
    return found if found != url else None


def _texts(value: JsonValue) -> list[str]:
    """A query value as texts: a list gives the name several times, null items are left out."""
    if isinstance(value, (list, tuple)):
        return [as_text(item) for item in value if item is not None]
    return [as_text(value)]


def _apart(own: dict[Slot, JsonValue], others: set[Slot]) -> None:
    """Refuse values of a request's own in slots that others fill."""
    for slot in own.keys() & others:
        raise _collision(slot)


def _collision(slot: Slot) -> ExprError:
    place = _PLACES.get(slot.place, slot.place)
    message = f"two values are to be sent as {slot.name!r} in the {place}"
    return ExprError(message, code="collision", hint="leave one of the two out")


_PLACES = {"json": "body", "form": "form"}


def _body(
    body: Body | None, merged: dict[Slot, JsonValue], frame: Frame, *, distinct: bool
) -> tuple[bytes | None, str | None]:
    """The body's bytes and content type, with the values for its slots put in."""
    into_json = {s: v for s, v in merged.items() if s.place == "json"}
    into_form = {s: v for s, v in merged.items() if s.place == "form"}
    if body is None:
        if into_json:
            body = JsonBody(value=Const(value={}))
        elif into_form:
            body = FormBody(value=Const(value={}))
    match body:
        case None:
            return None, None
        case JsonBody():
            value = evaluate(body.value, frame)
            if body.omit_empty and isinstance(value, str):
                raise ExprError(f"the body is the text {value[:80]!r}, and no object of JSON")
            value = _placed(value, into_json, distinct=distinct)
            if body.omit_empty and not value:
                return None, None
            return msgspec.json.encode(value), "application/json"
        case FormBody():
            held = evaluate(body.value, frame)
            pairs = _pairs(held)
            names = {name for name, _ in pairs} if distinct else set()
            for slot, item in into_form.items():
                if slot.name in names:
                    raise _collision(slot)
                pairs += [(slot.name, text) for text in _texts(item)]
            return (urlencode(pairs).encode(), _FORM) if pairs or held else (None, None)
        case TextBody():
            written = evaluate(body.value, frame)
            if distinct and into_form and not isinstance(written, dict):
                raise ExprError("the body is one text, so that nothing can be put into it")
            if body.form and isinstance(written, dict):
                written = {**written, **{s.name: v for s, v in into_form.items()}}
                return urlencode(_pairs(written)).encode(), _FORM
            return as_text(written).encode(), body.content_type
        case _:
            assert_never(body)


def _is_pair(value: JsonValue) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2  # noqa: PLR2004 (that is a pair)


def _pairs(value: JsonValue) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [(k, t) for k, v in value.items() if v is not None for t in _fields(v)]
    if isinstance(value, (list, tuple)) and all(map(_is_pair, value)):
        return [(as_text(p[0]), as_text(p[1])) for p in value if isinstance(p, (list, tuple))]
    raise ExprError(f"a form must be a mapping or a list of pairs, not {value!r}")


def _fields(value: JsonValue) -> list[str]:
    """The texts of a field of a form: of an object its keys, as the library `requests` sends it."""
    listed = value if isinstance(value, (list, tuple)) else [value]
    spread = (one if isinstance(one, dict) else _texts([one]) for one in listed)
    return [text for texts in spread for text in texts]


def _placed(value: JsonValue, slots: dict[Slot, JsonValue], *, distinct: bool = False) -> JsonValue:
    """`value` with each slot's value set at its path; what stood there before is not changed."""
    for slot, item in slots.items():
        if distinct and _held(value, slot.path) not in (None, item):
            raise _collision(slot)
        value = _set(value, slot.path, item)
    return value


def _held(value: JsonValue, path: tuple[str, ...]) -> JsonValue:
    """What stands at a path, or the first thing on the way that is no object; None for nothing."""
    for key in path:
        if not isinstance(value, dict):
            return value
        value = value.get(key)
    return value


def placed(value: JsonValue, path: tuple[str, ...], item: JsonValue) -> JsonValue:
    """`value` with `item` at `path`; what stood there before is not changed."""
    return _set(value, path, item)


def _set(value: JsonValue, path: tuple[str, ...], item: JsonValue) -> JsonValue:
    if not path:
        return item
    here = dict(value) if isinstance(value, dict) else {}
    here[path[0]] = _set(here.get(path[0]), path[1:], item)
    return here
