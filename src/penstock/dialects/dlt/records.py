"""Records of the dialect: the data selector, what is carried from parents, and processing steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from pathlib import PurePosixPath
from typing import Literal, cast

from penstock.dialects.dlt.context import Context
from penstock.dialects.dlt.expr import extra_value, partition_value
from penstock.dialects.dlt.paths import record_path
from penstock.dialects.document import Joined, Node, Opaque
from penstock.patterns import pattern
from penstock.plan.expr import JsonValue
from penstock.plan.records import Call, Carry, DetectRecords, Keys, RecordPath, Step

_LAST_HOLE = pattern(r"\{([a-zA-Z0-9.\-_]+)\}")
_STEPS: dict[str, Literal["filter", "map", "expand"]] = {
    "filter": "filter",
    "map": "map",
    "yield_map": "expand",
}
_Function = Callable[[JsonValue], "JsonValue | Iterable[JsonValue]"]


def text_of(path: object) -> str:
    """A path as a text, with a word in place of each value that the user brings."""
    parts = path.parts if isinstance(path, Joined) else (path,)
    return "".join(part if isinstance(part, str) else "_" for part in parts if part is not None)


def single_entity(path: str) -> bool:
    """Whether a path ends in a placeholder, so that it answers with one thing."""
    return _LAST_HOLE.search(PurePosixPath(path).name) is not None


def selector(ctx: Context, node: Node | None, *, single: bool) -> RecordPath:
    """Where the records are; `single` says that the answer is one."""
    if node is None or node.value is None or node.value == "":
        return Keys() if single else DetectRecords()
    return record_path(ctx, node) or Keys()


def carried(names: Iterable[str]) -> tuple[Step, ...]:
    """Steps that keep values of the partition as columns, where records have none of the name."""
    return tuple(Carry(name=n, value=partition_value(n), keep=True) for n in dict.fromkeys(names))


def included(names: Iterable[str], extras: Collection[str]) -> tuple[Step, ...]:
    """Steps that write fields of the parent, known to the slice by the same name.

    They are values of the partition, or `extras` that partitions do not differ by.
    """
    value = {True: extra_value, False: partition_value}
    return tuple(Carry(name=n, value=value[n in extras](n)) for n in names)


def processing(ctx: Context, node: Node | None) -> tuple[Step, ...]:
    """The user's functions; they can only come from Python."""
    if node is None or node.value is None:
        return ()
    if not isinstance(node.value, list):
        ctx.wrong(node, "a list of steps")
        return ()
    found: list[Step] = []
    for item in node.value:
        if not ctx.mapping(item):
            continue
        ctx.keys(item, _STEPS, "a processing step")
        for key, does in _STEPS.items():
            function = item.get(key)
            if function is not None:
                found += _call(ctx, function, does)
    return tuple(found)


def _call(ctx: Context, node: Node, does: Literal["filter", "map", "expand"]) -> list[Step]:
    held = node.value.value if isinstance(node.value, Opaque) else None
    if not callable(held):
        ctx.wrong(node, "a Python function")
        return []
    from penstock.dialects.dlt.standin.runs.stepping import around, values_of  # noqa: PLC0415 (few documents)

    for reference in values_of(held):
        ctx.input(reference)
    name = str(getattr(held, "__name__", type(held).__name__))
    function = cast("_Function", held)
    given = WithMeta(function) if _asks(held) else function
    return [Call(does=does, function=given, name=name, around=around(held))]


class WithMeta:
    """A step of two parameters: the second, what dlt knows of the record besides, is null."""

    def __init__(self, function: Callable[..., JsonValue | Iterable[JsonValue]]) -> None:
        self.function = self.__wrapped__ = function

    def __call__(self, value: JsonValue) -> JsonValue | Iterable[JsonValue]:
        """What the step makes of a record."""
        return self.function(value, None)


def _asks(function: Callable[..., object]) -> bool:
    """Whether a function cannot be called with a record alone."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of a built-in
        return False
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in parameters if p.kind in places and p.default is p.empty]
    return len(needed) == 2  # noqa: PLR2004 (the record, and what is known of it)
