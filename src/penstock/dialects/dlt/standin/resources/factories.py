"""The decorators of dlt: functions that make sources, resources and transformers."""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from penstock.dialects.dlt.resources import ROWS
from penstock.dialects.dlt.standin.base import arguments
from penstock.dialects.dlt.standin.base.errors import Refusal
from penstock.dialects.dlt.standin.base.marks import KeyMark, Spot, caller
from penstock.dialects.dlt.standin.base.record import Trial, current, making, refuse
from penstock.dialects.dlt.standin.resources.opened import RowsAskedError, opened
from penstock.dialects.dlt.standin.resources.rows import bound, handed, makes_resources
from penstock.dialects.dlt.standin.resources.sources import (
    HINTS,
    ON_SOURCE,
    DltResource,
    DltSource,
    Factory,
    flat,
    piped,
    python_resource,
    without_nulls,
)
from penstock.dialects.dlt.standin.values.settings import filled

# What changes a resource, which may be said of a decorated function as well.
_SAID = {*HINTS, "incremental"}  # what a decorator says of a resource
_CHANGES = {"add_map", "add_filter", "add_yield_map", "add_limit", "apply_hints", "parallelize"}


class SourceFactory(Factory):
    """A function decorated with `@dlt.source`."""

    def __call__(self, *args: Any, **named: Any) -> DltSource:
        """The source that the function makes."""
        sections = self._sections()
        with making(self.name, sections):
            made = filled(self.function, args, named, sections)
            resources = list(flat(made, f"the source {self.name!r}"))
        settings = {k: v for k, v in self.settings.items() if k in ON_SOURCE}
        return DltSource(self.name, resources, **settings)


class ResourceFactory(Factory):
    """A function decorated with `@dlt.resource`; its rows are those of the resources it yields.

    One that names none of these makes the rows itself. `changes` are what the script does to it
    without calling it, as in `users.add_map(...)`: they are made to every resource it gives.
    """

    def __init__(self, function: Callable[..., Any], settings: Mapping[str, Any]) -> None:
        super().__init__(function, settings)
        self.changes: list[Callable[[DltResource], Any]] = []

    def __getattr__(self, name: str) -> Any:
        if name in _CHANGES:
            return functools.partial(self._change, name)
        if name in HINTS or name == "selected":
            return self.settings.get(name)
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in HINTS or name == "selected":
            self.settings[name] = value
        else:
            super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        """What the resource without arguments gives."""
        made = self()
        if isinstance(made, DltResource):
            return opened([made], sys._getframe(1))  # noqa: SLF001 (to ask who iterates)
        return iter(made if isinstance(made, list) else [made])

    def _change(self, name: str, *args: Any, **named: Any) -> ResourceFactory:
        self.changes.append(lambda resource: getattr(resource, name)(*args, **named))
        return self

    def with_args(self, **settings: Any) -> ResourceFactory:
        """The same with other settings."""
        made: ResourceFactory = super().with_args(**settings)
        made.changes = list(self.changes)
        return made

    clone = with_args

    def with_name(self, new_name: str, *_: Any) -> ResourceFactory:
        """The same under another name."""
        return self.with_args(name=new_name)

    def bind(self, *args: Any, **named: Any) -> Any:
        """The resource with the arguments of the function."""
        return self(*args, **named)

    def compute_table_schema(self, *args: Any, **named: Any) -> dict[str, Any]:
        """What is said of the table of the resource."""
        found: dict[str, Any] = self().compute_table_schema(*args, **named)
        return found

    @property
    def makes_rows(self) -> Callable[..., Any]:
        """The function that may make its rows."""
        return self.function

    def alone(self) -> Any:
        """What the function gives without arguments: the same resource, wherever it is named so."""
        made = self()
        if isinstance(made, DltResource):
            made.pipe = self
        return made

    def __or__(self, other: Any) -> Any:
        if not makes_resources(self.function):
            return piped(self, other)
        made = self.alone()
        if not isinstance(made, DltResource):
            raise refuse(Refusal(f"{self.name} yields several resources, and | takes one"))
        return piped(made, other)

    def __call__(self, *args: Any, **named: Any) -> Any:
        """The resource that the function yields, or a list if there are several."""
        hints = {k: v for k, v in self.settings.items() if k in _SAID}
        name = self._called(args, named)
        found = self._given(args, named) if makes_resources(self.function) else None
        if found is None:
            made = python_resource(name, bound(self.function, args, named, self._sections()))
            return self._set(made, hints)
        for resource in found:
            self._set(resource, hints)
        if len(found) != 1:
            return found
        if found[0].name != name:
            found[0].hints.setdefault("table_name", name)
        return found[0]

    def _given(self, args: tuple[Any, ...], named: dict[str, Any]) -> list[DltResource] | None:
        """The resources that the function gives; None where it makes rows, of theirs or others.

        What is iterated of several resources are rows for one table, as in dlt.
        """
        trial = Trial()
        current().trying.append(trial)
        try:
            found = self._resources(args, named, trial)
        except RowsAskedError:
            found = None
        finally:
            current().trying.pop()
        if found is None:
            trial.undo()
        return found

    def _resources(
        self, args: tuple[Any, ...], named: dict[str, Any], trial: Trial
    ) -> list[DltResource] | None:
        pieces = list(_unfolded(filled(self.function, args, named, self._sections())))
        if any(not isinstance(one, _RESOURCES) for one in pieces):
            return None
        found = list(flat(pieces, f"the resource {self.name!r}"))
        return None if trial.iterates and len(found) > 1 else found

    def _called(self, args: tuple[Any, ...], named: Mapping[str, Any], *, skip: int = 0) -> str:
        """What the resource with these arguments is called: a function may say it of them."""
        said = self.settings.get("name")
        if not callable(said):
            return self.name
        parameters = list(inspect.signature(self.function).parameters.values())[skip:]
        given = inspect.Signature(parameters).bind(*args, **named)
        given.apply_defaults()
        return str(said(given.arguments))

    def _set(self, resource: DltResource, hints: dict[str, Any]) -> DltResource:
        resource.apply_hints(**hints)
        if self.settings.get("selected") is False:
            resource.selected = False
        for change in self.changes:
            change(resource)
        return resource


_RESOURCES = (DltResource, DltSource, Factory)


def _unfolded(made: Any) -> Iterator[Any]:
    """What a function gave, piece by piece, up to the first that is a row."""
    if isinstance(made, (list, tuple, set, Iterator)):
        for one in made:
            yield from _unfolded(one)
            if not isinstance(one, (*_RESOURCES, list, tuple, set, Iterator)):
                return
    elif made is not None:
        yield made


class TransformerFactory(ResourceFactory):
    """A function decorated with `@dlt.transformer`; called, it has its arguments but the items."""

    is_transformer = True

    def __init__(self, function: Callable[..., Any], settings: Mapping[str, Any]) -> None:
        super().__init__(function, settings)
        self.parent: Any = self.settings.pop("data_from", None)
        self.stands_at: Spot | None = None
        self.whole = self  # of which this is another name, behind a parent of its own

    def __ror__(self, other: Any) -> Any:
        # Python asks a class first that is built on that of what stands before it.
        resource = isinstance(other, (DltResource, ResourceFactory))
        return other.__or__(self) if resource else self().__ror__(other)

    def behind(self, parent: Any) -> TransformerFactory:
        """This transformer, fed by another resource: where it is named later, it is this one.

        What is changed about it is changed wherever it stands, as in dlt.
        """
        made = copy.copy(self)
        made.parent = self.whole.parent = parent
        made.stands_at = caller()
        return made

    def with_args(self, **settings: Any) -> Any:
        """The same with other settings."""
        made: Any = super().with_args(**settings)
        made.parent = made.parent if made.parent is not None else self.parent
        return made

    clone = with_args

    def alone(self) -> Any:
        """The resource; what stands behind the same parent is the same one."""
        made: DltResource = super().alone()
        made.pipe = self.whole if self.parent is self.whole.parent else self
        if self.stands_at is not None:
            made.item.marks[ROWS] = KeyMark(self.stands_at, self.stands_at)
        return made

    def __call__(self, *args: Any, **named: Any) -> DltResource:
        """The resource, fed by what the decorator names."""
        rows = bound(self.function, args, named, self._sections(), skip=1)
        rows.takes_items = True
        made = python_resource(self._called(args, named, skip=1), rows)
        made.feed(self.parent)
        return self._set(made, {k: v for k, v in self.settings.items() if k in HINTS})


def source(function: Any = None, /, **settings: Any) -> Any:
    """`@dlt.source`, with or without arguments."""
    arguments.known("dlt.source", settings)
    if function is None:
        return lambda given: SourceFactory(given, without_nulls(settings))
    return SourceFactory(function, without_nulls(settings))


def resource(data: Any = None, /, **settings: Any) -> Any:
    """`@dlt.resource`, with or without arguments, or `dlt.resource(data)`."""
    arguments.known("dlt.resource", settings)
    kept = without_nulls(settings)
    if data is None:
        return lambda given: resource(given, **settings)
    if isinstance(data, DltResource):
        return data.apply_hints(**{k: v for k, v in kept.items() if k in _SAID})
    if callable(data) and not inspect.isgenerator(data):
        return ResourceFactory(data, kept)
    name = str(kept.get("name", "resource"))
    hints = {k: v for k, v in kept.items() if k in _SAID}
    if not _holds_resources(data):
        return python_resource(name, handed(data, name)).apply_hints(**hints)
    found = list(flat(data, f"the resource {name!r}"))
    for one in found:
        one.apply_hints(**hints)
    return found[0] if len(found) == 1 else found


def _holds_resources(data: Any) -> bool:
    """Whether data is resources, and no rows; what is read once is left as it is."""
    return isinstance(data, (list, tuple)) and any(
        isinstance(one, (DltResource, DltSource, Factory)) for one in data
    )


def transformer(function: Any = None, /, **settings: Any) -> Any:
    """`@dlt.transformer`, with or without arguments."""
    arguments.known("dlt.transformer", settings)
    if function is None or not callable(function) or isinstance(function, (DltResource, Factory)):
        kept = dict(settings) if function is None else {**settings, "data_from": function}
        return lambda given: TransformerFactory(given, without_nulls(kept))
    return TransformerFactory(function, without_nulls(settings))


def defer(function: Any) -> Any:
    """`@dlt.defer`: calls are made at once; they are beside one another for each parent."""
    return function
