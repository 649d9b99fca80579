"""Templates → expressions: each as simple as it allows, Jinja only where nothing else will do."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from penstock.errors import ExprError
from penstock.patterns import pattern
from penstock.plan import literals
from penstock.plan.expr import Concat, Const, Expr, Jinja, JsonValue, Ref, Scope, Step
from penstock.plan.expr import Literal as LiteralExpr

Kind: TypeAlias = Literal["text", "value", "truth"]


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where a template stands: the variables it sees, and how a slice's window is called there.

    `bounds` is None for a stream without a cursor, whose slices have no window. `required` are the
    user's values that are always there.
    """

    names: frozenset[str]
    parameters: Callable[[], dict[str, JsonValue]] = dict
    bounds: tuple[str, str] | None = None
    extras: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()

    @property
    def everywhere(self) -> Site:
        """The same without parameters: that of all texts which do not speak of any."""
        return replace(self, parameters=dict)


SLICE_NAMES = frozenset({"stream_slice", "stream_partition", "stream_interval"})
CONFIG = frozenset({"config", "parameters"})
REQUEST = CONFIG | SLICE_NAMES | {"next_page_token"}
PAGE = CONFIG | SLICE_NAMES | {
    "response", "headers", "last_record", "last_page_size", "page_size", "next_page_token",
}  # fmt: skip
ANSWER = frozenset({"config", "parameters", "response", "headers", "request_url"})
FILTER = REQUEST | {"record"}
VALUE = CONFIG | SLICE_NAMES | {"record"}
FIELD = VALUE | {"value", "path"}

# What each variable is in a frame.
_BOUND: dict[str, Ref] = {
    "config": Ref(at=Scope.SOURCE, path=()),
    "stream_slice": Ref(at=Scope.SLICE, path=()),
    "stream_partition": Ref(at=Scope.SLICE, path=()),
    "stream_interval": Ref(at=Scope.SLICE, path=()),
    "next_page_token": Ref(at=Scope.PAGE, path=("token",), optional=True),
    "record": Ref(at=Scope.RECORD, path=()),
}

_SIMPLE = pattern(
    r"""\{\{\s*([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*|\[\s*(?:'[^'\\]*'|"[^"\\]*"|\d+)\s*\])*)\s*\}\}""",
    re.ASCII,
)
_STEP = pattern(r"""\.([A-Za-z_]\w*)|\[\s*(?:'([^'\\]*)'|"([^"\\]*)"|(\d+))\s*\]""", re.ASCII)
_METHODS = frozenset(dir(dict)) | {"partition", "cursor_slice", "extra_fields"}
_OTHER_METHODS = frozenset(dir(str)) | frozenset(dir(list)) | frozenset(dir(int))
# No Python literal contains these outside of quotes, and none begins like these.
_NO_LITERAL = pattern(r"[/?&=@;$!]")
_BEGINS_WORD = pattern(r"(?!True|False|None|set|[bBrRuU]{1,2}['\"])[A-Za-z_]", re.ASCII)


class TemplateError(Exception):
    """A template that is not written as Jinja is, or uses what is not there; says so."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def is_template(text: str) -> bool:
    """Whether a text is more than itself."""
    return "{{" in text or "{%" in text or "{#" in text


def expression(
    text: str,
    site: Site,
    kind: Kind = "text",
    *,
    types: tuple[str, ...] = (),
    spelled: bool = False,
) -> Expr:
    """The expression that gives what the reference engine makes of `text` in a slot of `kind`.

    A literal is taken for its value if it is of one of `types` (none: of any); with `spelled` a
    number that would be written otherwise stays the text it was.

    Raises:
        TemplateError: the template is not written as Jinja is.
    """
    if "parameters" in text and is_template(text):
        return _expression(text, site, kind, types, spelled=spelled)
    return _known(text, site.everywhere, kind, types, spelled)


@lru_cache(maxsize=4096)
def _known(text: str, site: Site, kind: Kind, types: tuple[str, ...], spelled: bool) -> Expr:  # noqa: FBT001 (as above)
    """The expression of a text that says the same wherever it stands: many stand in many places."""
    return _expression(text, site, kind, types, spelled=spelled)


def _expression(
    text: str, site: Site, kind: Kind, types: tuple[str, ...], *, spelled: bool
) -> Expr:
    if not is_template(text):
        return Const(value=_constant(text, kind, types, spelled=spelled))
    parts = _parts(text, site, kind)
    if parts is None:
        return _jinja(text, site, kind, types, spelled=spelled)
    if len(parts) == 1 and isinstance(parts[0], Const):
        return Const(value=_constant(str(parts[0].value), kind, types, spelled=spelled))
    value: Expr = parts[0] if len(parts) == 1 else Concat(parts=tuple(map(_within, parts)))
    if kind != "truth" and _never_literal(parts, types, spelled=spelled):
        return value
    return LiteralExpr(value=value, types=types, spelled=spelled, kind=kind)


def reference(text: str, site: Site) -> Expr | None:
    """The plain reference a text consists of, without reading literals; None if it is none."""
    parts = _parts(text, site, "text") if is_template(text) else None
    return parts[0] if parts and len(parts) == 1 else None


def credential(text: str, site: Site) -> Expr:
    """The expression of a credential, which goes out as it was written.

    Raises:
        TemplateError: the template is not written as Jinja is.
    """
    if not is_template(text):
        return Const(value=text)
    parts = _parts(text, site, "text")
    if parts is None:
        return _jinja(text, site, "text", (), spelled=True, literal=False)
    return parts[0] if len(parts) == 1 else Concat(parts=tuple(parts))


def _constant(text: str, kind: Kind, types: tuple[str, ...], *, spelled: bool) -> JsonValue:
    text = re.sub(r"\r\n?", "\n", text).removesuffix("\n")
    if not text:
        return literals.empty(kind)
    value = literals.literal(text, types, spelled=spelled)
    return literals.truth(value) if kind == "truth" else value


def _parts(text: str, site: Site, kind: Kind) -> list[Expr] | None:
    """The texts and references a template consists of; None if there is more to it."""
    found: list[Expr] = []
    end = 0
    whole = text.removesuffix("\n")
    for match in _SIMPLE.finditer(whole):
        if match.start() > end:
            found.append(Const(value=whole[end : match.start()]))
        lone = match.start() == 0 and match.end() == len(whole)
        part = _reference(match[1], _steps(match[2]), site, kind, lone=lone)
        if part is None:
            return None
        found.append(part)
        end = match.end()
    if end < len(whole):
        found.append(Const(value=whole[end:]))
    texts = [p.value for p in found if isinstance(p, Const)]
    return None if any(isinstance(t, str) and is_template(t) for t in texts) else found


def _within(part: Expr) -> Expr:
    """A part of a longer text, in which a null that is there is spelled; no token is none."""
    if not isinstance(part, Ref) or part.path == ("token",):
        return part
    return replace(part, null="None")


def _steps(text: str) -> tuple[Step, ...] | None:
    """The steps of a path; None where one is a method of what it leads through."""
    steps: list[Step] = []
    for match in _STEP.finditer(text):
        name = match[1] or match[2] or match[3]
        if match[4] is not None:
            steps.append(int(match[4]))
        elif name is None or name in _METHODS or (steps and name in _OTHER_METHODS):
            return None
        else:
            steps.append(name)
    return tuple(steps)


def _reference(
    name: str, steps: tuple[Step, ...] | None, site: Site, kind: Kind, *, lone: bool
) -> Expr | None:
    if not steps or name not in site.names:
        return None
    if name == "parameters":
        return _parameter(steps, site)
    target = _target(name, steps, site)
    if target is None:
        return None
    deep = len(steps) > 1
    if deep and not lone and kind != "text":
        return None
    at, path = target
    if at is Scope.SOURCE and not deep and path[0] in site.required:
        return Ref(at=at, path=path)
    if path[0] == "links" and kind == "text":
        return Ref(at=at, path=path)  # its URL stands below it, so that it must be there
    return Ref(at=at, path=path, optional=True, leaf=deep and kind == "text")


def _parameter(steps: tuple[Step, ...], site: Site) -> Expr | None:
    """A parameter's value, which is not rendered again."""
    value: JsonValue = site.parameters()
    for step in steps:
        if not isinstance(value, dict) or not isinstance(step, str) or step not in value:
            return None
        value = value[step]
    return Const(value=value) if isinstance(value, str) else None


def _target(
    name: str, steps: tuple[Step, ...], site: Site
) -> tuple[Scope, tuple[Step, ...]] | None:
    match name:
        case "config":
            return Scope.SOURCE, steps
        case "record":
            return Scope.RECORD, steps
        case "next_page_token":
            return (Scope.PAGE, ("token",)) if steps == ("next_page_token",) else None
        case "headers":
            return _header(steps)
        case "response" | "last_record" | "components_values":
            return Scope.PAGE, (name, *steps)
        case "stream_slice" | "stream_partition" | "stream_interval":
            return Scope.SLICE, _in_slice(steps, site)
        case _:
            return None


def _header(steps: tuple[Step, ...]) -> tuple[Scope, tuple[Step, ...]] | None:
    if steps[0] != "link":
        return (Scope.PAGE, ("headers", *steps)) if len(steps) == 1 else None
    if len(steps) == 3 and steps[2] == "url":  # noqa: PLR2004 (link, relation, url)
        return Scope.PAGE, ("links", steps[1])
    return None


def _in_slice(steps: tuple[Step, ...], site: Site) -> tuple[Step, ...]:
    if site.bounds is not None and steps[0] in site.bounds:
        return ("cursor", ("start", "end")[site.bounds.index(steps[0])], *steps[1:])
    return ("partition", *steps)


def _never_literal(parts: list[Expr], types: tuple[str, ...], *, spelled: bool) -> bool:
    """Whether what the parts give cannot be read as anything but the text it is."""
    first = parts[0]
    if isinstance(first, Ref) and first.path[:1] == ("cursor",) and (spelled or types):
        return True
    if len(parts) == 1:
        return False
    texts = [str(p.value) for p in parts if isinstance(p, Const)]
    if any(_NO_LITERAL.search(text) for text in texts):
        return True
    return isinstance(first, Const) and _BEGINS_WORD.match(str(first.value)) is not None


def _jinja(  # noqa: PLR0913 (what a slot is)
    text: str,
    site: Site,
    kind: Kind,
    types: tuple[str, ...],
    *,
    spelled: bool,
    literal: bool = True,
) -> Expr:
    from penstock.plan import jinja  # noqa: PLC0415 (jinja2 takes a while to import)

    try:
        wanted = sorted(jinja.undeclared(text))
    except ExprError as exc:
        raise TemplateError(exc.message) from exc
    known = [name for name in wanted if name in site.names or name in site.extras]
    return Jinja(
        source=text,
        names=tuple((name, _bound(name, site)) for name in known),
        literal=literal,
        kind=kind,
        types=types,
        spelled=spelled,
        bounds=site.bounds or ("start_time", "end_time"),
    )


def unknown_names(expr: Expr) -> tuple[str, ...]:
    """The variables of a template that are not there where it stands."""
    if not isinstance(expr, Jinja):
        return ()
    from penstock.plan import jinja  # noqa: PLC0415 (jinja2 takes a while to import)

    wanted = jinja.undeclared(expr.source)
    if len(wanted) == len(expr.names):  # what is known of what is wanted
        return ()
    return tuple(sorted(wanted - {name for name, _ in expr.names}))


def _bound(name: str, site: Site) -> Expr:
    if name == "parameters":
        return Const(value=site.parameters())
    if name in _BOUND:
        return _BOUND[name]
    if name in site.extras and name not in site.names:
        return Ref(at=Scope.SLICE, path=("extra", name), optional=True)
    return Ref(at=Scope.PAGE, path=(name,), optional=True)
