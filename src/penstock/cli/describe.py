"""A plan in words: request templates with readable placeholders, pagination, windows, tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import assert_never

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
from penstock.plan.expr import (
    Array,
    Case,
    Concat,
    Const,
    Converted,
    Expr,
    Formatted,
    Jinja,
    JoinUrl,
    JsonValue,
    Literal,
    Now,
    Object,
    Quoted,
    Ref,
    Scope,
    TimeOf,
)
from penstock.plan.hints import Hints
from penstock.plan.pagination import Counter, NextLink, NextToken, Pagination, kind_name
from penstock.plan.policy import ErrorPolicy
from penstock.plan.pool import TokenPool
from penstock.plan.python import Compute, Extract, Sign
from penstock.plan.records import DetectRecords, Glob, JsonPath, Keys, RecordPath, Records, Several
from penstock.plan.request import FormBody, JsonBody, TextBody
from penstock.plan.slices import (
    Chain,
    Cursor,
    Grouped,
    Merged,
    Parent,
    Partition,
    Product,
    Values,
)
from penstock.plan.source import Source, Stream


def expr(value: Expr) -> str:
    """An expression as a template with `{placeholders}`."""
    match value:
        case Const():
            return _literal(value.value)
        case Ref():
            return "{" + _ref(value) + "}"
        case Now():
            return "{now}"
        case Concat():
            return "".join(map(expr, value.parts))
        case Formatted():
            return _formatted(value)
        case Converted() | Quoted() | Literal() | TimeOf():
            return expr(value.value)
        case JoinUrl():
            return _joined(expr(value.base), expr(value.path))
        case Object():
            return "{" + ", ".join(f"{expr(k)}: {expr(v)}" for k, v in value.items) + "}"
        case Array():
            return "[" + ", ".join(map(expr, value.items)) + "]"
        case Case():
            return "{" + " | ".join(expr(option) for _, option in value.options) + "}"
        case Jinja():
            return value.source
        case _:
            assert_never(value)


def _literal(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _ref(ref: Ref) -> str:
    """A reference as people call it: by the value's own name, with the scope where it matters."""
    path = [str(step) for step in ref.path]
    if ref.at is Scope.SLICE and path[:1] in (["partition"], ["extras"]):
        path = path[1:]
    if ref.at is Scope.RECORD:
        path = ["record", *path]
    return ".".join(path)


def _formatted(value: Formatted) -> str:
    conversion = f"!{value.conversion}" if value.conversion else ""
    spec = f":{value.spec}" if value.spec else ""
    inner = expr(value.value).strip("{}")
    return "{" + inner + conversion + spec + "}"


def _joined(base: str, path: str) -> str:
    return f"{base.rstrip('/')}/{path.lstrip('/')}" if path else base


def request_lines(stream: Stream) -> Iterator[str]:
    """The request of a page, and what slices and pagination add to it."""
    request = stream.request
    if stream.retrieve is not None:
        yield f"made by {stream.retrieve.name}"
        return
    yield f"{request.method} {expr(request.url)}"
    added = [p for leaf in _leaves(stream.partition) for p in leaf.params]
    added += stream.cursor.params if stream.cursor else ()
    params = [*request.params, *added]
    for place in ("query", "header", "cookie", "json", "form", "url"):
        texts = [f"{p.slot.name}={expr(p.value)}" for p in params if p.slot.place == place]
        texts += [text for where, text in _paging_params(stream.pagination) if where == place]
        if texts:
            yield f"{place}: {', '.join(dict.fromkeys(texts))}"
    match request.body:
        case JsonBody() | FormBody() | TextBody() as body:
            yield f"body: {expr(body.value)}"
        case None:
            return
        case _:
            assert_never(request.body)


def _leaves(kind: Partition | None) -> Iterator[Values | Parent]:
    """The lists and parents a partition is made of."""
    match kind:
        case None | Compute():
            return
        case Values() | Parent():
            yield kind
        case Product() | Chain() | Merged():
            for member in kind.members:
                yield from _leaves(member)
        case Grouped():
            yield from _leaves(kind.of)
        case _:
            assert_never(kind)


def _paging_params(pagination: Pagination) -> Iterator[tuple[str, str]]:
    """Place and text of what pagination sends."""
    if isinstance(pagination, (Counter, NextToken)) and pagination.into is not None:
        what = pagination.unit if isinstance(pagination, Counter) else "token"
        yield pagination.into.place, f"{pagination.into.name}=<{what}>"
    size = pagination.size
    if size is not None and size.into is not None:
        yield size.into.place, f"{size.into.name}={expr(size.value)}"


def paging(pagination: Pagination) -> str:
    """The kind of pagination, where it starts, the page size, and what ends it."""
    words = [kind_name(pagination)]
    if isinstance(pagination, Counter):
        words.append(f"from {expr(pagination.start)}")
    if isinstance(pagination, NextLink):
        words.append(f"at {expr(pagination.link)}")
    if isinstance(pagination, NextToken):
        words.append(f"at {expr(pagination.token)}")
    if pagination.size is not None:
        words.append(f"{expr(pagination.size.value)} a page")
    if isinstance(pagination, (NextLink, NextToken, Counter)):
        words += _ends(pagination)
    return ", ".join(words)


def _ends(pagination: NextLink | NextToken | Counter) -> Iterator[str]:
    stop = pagination.stop
    if stop.total is not None:
        yield f"total {stop.total_unit} at {expr(stop.total)}"
    if stop.more is not None:
        yield f"while {expr(stop.more)}"
    if stop.when is not None:
        yield f"until {expr(stop.when)}"
    if stop.maximum is not None:
        yield f"below {stop.maximum}"
    if stop.short != "never":
        yield "ends at a short page" + (", once proven" if stop.short == "proven" else "")


def auth(kind: Auth) -> str:
    """How requests are signed; never with what."""
    match kind:
        case NoAuth():
            return "none"
        case ApiKey():
            return f"key in {kind.slot.place} {kind.slot.name}"
        case Bearer():
            return "bearer token"
        case Basic():
            return "HTTP Basic"
        case OAuth2():
            return f"OAuth2 token from {expr(kind.url)}"
        case SessionToken():
            return f"session token from {expr(kind.login.url)}"
        case Jwt():
            return f"JSON Web Token, {kind.algorithm}"
        case TokenPool():
            return f"tokens in turn, with quotas from {expr(kind.status.url)}"
        case Choose():
            return f"by {expr(kind.by)}: {', '.join(name for name, _ in kind.options)}"
        case Sign():
            return f"signed by {kind.name}"
        case _:
            assert_never(kind)


def partition(kind: Partition | None) -> str | None:
    """What a stream is asked once for each of."""
    match kind:
        case None:
            return None
        case Values():
            return f"once for each {kind.name} of {expr(kind.values)}"
        case Parent(whole=True):
            return f"once for each page of {kind.stream}"
        case Parent():
            fields = ", ".join(f"{f.name}={_path(f.path)}" for f in kind.fields)
            return f"once for each record of {kind.stream} ({fields})"
        case Product():
            return " and ".join(filter(None, map(partition, kind.members)))
        case Chain() | Merged():
            return ", then ".join(filter(None, map(partition, kind.members)))
        case Grouped():
            return f"{partition(kind.of)}, up to {kind.size} together"
        case Compute():
            return f"once for each partition that {kind.name} makes"
        case _:
            assert_never(kind)


def parents(kind: Partition | None) -> tuple[str, ...]:
    """The streams whose records a stream is asked for."""
    found = (leaf.stream for leaf in _leaves(kind) if isinstance(leaf, Parent))
    return tuple(dict.fromkeys(found))


def cursor(kind: Cursor | None) -> str | None:
    """What is new, from where, and in which windows."""
    if kind is None:
        return None
    words = [_path(kind.path)]
    if kind.start is not None:
        words.append(f"from {expr(kind.start)}")
    if kind.end is not None:
        words.append(f"to {expr(kind.end)}")
    if kind.lag:
        words.append(f"{kind.lag:g} behind the state")
    if kind.window is not None:
        words.append(f"in windows of {expr(kind.window.step)}")
    return ", ".join(words)


def _path(path: RecordPath) -> str:
    match path:
        case Keys():
            return ".".join(path.path) or "the whole answer"
        case JsonPath():
            return path.text
        case Glob():
            return "/".join(path.path)
        case Several():
            return (" and " if path.mode == "all" else " or ").join(map(_path, path.paths))
        case DetectRecords():
            return "to be detected"
        case Extract():
            return f"taken by {path.name}"
        case _:
            assert_never(path)


def records(kind: Records) -> str:
    """Where the records stand in an answer, and what is done to each."""
    steps = [type(step).__name__.lower() for step in kind.steps]
    return ", ".join([_path(kind.path), *steps])


def policy(kind: ErrorPolicy) -> str:
    """Which answers are asked for again, and how often."""
    statuses = ", ".join(map(str, kind.retry_statuses)) or "no status"
    noun = "rule" if len(kind.rules) == 1 else "rules"
    rules = f"; {len(kind.rules)} {noun} before that" if kind.rules else ""
    return f"{kind.retries} retries on {statuses} and broken connections{rules}"


def table(stream: Stream) -> str:
    """The table, how rows are written to it, and by which key."""
    hints = stream.hints
    words = [stream.table, hints.write]
    if hints.primary_key:
        inherited = " (the document's default)" if hints.key_inherited else ""
        words.append(f"key {', '.join(hints.primary_key)}{inherited}")
    if hints.merge_key:
        words.append(f"merge key {', '.join(hints.merge_key)}")
    return ", ".join(words)


def declared(hints: Hints) -> str | None:
    """The columns the document declares."""
    texts = [f"{c.name} {c.type or 'of any type'}" for c in hints.columns]
    return ", ".join(texts) or None


def stream_lines(stream: Stream) -> Iterator[str]:
    """Everything about a stream, a line each; the first is its name."""
    yield stream.name if stream.selected else f"{stream.name} (read for its children, not loaded)"
    yield from request_lines(stream)
    facts = {
        "auth": auth(stream.auth),
        "asked": partition(stream.partition),
        "records": records(stream.records),
        "pages": paging(stream.pagination),
        "new": cursor(stream.cursor),
        "errors": policy(stream.policy),
        "table": table(stream),
        "columns": declared(stream.hints),
    }
    yield from (f"{name}: {text}" for name, text in facts.items() if text is not None)


def tree(source: Source) -> Iterator[str]:
    """The streams, children below their parents."""
    names = {s.name for s in source.streams}
    children: dict[str, list[Stream]] = {}
    roots: list[Stream] = []
    for stream in source.streams:
        above = next((p for p in parents(stream.partition) if p in names), None)
        (roots if above is None else children.setdefault(above, [])).append(stream)
    yield from _branches(roots, children, "")


def _branches(
    streams: list[Stream], children: dict[str, list[Stream]], indent: str
) -> Iterator[str]:
    for stream in streams:
        below = children.get(stream.name, [])
        last = stream is streams[-1]
        head, *lines = stream_lines(stream)
        yield f"{indent}{'└─' if last else '├─'} {head}"
        deeper = indent + ("   " if last else "│  ")
        yield from (f"{deeper}{'│' if below else ' '}    {line}" for line in lines)
        yield from _branches(below, children, deeper)


def inputs(source: Source) -> Iterator[str]:
    """The values the document asks for, a line each."""
    for wanted in source.inputs:
        marks = _marks(("secret", wanted.secret), ("optional", not wanted.required))
        default = "" if wanted.default is None or wanted.secret else f" = {wanted.default}"
        told = f"  {wanted.description}" if wanted.description else ""
        yield f"{wanted.name}{default}{marks}{told}"


def _marks(*marks: tuple[str, bool]) -> str:
    held: Iterable[str] = (name for name, holds in marks if holds)
    text = ", ".join(held)
    return f" ({text})" if text else ""


def limits(source: Source) -> str:
    """What a host is asked for at most."""
    rates = [f"{r.calls} in {r.seconds:g} s" for r in source.limits.rates]
    return ", ".join([f"{source.limits.concurrency} requests at once", *rates])
