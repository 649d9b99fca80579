"""Paths into JSON values, with the patterns that Airbyte manifests allow in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import TypeAlias

from penstock.errors import ExprError
from penstock.plan.expr import JsonValue

Path: TypeAlias = "tuple[str, ...]"
_PATTERN = frozenset("*?[")


def is_pattern(path: Path) -> bool:
    """Whether a segment of `path` stands for several keys."""
    return any(not _PATTERN.isdisjoint(segment) for segment in path)


def find(value: JsonValue, path: Path) -> Iterator[JsonValue]:
    """Every value at `path`; a segment that is a number also reaches into lists."""
    if not path:
        yield value
        return
    if path[0] == "**":
        yield from find(value, path[1:])
        for _, inner in _entries(value):
            yield from find(inner, path)
        return
    if path[0].startswith("-") and isinstance(value, (list, tuple)):
        if _is_index(path[0], len(value)):
            yield from find(value[int(path[0])], path[1:])
        return
    for key, inner in _entries(value):
        if fnmatchcase(key, path[0]):
            yield from find(inner, path[1:])


def keys(value: JsonValue, segment: str) -> list[str]:
    """The keys or indexes of `value` that a segment stands for."""
    return [key for key, _ in _entries(value) if fnmatchcase(key, segment)]


def _entries(value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, (list, tuple)):
        yield from ((str(index), item) for index, item in enumerate(value))


def at(value: JsonValue, path: Path) -> tuple[bool, JsonValue]:
    """Whether something stands at a path without patterns, and what."""
    for segment in path:
        if isinstance(value, dict):
            if segment not in value:
                return False, None
            value = value[segment]
        elif isinstance(value, (list, tuple)) and _is_index(segment, len(value)):
            value = value[int(segment)]
        else:
            return False, None
    return True, value


def _is_index(segment: str, length: int) -> bool:
    return segment.removeprefix("-").isdecimal() and -length <= int(segment) < length


def put(value: JsonValue, path: Path, item: JsonValue) -> None:
    """Set what stands at `path` inside `value`, making what is missing on the way.

    Raises:
        ExprError: a scalar stands in the way.
    """
    if len(path) == 1:
        _assign(value, path[0], item, path)
        return
    for here, following in zip(path, (*path[1:], None), strict=True):
        new: JsonValue = item
        if following is not None:
            found, inner = at(value, (here,))
            new = inner if found else [] if following.isdecimal() else {}
        _assign(value, here, new, path)
        value = new


def _assign(container: JsonValue, key: str, item: JsonValue, path: Path) -> None:
    if isinstance(container, dict):
        container[key] = item
    elif isinstance(container, list) and key.isdecimal():
        container.extend([None] * (int(key) + 1 - len(container)))
        container[int(key)] = item
    else:
        raise ExprError(
            f"{'.'.join(path)} cannot be set: {container!r} stands where {key!r} would be"
        )


def drop(value: JsonValue, path: Path, when: Callable[[JsonValue], bool] | None = None) -> None:
    """Remove what stands at `path`; with `when`, the scalars there and inside for which it holds.

    An item of a list becomes null, so that the others stay where they are; the last one goes.
    """
    if path[0] == "**":
        for _, inner in list(_entries(value)):
            drop(inner, path, when)
        path = path[1:] or ("*",)
    entries = list(_entries(value))
    for key, inner in entries if isinstance(value, dict) else reversed(entries):
        if not fnmatchcase(key, path[0]):
            continue
        if len(path) > 1:
            drop(inner, path[1:], when)
        elif when is not None and isinstance(inner, (dict, list)):
            drop(inner, ("*",), when)
        elif when is None or when(inner):
            _remove(value, key)


def _remove(container: JsonValue, key: str) -> None:
    if isinstance(container, dict):
        del container[key]
    elif isinstance(container, list) and int(key) == len(container) - 1:
        container.pop()
    elif isinstance(container, list):
        container[int(key)] = None


def update(value: JsonValue, path: Path, item: JsonValue) -> int:
    """Set everything that stands at `path` already; how often it did."""
    count = 0
    if path[0] == "**" and len(path) > 1:
        count = update(value, path[1:], item)
        return count + sum(update(inner, path, item) for _, inner in list(_entries(value)))
    for key, inner in list(_entries(value)):
        if not fnmatchcase(key, path[0]):
            continue
        if len(path) > 1:
            count += update(inner, path[1:], item)
        else:
            _assign(value, key, item, path)
            count += 1
    return count
