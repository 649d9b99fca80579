"""Small functions of dlt that scripts use: `dlt.common.utils`, `jsonpath` and `transform`."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from itertools import islice
from typing import Any

# dlt.common.utils


def chunks(iterable: Iterable[Any], n: int) -> Iterator[list[Any]]:
    """The items in lists of `n`, the last one shorter."""
    items = iter(iterable)
    while piece := list(islice(items, n)):
        yield piece


def uniq_id(len_: int = 16) -> str:
    """So many random bytes as hexadecimal digits."""
    return secrets.token_hex(len_)


def uniq_id_base64(len_: int = 16) -> str:
    """So many random bytes as base64."""
    return _base64(secrets.token_bytes(len_))


def digest128(v: str, len_: int = 15) -> str:
    """A digest of a text: so many bytes of SHAKE-128 as base64."""
    return digest128b(v.encode(), len_)


def digest128b(v: bytes, len_: int = 15) -> str:
    """The same of bytes."""
    return _base64(hashlib.shake_128(v).digest(len_))


def digest256(v: str) -> str:
    """A digest of a text: SHA3-256 as base64, padded."""
    return base64.b64encode(hashlib.sha3_256(v.encode()).digest()).decode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def str2bool(v: Any) -> bool:
    """A text that says yes or no.

    Raises:
        ValueError: it says neither.
    """
    said = str(v).lower()
    if said in {"yes", "true", "t", "y", "1"}:
        return True
    if said in {"no", "false", "f", "n", "0"}:
        return False
    raise ValueError(f"{v!r} is no boolean")


def flatten_list_or_items(_iter: Iterable[Any]) -> Iterator[Any]:
    """The items, and those of lists among them."""
    for one in _iter:
        yield from one if isinstance(one, list) else [one]


def without_none(d: Mapping[Any, Any]) -> dict[Any, Any]:
    """The entries that are not null."""
    return {key: value for key, value in d.items() if value is not None}


def dict_remove_nones_in_place(d: dict[Any, Any]) -> dict[Any, Any]:
    """The dict, without entries that are null."""
    for key in [key for key, value in d.items() if value is None]:
        del d[key]
    return d


def exclude_keys(mapping: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """The entries with other keys."""
    left_out = set(keys)
    return {key: value for key, value in mapping.items() if key not in left_out}


def update_dict_nested(
    dst: MutableMapping[Any, Any],
    src: Mapping[Any, Any],
    copy_src_dicts: bool = False,  # noqa: FBT001, FBT002 (as dlt has it)
) -> MutableMapping[Any, Any]:
    """`dst` with the entries of `src`, dicts in both brought together."""
    for key, value in src.items():
        held = dst.get(key)
        if isinstance(value, dict) and isinstance(held, dict):
            update_dict_nested(held, value, copy_src_dicts)
        elif isinstance(value, dict) and copy_src_dicts:
            dst[key] = update_dict_nested({}, value, copy_src_dicts=True)
        else:
            dst[key] = value
    return dst


def clone_dict_nested(src: Mapping[Any, Any]) -> MutableMapping[Any, Any]:
    """A copy of a dict and of the dicts in it."""
    return update_dict_nested({}, src, copy_src_dicts=True)


def map_nested_values_in_place(
    func: Callable[..., Any], _nested: Any, *args: Any, **kwargs: Any
) -> Any:
    """A dict or list whose values, however deep, went through a function."""
    held = list(_nested) if isinstance(_nested, tuple) else _nested
    for key, value in list(held.items() if isinstance(held, dict) else enumerate(held)):
        if isinstance(value, (dict, list, tuple)):
            held[key] = map_nested_values_in_place(func, value, *args, **kwargs)
        else:
            held[key] = func(value, *args, **kwargs)
    return held


def map_nested_keys_in_place(
    func: Callable[..., Any], _nested: Any, *args: Any, **kwargs: Any
) -> Any:
    """A dict or list whose keys, however deep, went through a function."""
    held = list(_nested) if isinstance(_nested, tuple) else _nested
    for key, value in list(held.items() if isinstance(held, dict) else enumerate(held)):
        deep = isinstance(value, (dict, list, tuple))
        made = map_nested_keys_in_place(func, value, *args, **kwargs) if deep else value
        if isinstance(held, dict):
            del held[key]
            held[func(key, *args, **kwargs)] = made
        else:
            held[key] = made
    return held


def order_deduped(lst: Iterable[Any]) -> list[Any]:
    """The items, each once, in their order."""
    return list(dict.fromkeys(lst))


def utils() -> dict[str, Any]:
    """The names of `dlt.common.utils`."""
    found = (chunks, uniq_id, uniq_id_base64, digest128, digest128b, digest256, str2bool,
             flatten_list_or_items, without_none, dict_remove_nones_in_place, exclude_keys,
             update_dict_nested, clone_dict_nested, map_nested_values_in_place,
             map_nested_keys_in_place, order_deduped)  # fmt: skip
    named: dict[str, Any] = {one.__name__: one for one in found}
    return {**named, "map_nested_in_place": map_nested_values_in_place}


# dlt.common.jsonpath


def compile_path(s: Any) -> Any:
    """A JSONPath."""
    from jsonpath_ng.ext.parser import parse  # noqa: PLC0415 (few scripts)

    return parse(s) if isinstance(s, str) else s


def compile_paths(s: Any) -> list[Any]:
    """One JSONPath or several."""
    several = isinstance(s, Iterable) and not isinstance(s, str)
    return [compile_path(one) for one in (s if several else [s])]


def find_values(path: Any, data: Any) -> list[Any]:
    """What is at a JSONPath."""
    return [found.value for found in compile_path(path).find(data)]


def resolve_paths(paths: Any, data: Any) -> list[str]:
    """The full paths of what is at JSONPaths."""
    return [str(found.full_path) for path in compile_paths(paths) for found in path.find(data)]


def delete_matches(paths: Any, data: Any) -> None:
    """Take away what is at JSONPaths."""
    for path in compile_paths(paths):
        path.filter(lambda _: True, data)


def extract_simple_field_name(path: Any) -> str | None:
    """The field that a JSONPath names, if it is only that."""
    fields: tuple[str, ...] = getattr(compile_path(path), "fields", ())
    return str(fields[0]) if len(fields) == 1 and fields[0] != "*" else None


def set_value_at_path(obj: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a path of names."""
    *above, last = str(path).split(".")
    for name in above:
        obj = obj.setdefault(name, {})
    obj[last] = value


def jsonpath() -> dict[str, Any]:
    """The names of `dlt.common.jsonpath`."""
    found = (compile_path, compile_paths, find_values, resolve_paths, delete_matches,
             extract_simple_field_name, set_value_at_path)  # fmt: skip
    return {one.__name__: one for one in found}


# dlt.sources.helpers.transform


def take_first(max_items: int) -> Callable[[Any], bool]:
    """A filter that keeps so many records and no more."""
    left = iter(range(max_items))
    return lambda _record: next(left, None) is not None


def skip_first(max_items: int) -> Callable[[Any], bool]:
    """A filter that leaves out so many records."""
    left = iter(range(max_items))
    return lambda _record: next(left, None) is None


def pivot(paths: str | Sequence[str] = "$", prefix: str = "col") -> Callable[[Any], Any]:
    """A step that makes dicts of lists in lists, with numbered keys."""
    listed = [paths] if isinstance(paths, str) else paths

    def pivoted(found: Any) -> list[dict[str, Any]]:
        if not all(isinstance(one, Sequence) for one in (found, *found)):
            raise ValueError("only lists of lists can be pivoted")
        return [{f"{prefix}{nth}": v for nth, v in enumerate(one)} for one in found]

    def step(item: Any) -> Any:
        for path in listed:
            if path == "$":
                item = pivoted([item])
                continue
            for found in compile_path(path).find(item):
                found.full_path.update(item, pivoted(found.value))
        return item

    return step


def transform() -> dict[str, Any]:
    """The names of `dlt.sources.helpers.transform`."""
    return {one.__name__: one for one in (take_first, skip_first, pivot)}
