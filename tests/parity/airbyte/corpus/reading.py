"""What templates of a manifest read: the paths into records, responses and headers."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.sandbox import SandboxedEnvironment

Path = tuple[str, ...]
_ROOTS = frozenset({"record", "response", "headers", "last_record"})


def _searched(text: object, pattern: str) -> str:
    found = re.search(pattern, str(text))
    return found.group(1) if found and found.groups() else ""


def _environment() -> SandboxedEnvironment:
    made = SandboxedEnvironment(autoescape=False)
    made.filters["regex_search"] = _searched
    return made


ENVIRONMENT = _environment()


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping inside a value, but for those of schemas."""
    if isinstance(value, dict):
        yield value
        for name, inner in value.items():
            if name not in {"schema", "$parameters"}:
                yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def texts(value: Any) -> Iterator[str]:
    """Every text inside a value, but for those of schemas."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in {"schema", "schema_loader", "description"}:
                yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


@lru_cache(maxsize=4096)
def parsed(text: str) -> nodes.Template | None:
    """A template's tree; None where the text is none."""
    if "{{" not in text and "{%" not in text:
        return None
    try:
        return ENVIRONMENT.parse(text)
    except TemplateError:
        return None


def _chain(node: nodes.Node) -> tuple[str, Path] | None:
    """The root and the steps of an access like `record.a['b'].get('c')`."""
    steps: list[str] = []
    while True:
        match node:
            case nodes.Name(name=str(name)):
                return (name, tuple(reversed(steps))) if name in _ROOTS else None
            case nodes.Getattr(node=inner, attr=str(step)):
                steps.append(step)
                node = inner
            case nodes.Getitem(node=inner, arg=nodes.Const(value=step)):
                if step in {-1, 0}:
                    step = "*"
                steps.append(str(step))
                node = inner
            case nodes.Call(
                node=nodes.Getattr(node=inner, attr="get"), args=[nodes.Const(value=step), *_]
            ):
                steps.append(str(step))
                node = inner
            case nodes.Call(node=nodes.Getattr(node=inner)):
                steps = []
                node = inner
            case nodes.Filter(node=nodes.Node() as inner) if not steps:
                node = inner
            case _:
                return None


@lru_cache(maxsize=4096)
def accesses(text: str) -> frozenset[tuple[str, Path]]:
    """What a template reads: roots and steps, the longest of each."""
    tree = parsed(text)
    if tree is None:
        return frozenset()
    kinds = (nodes.Getattr, nodes.Getitem, nodes.Call, nodes.Filter)
    called = {id(node.node) for node in tree.find_all(nodes.Call)}
    read = (node for node in tree.find_all(kinds) if id(node) not in called)
    found = {chain for node in read if (chain := _chain(node)) is not None}
    found |= {
        (node.ops[0].expr.name, (str(node.expr.value),))
        for node in tree.find_all(nodes.Compare)
        if isinstance(node.expr, nodes.Const)
        and node.ops[0].op in {"in", "notin"}
        and isinstance(node.ops[0].expr, nodes.Name)
        and node.ops[0].expr.name in _ROOTS
    }
    return frozenset(c for c in found if c[1] and not inside(c, found))


def inside(chain: tuple[str, Path], others: Collection[tuple[str, Path]]) -> bool:
    """Whether another access goes on where this one ends."""
    root, steps = chain
    return any(
        root == other and len(more) > len(steps) and more[: len(steps)] == steps
        for other, more in others
    )


@lru_cache(maxsize=4096)
def compared(text: str) -> dict[Path, tuple[Any, ...]]:
    """The constants that a template compares a record's fields with."""
    tree = parsed(text)
    found: dict[Path, tuple[Any, ...]] = {}
    if tree is None:
        return found
    for node in tree.find_all(nodes.Compare):
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        chains = [c for side in sides if (c := _chain(side)) is not None and c[0] == "record"]
        constants = [side.value for side in sides if isinstance(side, nodes.Const)]
        for side in sides:
            if isinstance(side, (nodes.List, nodes.Tuple)):
                constants += [item.value for item in side.items if isinstance(item, nodes.Const)]
        for _, steps in chains:
            found[steps] = (*found.get(steps, ()), *constants)
    return found


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Template:
    return ENVIRONMENT.from_string(text)


@lru_cache(maxsize=4096)
def dated(text: str) -> dict[Path, str]:
    """The fields of records that a template reads as times, and the format of each."""
    tree = parsed(text)
    found: dict[Path, str] = {}
    if tree is None:
        return found
    for node in tree.find_all(nodes.Call):
        match node.node:
            case nodes.Name(name="format_datetime" | "str_to_datetime" | "timestamp") if node.args:
                chain = _chain(node.args[0])
                if chain is not None and chain[0] == "record":
                    found[chain[1]] = _input_format(node) or "%Y-%m-%dT%H:%M:%SZ"
            case _:
                pass
    return found


def _input_format(node: nodes.Call) -> str | None:
    named = {k.key: k.value for k in node.kwargs}
    given = named.get("input_format") or (node.args[2] if len(node.args) > 2 else None)
    return str(given.value) if isinstance(given, nodes.Const) else None


def rendered(text: str, context: dict[str, Any]) -> Any:
    """What a template comes to, read as a literal where it can be.

    Raises:
        TemplateError: it does not fit the context.
    """
    made = _compiled(text).render(context)
    try:
        return ast.literal_eval(made)
    except (ValueError, SyntaxError, MemoryError):
        return made


def settled(value: Any, values: dict[str, Any]) -> Any:
    """A value of a manifest with the configuration put into it, as far as that goes."""
    if not isinstance(value, str) or "{" not in value:
        return value
    try:
        return rendered(value, {"config": values, "parameters": {}})
    except (TemplateError, ArithmeticError, ValueError, TypeError, AttributeError):
        return None
