"""Jinja templates: sandboxed, compiled once, bounded in work and size.

The only file that imports jinja2, and itself imported only where a template needs it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import cast

import msgspec
from jinja2 import Template, TemplateError, TemplateSyntaxError, UndefinedError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context, new_context
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import missing

from penstock.errors import CapError, ExprError
from penstock.patterns import pattern
from penstock.plan.expr import Frame, Jinja, JsonValue, evaluate
from penstock.plan.literals import empty, literal, truth
from penstock.plan.macros import CLOCK, FILTERS, FUNCTIONS
from penstock.plan.page import link_params

MAX_TEXT = 10_000_000  # characters a template may build
MAX_STEPS = 200_000  # turns of loops and calls of one rendering
_MOST_HELD = 1_000_000  # values in a list that becomes a text, those inside others counted too
_MAX_POWER = 100_000  # bits of a number

_steps: ContextVar[list[int]] = ContextVar("penstock_template_steps")
_SIZED = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs", "to_bytes"})
_TRUTHS = {"True": True, "False": False}  # what nearly all conditions come out as
_WIDTH = pattern(r"\d{7,}|%\d*\*|:[^{}]*\{")


def render(expr: Jinja, frame: Frame) -> JsonValue:
    """The value of a template in `frame`.

    Raises:
        ExprError: it cannot be rendered, or needs a value that is missing.
        CapError: it builds too large a text, or turns too often.
    """
    values = {name: shaped(name, evaluate(value, frame), expr, frame) for name, value in expr.names}
    return rendered(expr, values, frame)


def rendered(expr: Jinja, values: dict[str, object], frame: Frame) -> JsonValue:
    """The value of a template whose variables are known already.

    Raises:
        ExprError: it cannot be rendered, or needs a value that is missing.
        CapError: it builds too large a text, or turns too often.
    """
    try:
        text = _text(compiled(expr.source), values, frame)
    except UndefinedError as exc:
        if expr.kind == "text":
            raise _failure(expr, f"{_short(expr.source)}: {exc}", values) from exc
        text = ""
    except CapError:
        raise
    except RecursionError as exc:
        raise CapError(f"{_short(expr.source)} calls itself without an end") from exc
    except (TemplateError, ArithmeticError, AttributeError, LookupError, ValueError) as exc:
        message = f"{_short(expr.source)} cannot be rendered: {exc}"
        raise _failure(expr, message, values) from exc
    return _valued(text, expr)


_LACKS = pattern(r"has no (?:attribute|element) '([^']+)'")


def _failure(expr: Jinja, message: str, values: dict[str, object]) -> ExprError:
    """The error of a template, with the keys that are there where one is missing."""
    error = ExprError(message)
    error.source = expr.source
    lacks = _LACKS.search(message)
    if lacks:
        error.lacks, error.known = lacks[1], tuple(_keys(list(values.values())))
    return error


def _keys(values: list[object], depth: int = 4) -> Iterator[str]:
    """The keys of mappings, a few levels deep and no more than a hint needs."""
    for value in values[:_MOST_HINTED]:
        if isinstance(value, Mapping):
            yield from (str(key) for key in list(value)[:_MOST_HINTED])
            if depth:
                yield from _keys(list(value.values()), depth - 1)


_MOST_HINTED = 50


def _valued(text: str, expr: Jinja) -> JsonValue:
    """The rendered text as its slot takes it."""
    if not text:
        return empty(expr.kind)
    if expr.kind == "truth" and text in _TRUTHS:
        return _TRUTHS[text]
    value = literal(text, expr.types, spelled=expr.spelled) if expr.literal else text
    return truth(value) if expr.kind == "truth" else value


def _text(template: Compiled, values: dict[str, object], frame: Frame) -> str:
    if not template.needs <= values.keys():
        raise _unknown(template, values)
    try:
        return _plain_text(template, values) if template.plain else _any(template, values, frame)
    except TypeError:
        return template.source  # what the reference engine takes for a text without a template


def _unknown(template: Compiled, values: dict[str, object]) -> ExprError:
    missing = sorted(template.needs - values.keys())
    error = ExprError(
        f"{_short(template.source)} uses {', '.join(missing)}, which is not known here",
        hint=f"there are: {', '.join(sorted(values)) or 'none'}",
    )
    error.source = template.source
    if "stream_state" in missing:
        error.blame = "config"  # it was offered once
    return error


def _plain_text(template: Compiled, values: dict[str, object]) -> str:
    parts = list(template.root(_Variables(values)))
    if len(parts) != 1:
        return _concat(parts)
    _check(len(parts[0]))
    return parts[0]


def _any(template: Compiled, values: dict[str, object], frame: Frame) -> str:
    clock = CLOCK.set(frame.now)
    steps = _steps.set([MAX_STEPS])
    try:
        held = {**_ENV.globals, **values}
        return _concat(template.root(new_context(_ENV, None, template.blocks, held, shared=True)))
    finally:
        _steps.reset(steps)
        CLOCK.reset(clock)


class _Variables:
    """All of a context that a template needs which only reads variables: those.

    A whole context is ten times as dear as rendering a short template.
    """

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, object]) -> None:
        self._values = values

    def resolve_or_missing(self, name: str) -> object:
        """The variable, or what Jinja takes for none."""
        return self._values.get(name, missing)


def _short(source: str) -> str:
    line = " ".join(source.split())
    return repr(line if len(line) <= 80 else line[:79] + "…")  # noqa: PLR2004 (a line of a terminal)


class SliceView(Mapping[str, object]):
    """A slice as templates see it: partition values and window bounds in one, extras beside."""

    def __init__(self, frame: Mapping[str, JsonValue], bounds: tuple[str, str]) -> None:
        self.partition = _mapping(frame.get("partition"))
        window = _mapping(frame.get("cursor"))
        spelled = zip(bounds, ("start", "end"), strict=True)
        self.cursor_slice = {name: window[key] for name, key in spelled if key in window}
        self.extra_fields = _mapping(frame.get("extra"))
        self._partition = self.partition
        self._values = {**self.partition, **self.cursor_slice}

    def __getitem__(self, name: str) -> object:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


class HeadersView(Mapping[str, object]):
    """Response headers as templates see them: in any case, `link` parsed by relation."""

    def __init__(self, headers: Mapping[str, JsonValue]) -> None:
        self._headers = headers
        self._links = link_params(str(headers.get("link") or ""))

    def __getitem__(self, name: str) -> object:
        return self._links if name == "link" else self._headers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)


def _mapping(value: object) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}


def shaped(name: str, value: JsonValue, expr: Jinja, frame: Frame) -> object:
    """A variable in the shape that templates expect under its name."""
    if name in {"stream_slice", "stream_partition", "stream_interval"}:
        return SliceView(_mapping(value), expr.bounds)
    if name == "next_page_token":
        return None if value is None else {"next_page_token": value}
    if name == "headers" and "links" in frame.page:
        return HeadersView(_mapping(value))
    return value


def _count(turns: int) -> None:
    """Takes `turns` from what this rendering may still do."""
    left = _steps.get([MAX_STEPS])
    left[0] -= turns
    if left[0] < 0:
        raise CapError(f"a template turned more than {MAX_STEPS:,} times")


def _check(length: int) -> None:
    if length > MAX_TEXT:
        raise CapError(f"a template builds more than {MAX_TEXT:,} characters")


def _counted(items: Iterable[object]) -> Iterable[object]:
    """What a loop goes through, its turns counted."""
    if isinstance(items, (list, tuple, dict, str, set)):
        _count(len(items) + 1)
        return items
    return _counting(items)


def _counting(items: Iterable[object]) -> Iterator[object]:
    for item in items:
        _count(1)
        yield item


def _concat(parts: Iterable[str]) -> str:
    """The parts as one text of bounded length."""
    held: list[str] = []
    length = 0
    for part in parts:
        length += len(part)
        _check(length)
        held.append(part)
    return "".join(held)


def _tilde(parts: list[object]) -> str:
    return _concat(str(_shown(part)) for part in parts)


def _size(value: object) -> int:
    """How large a value is, with all it holds: no further than to where it is too large."""
    if isinstance(value, (str, bytes)):
        return len(value)
    size, held, left = 0, [value], _MOST_HELD
    while held and size <= MAX_TEXT:
        one, left = held.pop(), left - 1
        if left < 0:
            return MAX_TEXT + 1
        if isinstance(one, (list, tuple)):
            held += one
        elif isinstance(one, dict):
            held += one.values()
        size += len(one) if isinstance(one, (str, bytes, list, tuple, dict)) else 1
    return size


def _shown(value: object) -> object:
    """A value that is about to become a text, unless that would be too large."""
    if isinstance(value, (list, tuple, dict)):
        _check(_size(value))
    return value


def _guard_operator(operator: str, left: object, right: object) -> None:
    """Refuses an operation whose result would be out of all proportion."""
    if operator == "**" and isinstance(left, int) and isinstance(right, int):
        _check(0 if left.bit_length() * right <= _MAX_POWER else MAX_TEXT + 1)
    elif operator == "*" and isinstance(left, int) and isinstance(right, int):
        _check(0 if left.bit_length() + right.bit_length() <= _MAX_POWER else MAX_TEXT + 1)
    elif operator == "*":
        times = right if isinstance(right, int) else left
        _check(_size(left) * _size(right) * (times if isinstance(times, int) else 1))
    elif operator == "+":
        _check(_size(left) + _size(right))
    elif operator == "%" and isinstance(left, str):
        _check(MAX_TEXT + 1 if _WIDTH.search(left) else 0)


def _guard_call(function: object, args: tuple[object, ...]) -> None:
    """Refuses a call of a method that would build a huge value from a small one."""
    name = getattr(function, "__name__", "")
    owner = getattr(function, "__self__", None)
    if name in _SIZED:
        _check(max((a for a in args if isinstance(a, int)), default=0))
    elif name == "replace" and isinstance(owner, str) and len(args) > 1:
        _check(_size(owner) + owner.count(str(args[0])) * _size(args[1]))
    elif name == "join" and isinstance(owner, str) and args:
        _check(len(owner) * _size(args[0]))
    elif name == "extend" and isinstance(owner, list) and args:
        _check(len(owner) + _size(args[0]))
    elif name in {"format", "format_map"} and isinstance(owner, str):
        _check(MAX_TEXT + 1 if _WIDTH.search(owner) else 0)


class _Sandbox(SandboxedEnvironment):
    """Jinja with the functions and filters of Airbyte manifests, and bounds on its work."""

    intercepted_binops = frozenset({"**", "*", "+", "%"})
    concat = staticmethod(_concat)

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        """No private attribute, but for the partition that some manifests read from a slice."""
        return attr == "_partition" or super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """An operator, unless its result would be too large."""
        _guard_operator(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: object, *args: object, **kwargs: object) -> object:  # noqa: N805, PYI063 (jinja's own names)
        """A call, counted, unless its result would be too large."""
        _count(1)
        _guard_call(__obj, args)
        return super().call(__context, __obj, *args, **kwargs)


def _environment() -> _Sandbox:
    env = _Sandbox(cache_size=0, finalize=_shown)
    env.globals.pop("range")
    env.globals.pop("lipsum")
    env.globals.update(FUNCTIONS)
    env.filters.update(FILTERS)
    for name in ("center", "indent", "batch", "slice", "wordwrap", "truncate"):
        env.filters[name] = _bounded(env.filters[name])
    for name in ("string", "tojson", "pprint", "urlencode", "format"):
        env.filters[name] = _bounded_text(env.filters[name])
    env.filters["replace"] = _bounded_replace(env.filters["replace"])
    env.filters.update(_penstock_counted=_counted, _penstock_tilde=_tilde)
    return env


def _bounded(plain: Callable[..., object]) -> Callable[..., object]:
    """A filter that takes no enormous sizes."""

    def bounded(*args: object, **kwargs: object) -> object:
        for size in (*args[1:], *kwargs.values()):
            _check(size if isinstance(size, int) else 0)
        return plain(*args, **kwargs)

    return _marked(bounded, plain)


def _bounded_text(plain: Callable[..., object]) -> Callable[..., object]:
    """A filter that makes a text of no enormous value."""

    def bounded(*args: object, **kwargs: object) -> object:
        for value in (*args, *kwargs.values()):
            _shown(value)
        return plain(*args, **kwargs)

    return _marked(bounded, plain)


def _bounded_replace(plain: Callable[..., object]) -> Callable[..., object]:
    def bounded(context: object, text: object, *args: object, **kwargs: object) -> object:
        values = [*args, *kwargs.values()]
        if len(values) > 1:
            _check(len(str(text)) + str(text).count(str(values[0])) * _size(values[1]))
        return plain(context, text, *args, **kwargs)

    return _marked(bounded, plain)


def _marked(function: Callable[..., object], plain: Callable[..., object]) -> Callable[..., object]:
    """`function` with the mark by which jinja knows what `plain` wants for its first argument."""
    mark = getattr(plain, "jinja_pass_arg", None)
    if mark is not None:
        function.jinja_pass_arg = mark  # type: ignore[attr-defined]  # jinja's own mark
    return function


_ENV = _environment()


def _tree(source: str) -> nodes.Template:
    if "\\" not in source:
        return _ENV.parse(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a regular expression's escapes are none of Python's
        return _ENV.parse(source)


def _parsed(source: str) -> nodes.Template:
    """The template's tree, its loops counted and its joins bounded."""
    tree = _tree(source)
    for loop in tree.find_all(nodes.For):
        loop.iter = _filtered(cast("nodes.Expr", loop.iter), "_penstock_counted")
    for joined in list(tree.find_all(nodes.Concat)):
        items = nodes.List(joined.nodes, lineno=joined.lineno)
        joined.nodes = [_filtered(items, "_penstock_tilde")]
    return tree


def _filtered(node: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """A template ready to render: `root` gives the parts of its text, from a context.

    `needs` are the variables it reads. A `plain` one does nothing but read them.
    """

    source: str
    root: Callable[[object], Iterable[str]]
    blocks: dict[str, Callable[[Context], Iterator[str]]]
    needs: frozenset[str]
    plain: bool


@lru_cache(maxsize=4096)
def compiled(source: str) -> Compiled:
    """The template ready to render.

    Raises:
        ExprError: it is not written as Jinja is.
    """
    try:
        tree = _parsed(source)
        tree.set_environment(_ENV)
        code = _ENV.compile(tree)
    except (TemplateSyntaxError, RecursionError) as exc:
        raise ExprError(f"{_short(source)} is not a template: {exc}") from exc
    template = Template.from_code(_ENV, code, {})
    root = cast("Callable[[object], Iterable[str]]", template.root_render_func)
    return Compiled(
        source=source,
        root=root,
        blocks=template.blocks,
        needs=undeclared(source),
        plain=_is_plain(tree),
    )


def _is_plain(tree: nodes.Template) -> bool:
    """Whether a template is texts and expressions that call nothing which sees its context."""
    functions = [
        *(_ENV.filters.get(node.name) for node in tree.find_all(nodes.Filter)),
        *(_ENV.tests.get(node.name) for node in tree.find_all(nodes.Test)),
    ]
    return (
        all(isinstance(node, nodes.Output) for node in tree.body)
        and next(tree.find_all(nodes.Call), None) is None
        and not any(node.name in _ENV.globals for node in tree.find_all(nodes.Name))
        and not any(f is None or hasattr(f, "jinja_pass_arg") for f in functions)
    )


@lru_cache(maxsize=4096)
def undeclared(source: str) -> frozenset[str]:
    """The variables a template needs.

    Raises:
        ExprError: it is not written as Jinja is.
    """
    try:
        tree = _tree(source)
        if all(isinstance(one, (nodes.Output, nodes.If)) for one in tree.find_all(nodes.Stmt)):
            # Nothing in it gives a name to anything: every name is one that it needs.
            named = {name.name for name in tree.find_all(nodes.Name)}
            return frozenset(named - _ENV.globals.keys())
        return frozenset(find_undeclared_variables(tree))
    except TemplateSyntaxError as exc:
        raise ExprError(f"{_short(source)} is not a template: {exc}") from exc
