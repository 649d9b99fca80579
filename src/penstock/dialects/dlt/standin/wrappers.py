"""What schedules scripts of dlt: Airflow, Dagster and Prefect, as far as it leads to runs.

Nothing is scheduled. What they would call is called once, in its order, so that a script's runs are
those that all of it asks for. Where Airflow or Prefect is installed it is used itself.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import inspect
import logging
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Self

from penstock.dialects.dlt.standin.base.errors import Refusal, UnknownName
from penstock.dialects.dlt.standin.base.record import current, refuse, remark, unknown
from penstock.dialects.dlt.standin.package import StandinModule
from penstock.dialects.dlt.standin.resources.factories import ResourceFactory, SourceFactory
from penstock.dialects.dlt.standin.resources.sources import DltResource, DltSource

_OURS = {"dagster", "dagster_dlt", "dagster_embedded_elt"}  # made of dlt's own insides, or with it
_OTHERS = {"airflow", "prefect"}
_ELSEWHERE = "read it from dlt.secrets, dlt.config or the environment"
_SETTINGS = ("table_name", "write_disposition", "schema_contract", "loader_file_format")


class Task:
    """A task, or what it gives: it is done by then, so that all orders hold."""

    def __init__(self, made: Any = None) -> None:
        self._made = made

    def result(self, *_: Any, **__: Any) -> Any:
        """What it gave."""
        return self._made

    wait = result

    def __rshift__(self, other: Any) -> Any:
        return other

    def __lshift__(self, other: Any) -> Any:
        return other

    __rrshift__ = __rlshift__ = __rshift__

    def set_upstream(self, *_: Any) -> None:
        """Say what comes before."""

    set_downstream = set_upstream


class Called:
    """A function that a scheduler would call; the script calls it, and so it is called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.fn = function

    def __call__(self, *args: Any, **named: Any) -> Any:
        """What the function gives."""
        return self.fn(*args, **named)

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def submit(self, *args: Any, **named: Any) -> Task:
        """A call whose result is asked for later."""
        return Task(self(*args, **named))

    delay = submit

    def with_options(self, *_: Any, **__: Any) -> Self:
        """The same with other options, which bear on no call."""
        return self

    override = partial = with_options

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        hint = 'call the function itself, as under `if __name__ == "__main__"`'
        raise unknown(f"{name} of a scheduled function", hint)


def called(function: Any = None, /, *_: Any, **__: Any) -> Any:
    """A decorator of such functions, with or without arguments."""
    return Called(function) if inspect.isfunction(function) else Called


class _Refusing(type):
    """Refuses what is asked of a scheduler's class: it would be a value that nobody knows."""

    def __getattr__(cls, name: str) -> Any:
        raise UnknownName(f"Penstock has no {name} of a scheduler's class", _ELSEWHERE)


class Passive(metaclass=_Refusing):
    """Something of a scheduler's that leads to no run: it takes whatever it is given."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *args: Any, **_: Any) -> Any:
        """Itself; of a function that it decorates, the function."""
        return args[0] if len(args) == 1 and inspect.isfunction(args[0]) else self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Passive()

    def __class_getitem__(cls, item: Any) -> type[Passive]:
        return cls

    def __str__(self) -> str:
        raise refuse(Refusal("a scheduler's own value stands in a text", _ELSEWHERE))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    __rshift__ = __lshift__ = Task.__rshift__


def later(call: Callable[[], Any]) -> None:
    """Call when the script has ended, as schedulers call what they have been given."""
    current().later.append(call)


class Operator(Task):
    """A task of Airflow that calls a function."""

    def __init__(self, *, python_callable: Any = None, op_args: Any = (), op_kwargs: Any = None,
                 **_: Any) -> None:  # fmt: skip
        super().__init__()
        if callable(python_callable):
            later(lambda: python_callable(*op_args, **(op_kwargs or {})))


class PipelineTasksGroup(Task):
    """Runs that dlt makes tasks of Airflow."""

    def __init__(self, pipeline_name: str | None = None, *_: Any, **__: Any) -> None:
        super().__init__()
        self.pipeline_name = pipeline_name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def add_run(self, pipeline: Any, data: Any, **settings: Any) -> list[Task]:
        """A run, in as many tasks as dlt cuts it into: it is one here."""
        before = settings.get("on_before_run")
        if before is not None:
            before()
        made = (DltSource, DltResource, SourceFactory, ResourceFactory)
        held = data() if callable(data) and not isinstance(data, made) else data
        given = {key: settings[key] for key in _SETTINGS if settings.get(key) is not None}
        return [Task(pipeline.run(held, **given))]

    def run(self, pipeline: Any, data: Any, **settings: Any) -> Task:
        """The same in one task."""
        return self.add_run(pipeline, data, **settings)[0]


# Dagster.


class Given:
    """The context that an asset is given: it can log, and nothing else."""

    log = logging.getLogger("dagster")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise unknown(f"context.{name} of an asset")


class Events(list[Any]):
    """What a run gives an asset to yield: nothing that Dagster would have to know."""

    def fetch_row_count(self) -> Self:
        """The same."""
        return self


class DagsterDltResource:
    """What runs the source of an asset."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._source: Any = None
        self._pipeline: Any = None

    def of(self, source: Any, pipeline: Any) -> Self:
        """One that knows the source and the pipeline of an asset."""
        self._source, self._pipeline = source, pipeline
        return self

    def run(self, context: Any = None, dlt_source: Any = None, dlt_pipeline: Any = None,
            dagster_dlt_translator: Any = None, **settings: Any) -> Events:  # fmt: skip
        """Run the source of the asset, or another."""
        del context, dagster_dlt_translator
        source = dlt_source if dlt_source is not None else self._source
        pipeline = dlt_pipeline if dlt_pipeline is not None else self._pipeline
        pipeline.run(source, **settings)
        return Events()


def dlt_assets(*, dlt_source: Any, dlt_pipeline: Any, **_: Any) -> Callable[[Any], Passive]:
    """Assets that are the tables of a source: all of them are loaded."""

    def assets(function: Callable[..., Any]) -> Passive:
        def materialized() -> None:
            names = list(inspect.signature(function).parameters)[1:]
            runner = DagsterDltResource().of(dlt_source, dlt_pipeline)
            found = function(Given(), **dict.fromkeys(names, runner))
            for _event in found if isinstance(found, Iterator) else ():
                pass

        later(materialized)
        return Passive()

    return assets


def scheduled(name: str) -> Any:
    """An asset or a job of Dagster's own, which Dagster alone calls."""

    def decorated(function: Any = None, /, *_: Any, **__: Any) -> Any:
        if not inspect.isfunction(function):
            return decorated
        hint = f'call it under `if __name__ == "__main__"`, or take a run out of {name}'
        raise refuse(Refusal(f"{function.__name__} is called by Dagster alone", hint))

    return decorated


# Modules.

_NAMES: dict[str, dict[str, Any]] = {
    "airflow": {"dag": called, "task": called, "PythonOperator": Operator},
    "prefect": {
        "flow": called,
        "task": called,
        "get_run_logger": lambda: logging.getLogger("prefect"),
    },
    "dagster": {name: scheduled(name) for name in ("asset", "multi_asset", "op", "job", "graph")},
    "dagster_dlt": {"dlt_assets": dlt_assets, "DagsterDltResource": DagsterDltResource},
}
_NAMES["dagster_embedded_elt"] = _NAMES["dagster_dlt"]


def installed(root: str) -> bool:
    """Whether a library is there."""
    return importlib.machinery.PathFinder.find_spec(root) is not None


def spec_of(name: str) -> importlib.machinery.ModuleSpec | None:
    """How to import a module of a scheduler that is not installed, or wraps dlt."""
    root = name.partition(".")[0]
    if root not in _OURS | _OTHERS:
        return None
    if root in _OTHERS and installed(root):
        return None
    return importlib.machinery.ModuleSpec(name, _Maker(root), is_package=True)


class _Maker(importlib.abc.Loader):
    """Makes such a module."""

    def __init__(self, root: str) -> None:
        self._root = root

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """A module in which every name leads to no run, but those that do."""
        if spec.name == self._root:
            remark(
                f"{self._root} schedules nothing here: what it would call is called once",
                "let it call `penstock run` where a schedule is wanted",
            )
        return StandinModule(spec.name, _NAMES[self._root], lambda _name: Passive)

    def exec_module(self, module: ModuleType) -> None:
        """It is whole as it was made."""


def airflow_helper() -> dict[str, Any]:
    """The names of `dlt.helpers.airflow_helper`."""
    return {"PipelineTasksGroup": PipelineTasksGroup}
