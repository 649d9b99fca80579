"""What components know as `dpath`: values at paths of nested objects and lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from penstock.plan import paths

_ABSENT = object()


def _split(glob: str | Sequence[Any], separator: str) -> tuple[str, ...]:
    if isinstance(glob, str):
        return tuple(part for part in glob.split(separator) if part)
    return tuple(str(part) for part in glob)


def get(obj: Any, glob: Any, separator: str = "/", default: Any = _ABSENT) -> Any:
    """The one value at a path."""
    path = _split(glob, separator)
    found = list(paths.find(obj, path)) if paths.is_pattern(path) else _plain(obj, path)
    if len(found) > 1:
        raise ValueError(f"dpath.get() globs must match only one leaf: {glob}")
    if found:
        return found[0]
    if default is _ABSENT:
        raise KeyError(glob)
    return default


def _plain(obj: Any, path: tuple[str, ...]) -> list[Any]:
    there, value = paths.at(obj, path)
    return [value] if there else []


def values(
    obj: Any, glob: Any, separator: str = "/", afilter: Any = None, dirs: bool = True
) -> list[Any]:
    """Every value at a path."""
    found = paths.find(obj, _split(glob, separator))
    kept = (v for v in found if dirs or not isinstance(v, (dict, list)))
    return [v for v in kept if afilter is None or afilter(v)]


def _walk(
    obj: Any, path: tuple[str, ...], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not path:
        yield above, obj
        return
    for key in paths.keys(obj, path[0]):
        yield from _walk(paths.at(obj, (key,))[1], path[1:], (*above, key))


def search(
    obj: Any,
    glob: Any,
    yielded: bool = False,
    separator: str = "/",
    afilter: Any = None,
    dirs: bool = True,
) -> Any:
    """The part of a value that a path leads to, or its pieces with their paths."""
    found = [
        (path, value)
        for path, value in _walk(obj, _split(glob, separator))
        if (dirs or not isinstance(value, (dict, list))) and (afilter is None or afilter(value))
    ]
    if yielded:
        return ((separator.join(path), value) for path, value in found)
    made: dict[str, Any] = {}
    for path, value in found:
        paths.put(made, path, value)
    return made


def set(obj: Any, glob: Any, value: Any, separator: str = "/", afilter: Any = None) -> int:  # noqa: A001 (its name in dpath)
    """Replace what stands at a path; how often."""
    del afilter
    return paths.update(obj, _split(glob, separator), value)


def new(
    obj: Any, path: Any, value: Any, separator: str = "/", creator: Callable[..., Any] | None = None
) -> Any:
    """Set what stands at a path, and make the way to it."""
    del creator
    paths.put(obj, _split(path, separator), value)
    return obj


def delete(obj: Any, glob: Any, separator: str = "/", afilter: Any = None) -> int:
    """Remove what stands at a path; how often."""
    del afilter
    path = _split(glob, separator)
    count = len(list(_walk(obj, path)))
    if not count:
        raise PathNotFound(f"Could not find {glob} to delete it")
    paths.drop(obj, path)
    return count


def merge(dst: Any, src: Any, **kwargs: Any) -> Any:
    """Put all of one value into another."""
    del kwargs
    for key, value in src.items():
        if isinstance(value, dict) and isinstance(dst.get(key), dict):
            merge(dst[key], value)
        elif isinstance(value, list) and isinstance(dst.get(key), list):
            dst[key].extend(value)
        else:
            dst[key] = value
    return dst


class PathNotFound(Exception):
    """Nothing stands at a path."""


class InvalidKeyName(Exception):
    """A key that cannot be part of a path."""
