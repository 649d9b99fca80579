"""Sources and resources, and the decorators that make them of functions."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from penstock.dialects.dlt.resources import ROWS
from penstock.dialects.dlt.standin.base.errors import Refusal
from penstock.dialects.dlt.standin.base.lacking import lacking
from penstock.dialects.dlt.standin.base.marks import KeyMark, Marked, Spot, caller
from penstock.dialects.dlt.standin.base.record import (
    before_change,
    current,
    is_run_for_another,
    pipelines,
    refuse,
    unknown,
)
from penstock.dialects.dlt.standin.base.references import Sections, says_same
from penstock.dialects.dlt.standin.resources.described import columns_over, table_schema
from penstock.dialects.dlt.standin.resources.opened import opened
from penstock.dialects.dlt.standin.resources.pipes import connected
from penstock.dialects.dlt.standin.resources.rows import Limit, Rows, bound, spot_of
from penstock.dialects.dlt.standin.resources.schemas import SourceSchema
from penstock.dialects.dlt.standin.resources.states import state_of_resource, state_of_source
from penstock.dialects.dlt.standin.values.specs import sections_of
from penstock.errors import closest_or_all

# Hints that a resource's own key of the same name says.
HINTS = ("table_name", "write_disposition", "primary_key", "merge_key", "columns",
         "schema_contract", "nested_hints", "max_table_nesting", "table_format", "file_format",
         "references", "parent_table_name", "parallelized")  # fmt: skip
ON_SOURCE = ("max_table_nesting", "schema_contract", "parallelized")
_NOTHING = {"spec", "section", "schema", "root_key", "standalone", "_impl_cls",
            "additional_table_hints"}  # fmt: skip
_FIXED = {"resources", "schema", "selected_resources", "exhausted", "state"}
_BEHIND = "decorate the function with @dlt.transformer, or use add_map"
_LISTS = (list, tuple, set, Iterator)


@lacking(
    "Empty",
    "from_data",
    "validate_dynamic_hints",
    "validate_reference_hint",
    "validate_write_disposition_hint",
    "validate_transformer_generator_function",
)
class DltResource:
    """One resource of a configuration, and what the script changed about it.

    `item` is None where the configuration has no list of resources, which is told later.
    """

    makes_resources = True

    def __init__(self, config: Any, item: Any, name: str) -> None:
        self.config = config
        self.item = item
        self.name = name
        self.hints: dict[str, Any] = {}
        self.steps: list[dict[str, Any]] = []
        self.all_steps = False  # whether these are among them that the configuration has
        self.incremental: Any = None
        self.chosen: bool | None = None  # what the script says of `selected`
        self.limit: Limit | None = None
        self.parent: Any = None  # of a transformer; in a source a resource, else maybe a function
        self.pipe: object = self  # what it shares with those that are the same resource

    def __or__(self, other: Any) -> Any:
        """The transformer, fed by this resource; a plain function is a step of its own."""
        return piped(self, other)

    def __ror__(self, other: Any) -> Any:
        return python_resource("data", lambda: other) | self

    def behind(self, parent: Any) -> DltResource:
        """This transformer, fed by another resource; where one feeds it by now, a copy."""
        made = self if self.parent is None or self.parent is parent else self.copied()
        made.feed(parent)
        return made

    @property
    def rows(self) -> Rows | None:
        """The function that makes its rows, if they are made in Python."""
        held = self.item.get(ROWS) if isinstance(self.item, Mapping) else None
        return held if isinstance(held, Rows) else None

    def feed(self, parent: Any) -> None:
        """Take the items of another resource."""
        self.parent = parent

    def alone(self) -> DltResource:
        """Itself, as of a function that is named without being called."""
        return self

    def copied(self) -> DltResource:
        """A copy, which is another resource."""
        made = self.again()
        made.pipe = made
        return made

    @property
    def makes_rows(self) -> Callable[..., Any] | None:
        """The function that makes its rows, if one does."""
        return self.rows.function if self.rows is not None else None

    def __iter__(self) -> Iterator[Any]:
        """The rows, for a function that a run calls, or for a script that goes through them."""
        return opened([self], sys._getframe(1))  # noqa: SLF001 (the only way to ask who iterates)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "state":
            return state_of_resource(self.name)
        raise unknown(f"DltResource.{name}")

    def __repr__(self) -> str:
        """Its name, and what it is below, for a script that prints it."""
        below = f", below {self.parent.name}" if self.parent is not None else ""
        return f"<DltResource {self.name}{below}>"

    def __call__(self, *args: Any, **named: Any) -> DltResource:
        """The resource; with arguments a copy whose function is given these."""
        return self.copied().bind(*args, **named) if args or named else self

    def said(self, name: str) -> Any:
        """What the script, the resource's own configuration, or that of all, says of a hint."""
        defaults = self.config.get("resource_defaults") if isinstance(self.config, Mapping) else {}
        for held in (self.hints, self.item, defaults):
            if isinstance(held, Mapping) and held.get(name) is not None:
                return held[name]
        return None

    @property
    def selected(self) -> bool:
        """Whether it is loaded, and not only read for others."""
        return self.chosen if self.chosen is not None else self.said("selected") is not False

    @selected.setter
    def selected(self, value: Any) -> None:
        """Say whether it is loaded."""
        if self.selected != bool(value):
            before_change(self)
        self.chosen = bool(value)

    @property
    def section(self) -> str:
        """Where values of its function are looked for."""
        held = self.rows.function if self.rows is not None else None
        return sections_of(held, self.name).module if held is not None else "config_setup"

    @property
    def write_disposition(self) -> Any:
        """How its rows are written."""
        return self.said("write_disposition") or "append"

    @write_disposition.setter
    def write_disposition(self, value: Any) -> None:
        """Say how its rows are written."""
        self.apply_hints(write_disposition=value)

    @property
    def table_name(self) -> Any:
        """Its table."""
        return self.said("table_name") or self.name

    @table_name.setter
    def table_name(self, value: Any) -> None:
        """Name its table."""
        self.apply_hints(table_name=value)

    @property
    def max_table_nesting(self) -> Any:
        """How deep its child tables go."""
        return self.said("max_table_nesting")

    @max_table_nesting.setter
    def max_table_nesting(self, value: Any) -> None:
        """Say how deep its child tables go."""
        self.apply_hints(max_table_nesting=value)

    @property
    def columns(self) -> Any:
        """The columns that are declared."""
        return self.said("columns")

    @property
    def schema_contract(self) -> Any:
        """What may change in its tables."""
        return self.said("schema_contract")

    def compute_table_schema(self, item: Any = None, *_: Any, **__: Any) -> dict[str, Any]:
        """What is said of its table; a row of it, where functions say that."""
        return table_schema(self, item)

    @property
    def is_transformer(self) -> bool:
        """Whether it makes its rows of those of another."""
        return self.rows is not None and self.rows.takes_items

    def bind(self, *args: Any, **named: Any) -> DltResource:
        """The resource with the arguments of its function."""
        if self.rows is not None and (args or named):
            function = self.rows.function
            sections = sections_of(function, self.name)
            made = bound(function, args, named, sections, skip=self.rows.takes_items)
            made.takes_items = self.rows.takes_items
            self.item = python_resource(self.name, made).item
        return self

    def apply_hints(self, **hints: Any) -> DltResource:
        """Change what the configuration says of the table; null changes nothing."""
        said = {n: v for n, v in hints.items() if v is not None and n not in _NOTHING}
        if any(not says_same(self.said(name), value) for name, value in said.items()):
            before_change(self)
        for name, value in said.items():
            if name == "incremental":
                self.incremental = value
            elif name == "columns":
                item = self.item if isinstance(self.item, Mapping) else {}
                self.hints[name] = columns_over(self.hints.get(name, item.get(name)), value)
            elif name in HINTS:
                self.hints[name] = value
            else:
                hint = closest_or_all(name, sorted((*HINTS, "incremental")))
                raise refuse(Refusal(f"apply_hints has no argument {name!r}", hint))
        return self

    def add_map(self, item_map: Any, insert_at: int | None = None, **_: Any) -> DltResource:
        """Change each record; a generator makes several of it, as in dlt."""
        many = inspect.isgeneratorfunction(inspect.unwrap(item_map))
        return self._step({"yield_map" if many else "map": item_map}, insert_at)

    def add_filter(self, item_filter: Any, insert_at: int | None = None, **_: Any) -> DltResource:
        """Keep some of the records."""
        return self._step({"filter": item_filter}, insert_at)

    def add_yield_map(self, item_map: Any, insert_at: int | None = None, **_: Any) -> DltResource:
        """Make several records of each."""
        return self._step({"yield_map": item_map}, insert_at)

    def _step(self, step: dict[str, Any], insert_at: int | None) -> DltResource:
        """Add a step; places are counted from 1, as what makes the rows is the first."""
        before_change(self)
        if insert_at is None:
            self.steps.append(step)
            return self
        if not self.all_steps:
            self.steps = [*self._configured_steps(), *self.steps]
            self.all_steps = True
        self.steps.insert(max(insert_at - 1, 0), step)
        return self

    def _configured_steps(self) -> list[Any]:
        for held in (self.item, (self.config or {}).get("resource_defaults")):
            if isinstance(held, Mapping) and "processing_steps" in held:
                return list(held["processing_steps"] or [])
        return []

    def whole_steps(self) -> list[Any]:
        """Its steps in their order: those of the configuration, and what the script has added."""
        return self.steps if self.all_steps else [*self._configured_steps(), *self.steps]

    def add_limit(
        self,
        max_items: int | None = None,
        max_time: float | None = None,
        count_rows: bool | None = False,  # noqa: FBT001, FBT002 (as dlt has it)
    ) -> DltResource:
        """Read a part only: so many pages, rows or seconds."""
        before_change(self)
        most = None if max_items is not None and max_items < 0 else max_items
        self.limit = Limit(most=most, seconds=max_time, by_rows=bool(count_rows))
        return self

    def parallelize(self) -> DltResource:
        """Read beside others, as every run does."""
        return self

    def with_name(self, new_name: str, *_: Any) -> DltResource:
        """A copy of that name, whose rows go to a table called so."""
        return self.called(new_name)

    def called(self, name: str) -> DltResource:
        """A copy with another name, which asks the same."""
        copied = self.copied()
        item = self.item if isinstance(self.item, Mapping) else {"name": self.item}
        copied.item = Marked(item, item.spot if isinstance(item, Marked) else None)
        dict.__setitem__(copied.item, "name", name)
        if self.rows is None:
            held = item.get("endpoint", {"path": self.name})
            endpoint = {"path": held} if isinstance(held, str) else held
            if isinstance(endpoint, Mapping) and "path" not in endpoint:
                endpoint = {**endpoint, "path": self.name}
            dict.__setitem__(copied.item, "endpoint", endpoint)
        copied.name = name
        return copied

    def again(self) -> DltResource:
        """The same resource once more, for another source."""
        copied = DltResource(self.config, self.item, self.name)
        copied.hints, copied.steps = dict(self.hints), list(self.steps)
        copied.all_steps = self.all_steps
        copied.incremental, copied.chosen = self.incremental, self.chosen
        copied.parent, copied.limit, copied.pipe = self.parent, self.limit, self.pipe
        return copied


class Resources(dict[str, DltResource]):
    """The resources of a source by name; `listed` are all, also those that are called the same."""

    def __init__(self, listed: list[DltResource]) -> None:
        super().__init__({one.name: one for one in listed})
        self._listed = listed

    def __setitem__(self, name: str, resource: DltResource) -> None:
        self._drop(name)
        self._listed.append(resource)
        super().__setitem__(name, resource)

    def __delitem__(self, name: str) -> None:
        self._drop(name)
        super().__delitem__(name)

    def _drop(self, name: str) -> None:
        self._listed[:] = [one for one in self._listed if one.name != name]

    def add(self, *resources: Any) -> None:
        """Take further resources."""
        for one in flat(list(resources), "the source"):
            self[one.name] = one

    def pop(self, name: str, *default: Any) -> Any:
        """Take a resource out; gives it."""
        if name not in self and default:
            return default[0]
        found = self[name]
        del self[name]
        return found

    detach = pop

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise unknown(f"DltSource.resources.{name}")

    def __missing__(self, name: str) -> DltResource:
        known = ", ".join(self)
        raise refuse(Refusal(f"the source has no resource {name!r}", f"there are: {known}"))

    @property
    def selected(self) -> dict[str, DltResource]:
        """Those that are loaded."""
        return {name: r for name, r in self.items() if r.selected}

    def select(self, *names: str) -> dict[str, DltResource]:
        """Load these only."""
        for name in names:
            self[name].selected = True
        for name, resource in self.items():
            if name not in names:
                resource.selected = False
        return self.selected


@lacking("from_data")
class DltSource:
    """Resources that are loaded together.

    Each is an attribute by its name; what Penstock keeps is called so that no resource is.
    """

    makes_resources = True

    def __init__(self, name: str | None, resources: Iterable[DltResource], **settings: Any) -> None:
        self.__dict__["name"] = name
        self.__dict__["own_settings"] = settings
        self.__dict__["own_resources"] = connected(resources)
        self.__dict__["resources"] = Resources(self.own_resources)
        self.__dict__["own_passed"] = {}
        self.__dict__["nth"] = 0
        self.__dict__["own_home"] = ""
        self.__dict__["made_at"] = caller()
        current().sources.append(self)

    name: str | None
    own_settings: dict[str, Any]
    resources: Resources
    own_resources: list[DltResource]
    own_passed: dict[str, DltResource]  # unselected ones that are loaded from another source
    made_at: Spot | None
    nth: int  # among those that are loaded together
    own_home: str  # the pipeline that loads it, and the source that its state is of

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self.resources:
            return self.resources[name]
        if name == "exhausted":  # nothing of it is read before a run
            return False
        if name == "state":
            return state_of_source()
        if name in ON_SOURCE or name in _NOTHING - {"schema"}:
            return self.own_settings.get(name)
        there = f"its resources are: {', '.join(self.resources)}" if self.resources else None
        raise unknown(f"DltSource.{name}", there)

    def __setattr__(self, name: str, value: Any) -> None:
        """Say what it is called or how it is read; what dlt has no name for is the script's own."""
        if isinstance(value, DltResource):
            self.resources[name] = value
            return
        if name in _FIXED:
            raise unknown(f"DltSource.{name} to set")
        if name in ON_SOURCE or name in _NOTHING:
            self.own_settings[name] = value
        else:
            self.__dict__[name] = value

    def __repr__(self) -> str:
        """Its name, and its resources, for a script that prints it."""
        return f"<DltSource {self.name or 'without a name'}: {', '.join(self.resources)}>"

    @property
    def schema(self) -> SourceSchema:
        """What the schema of its tables will be called; the rest is known behind the run."""
        return SourceSchema(str(self.name or "rest_api"), "DltSource.schema")

    @property
    def run(self) -> Callable[..., Any]:
        """The `run` of the pipeline that was made last, which loads this."""
        return functools.partial(pipelines[-1].run, self) if pipelines else _no_pipeline()

    def __iter__(self) -> Iterator[Any]:
        """The rows of all resources that are loaded."""
        frame = sys._getframe(1)  # noqa: SLF001 (the only way to ask who iterates)
        return opened(list(self.resources.selected.values()), frame, whole=self.name or "rest_api")

    @property
    def selected_resources(self) -> dict[str, DltResource]:
        """Those that are loaded."""
        return self.resources.selected

    def with_resources(self, *names: str) -> DltSource:
        """A source that loads these only."""
        copied = DltSource(self.name, self.own_resources, **self.own_settings)
        copied.resources.select(*names)
        replace(self, copied)
        return copied

    def for_table(self, table: str) -> DltSource:
        """A copy whose only resource is called after the table of a run.

        A transformer keeps its name, with its state, for the first table that it is run for.
        """
        only = self.own_resources[0]
        first = only.parent is not None and not is_run_for_another(only.name, table)
        if only.name == table or only.item is None or first:
            return self
        known: dict[str, DltSource] = self.__dict__.setdefault("by_table", {})
        if table not in known:
            known[table] = DltSource(self.name, [only.called(table)], **self.own_settings)
            replace(self, known[table])
        return known[table]

    def clone(self, with_name: str | None = None) -> DltSource:
        """A copy."""
        return DltSource(with_name or self.name, self.own_resources, **self.own_settings)

    def add_limit(
        self,
        max_items: int | None = None,
        max_time: float | None = None,
        count_rows: bool | None = False,  # noqa: FBT001, FBT002 (as dlt has it)
    ) -> DltSource:
        """Read a part of each resource only: so many pages, rows or seconds."""
        for one in self.own_resources:
            if one.selected:
                one.add_limit(max_items, max_time, count_rows)
        return self

    def parallelize(self) -> DltSource:
        """Read beside others, as every run does."""
        return self


def _no_pipeline() -> Callable[..., Any]:
    raise unknown("DltSource.run without a pipeline", "make one with dlt.pipeline first")


def replace(old: DltSource, new: DltSource | None) -> None:
    """A source became a part of another, or was replaced by a changed copy."""
    sources = current().sources
    if any(source is old for source in sources):
        sources[:] = [s for s in sources if s is not old and s is not new]
        if new is not None:
            sources.append(new)


# Of functions.


class Factory:
    """A function that makes a source or resources, with its parameters filled in."""

    makes_resources = True
    is_transformer = False

    def __init__(self, function: Callable[..., Any], settings: Mapping[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.settings = dict(settings)
        said = settings.get("name")
        own = getattr(function, "__name__", "source")
        self.name = str(own if callable(said) else said or own)

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise unknown(f"{name} of a decorated function")

    def with_args(self, **settings: Any) -> Any:
        """The same with other settings."""
        return type(self)(self.function, {**self.settings, **without_nulls(settings)})

    clone = with_args

    def _sections(self) -> Sections:
        return sections_of(self.function, self.name, self.settings.get("section"))

    def alone(self) -> Any:
        """What it stands for where it is named without being called."""
        return self()

    def __call__(self, *args: Any, **named: Any) -> Any:
        """What the function makes."""
        raise NotImplementedError


def without_nulls(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are said."""
    return {k: v for k, v in settings.items() if v is not None}


def python_resource(name: str, rows: Any) -> DltResource:
    """A resource whose rows are made in Python."""
    held = rows if isinstance(rows, Rows) else Rows(rows, (), {})
    item = Marked({"name": name, ROWS: held}, spot_of(held.function))
    if (where := caller()) is not None:  # what is wrong with its arguments is told there
        item.marks[ROWS] = KeyMark(where, where)
    if held.incremental is not None:
        dict.__setitem__(item, "endpoint", Marked({"incremental": held.incremental}, item.spot))
    return DltResource(None, item, name)


def piped(resource: Any, other: Any) -> Any:
    """What stands behind a resource: a transformer fed by it, or itself with a step more."""
    held = isinstance(other, (DltResource, Factory))
    if held and other.is_transformer:
        return other.behind(resource)
    if callable(other) and not held:
        return resource.add_map(other)
    raise refuse(Refusal("only a transformer can stand behind |", _BEHIND))


def flat(made: Any, what: str) -> Iterator[DltResource]:
    """The resources among what a function of the script gave.

    Raises:
        Refusal: it gave rows, which only dlt can load.
    """
    match made:
        case None:
            return
        case DltResource():
            yield made
        case DltSource():
            replace(made, None)
            yield from made.own_resources
        case Factory():
            yield from flat(made.alone(), what)
        case _ if isinstance(made, _LISTS):
            for item in made:
                yield from flat(item, what)
        case _:
            hint = "describe it as a resource of rest_api_source"
            raise refuse(Refusal(f"{what} makes its rows in Python, which is not run", hint))
