"""Changes and checks of the values a user gave, before anything is asked: pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, assert_never

import msgspec

from penstock.plan.expr import Const, Expr, Frame, JsonValue, evaluate, evaluate_text
from penstock.plan.paths import Path, at, drop, find, put

Config: TypeAlias = "dict[str, JsonValue]"


class Remap(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A value replaced by what stands beside it in `table`, if it stands there."""

    path: Path
    table: tuple[tuple[str, Expr], ...]


class SetValue(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A value set at a path, if `when` holds."""

    path: Path
    value: Expr
    when: Expr | None = None


class Unset(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What stands at a path removed, if `when` holds for it as `property` of the page."""

    path: Path
    when: Expr | None = None


class MustFit(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A value that must fit a JSON schema, or the run does not begin.

    With `each` these are all values at a path, which may have patterns. `passes` is a check of the
    document's own instead: it says what is wrong, if anything is.
    """

    value: Expr
    schema: JsonValue = None
    passes: Callable[[JsonValue], str | None] | None = None
    each: Path = ()

    def values(self, config: Mapping[str, JsonValue]) -> list[JsonValue]:
        """The values that must fit, of those that are there."""
        if self.each:
            return list(find(dict(config), self.each))
        value = evaluate(self.value, Frame(source=config))
        return [] if value is None else [value]


class Rework(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The values as a class of the document's own changes them where they stand."""

    function: Callable[[Config], None]
    name: str = ""


Change: TypeAlias = Remap | SetValue | Unset | Rework


def prepared(changes: tuple[Change, ...], values: Mapping[str, JsonValue]) -> Config:
    """The values with all changes made, in order; `values` itself is left as it is."""
    config: Config = msgspec.json.decode(msgspec.json.encode(dict(values)))
    for change in changes:
        _make(change, config)
    return config


def _make(change: Change, config: Config) -> None:
    frame = Frame(source=config)
    match change:
        case Remap():
            found, held = at(config, change.path)
            if found and isinstance(held, str) and held in dict(change.table):
                put(config, change.path, evaluate(dict(change.table)[held], frame))
        case SetValue():
            if change.when is None or evaluate(change.when, frame):
                put(config, change.path, evaluate(change.value, frame))
        case Unset():
            _unset(change, config)
        case Rework():
            change.function(config)
        case _:
            assert_never(change)


def _unset(change: Unset, config: Config) -> None:
    when = change.when

    def holds(value: JsonValue) -> bool:
        page = {"property": value}
        return when is None or bool(evaluate(when, Frame(source=config, page=page)))

    drop(config, change.path, None if when is None else holds)


def keys(path: tuple[Expr, ...], values: Mapping[str, JsonValue]) -> Path:
    """A path whose segments may be templates over the values."""
    frame = Frame(source=values)
    return tuple(str(s.value) if isinstance(s, Const) else evaluate_text(s, frame) for s in path)
