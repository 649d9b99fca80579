"""The package `dlt` as a script finds it, put into `sys.modules` while the script is executed."""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from penstock.dialects.dlt.standin import (
    answers,
    client,
    common,
    current,
    paginators,
    parts,
    pipeline,
    requesting,
    rest_api,
    signers,
    sources,
    tables,
)
from penstock.dialects.dlt.standin.calling import IgnoreResponseException
from penstock.dialects.dlt.standin.errors import LoadFailed, UnknownModule
from penstock.dialects.dlt.standin.marks import Text, compile_marked, helpers
from penstock.dialects.dlt.standin.record import refuse, unknown
from penstock.dialects.dlt.standin.settings import Accessor

_PAGINATORS = {
    n: c
    for n, c in vars(paginators).items()
    if isinstance(c, type) and issubclass(c, paginators.BasePaginator)
}
_AUTH = {
    n: c
    for n, c in vars(signers).items()
    if isinstance(c, type) and issubclass(c, signers.AuthConfigBase) and not n.startswith("_")
}
# Destinations of dlt; those that Penstock does not write to are told when a run needs them.
_DESTINATIONS = (
    *("athena", "bigquery", "clickhouse", "databricks", "destination", "dremio", "duckdb"),
    *("ducklake", "dummy", "fabric", "filesystem", "lance", "lancedb", "motherduck", "mssql"),
    *("postgres", "qdrant", "redshift", "snowflake", "sqlalchemy", "synapse", "weaviate"),
)


_TAKE_OUT = "Penstock runs rest_api sources and functions; take out what needs more of dlt"


class AnyType:
    """A type of dlt that a script names in annotations."""

    def __class_getitem__(cls, item: Any) -> type[AnyType]:
        return cls


class StandinModule(ModuleType):
    """A module of dlt. A name it does not have is refused; one that only types anything is none."""

    def __init__(self, name: str, names: Mapping[str, Any], *, typing: bool = False) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__typing = typing
        vars(self).update(names)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self.__typing and name[:1].isupper():
            return AnyType
        raise unknown(f"{self.__name__}.{name}")


def _configspec(given: Any = None, **_: Any) -> Any:
    """`@configspec`: the class, whose annotated names are what it can be given, in their order."""
    if given is None:
        return _configspec
    if isinstance(given, type) and issubclass(given, parts.Part):
        own = inspect.get_annotations(given)
        given.fields = (*given.fields, *(n for n in own if n not in given.fields))
    return given


_Table = dict[str, tuple[Mapping[str, Any], bool]]  # names, and whether further ones are types


def _package() -> dict[str, ModuleType]:
    """Every module of the stand-in, by its full name."""
    tables: _Table = {"dlt": (_top(), False), **_sources(), **_common(), **_extract()}
    made: dict[str, ModuleType] = {
        name: StandinModule(name, names, typing=typing) for name, (names, typing) in tables.items()
    }
    made["dlt.common.pendulum"] = common.Pendulum("dlt.common.pendulum")
    for name, module in made.items():
        parent, _, last = name.rpartition(".")
        if parent and last not in vars(made[parent]):
            vars(made[parent])[last] = module
    return made


_TYPES = {"DltSource": sources.DltSource, "DltResource": sources.DltResource}
_IGNORE = {"IgnoreResponseException": IgnoreResponseException}
_MARK = {
    "make_hints": tables.make_hints,
    "make_nested_hints": tables.make_hints,
    "with_hints": tables.with_hints,
    "with_table_name": tables.with_table_name,
}
_INCREMENTAL = {"incremental": parts.Incremental, "Incremental": parts.Incremental}


def _top() -> dict[str, Any]:
    return {
        "secrets": Accessor(secret=True),
        "config": Accessor(secret=False),
        "source": sources.source,
        "resource": sources.resource,
        "transformer": sources.transformer,
        "defer": sources.defer,
        "pipeline": pipeline.pipeline,
        "run": pipeline.run,
        "Pipeline": pipeline.Pipeline,
        "mark": StandinModule("dlt.mark", _MARK),
        "current": StandinModule("dlt.current", current.public()),
        "TSecretValue": AnyType,
        "TSecretStrValue": AnyType,
        "TCredentials": AnyType,
        "Schema": AnyType,
        "__version__": "1.31.0",
    }


def _sources() -> _Table:
    made = {"RESTClient": client.RESTClient, "PageData": client.PageData}
    rest_client = {**_PAGINATORS, **_AUTH, **made, "paginate": client.paginate}
    rest_names = {**rest_api.public(), **_PAGINATORS, **_AUTH}
    asking = requesting.public()
    names = {**_INCREMENTAL, **_TYPES, "TDataItem": AnyType, "TDataItems": AnyType}
    return {
        "dlt.sources": (names, False),
        "dlt.sources.rest_api": (rest_names, False),
        "dlt.sources.rest_api.typing": (rest_names, True),
        "dlt.sources.rest_api.config_setup": ({}, False),
        "dlt.sources.helpers": ({}, False),
        "dlt.sources.helpers.requests": (asking, False),
        "dlt.sources.helpers.requests.retry": (asking, False),
        "dlt.sources.helpers.requests.session": (asking, False),
        "dlt.sources.helpers.rest_client": (rest_client, False),
        "dlt.sources.helpers.rest_client.client": (rest_client, True),
        "dlt.sources.helpers.rest_client.paginators": (_PAGINATORS, False),
        "dlt.sources.helpers.rest_client.auth": (_AUTH, True),
        "dlt.sources.helpers.rest_client.exceptions": (_IGNORE, False),
        "dlt.sources.helpers.rest_client.typing": ({}, True),
    }


def _common() -> _Table:
    specs = {"configspec": _configspec, "BaseConfiguration": object}
    return {
        "dlt.common": ({"logger": common.LOGGER}, False),
        "dlt.common.json": (common.JSON, False),
        "dlt.common.time": ({"ensure_pendulum_datetime": common.ensure_pendulum_datetime}, False),
        "dlt.common.runtime": ({}, False),
        "dlt.common.runtime.slack": ({"send_slack_message": common.send_slack_message}, False),
        "dlt.pipeline": ({}, True),
        "dlt.pipeline.helpers": ({"retry_load": common.retry_load}, False),
        "dlt.pipeline.exceptions": ({"PipelineStepFailed": LoadFailed}, False),
        "dlt.common.typing": ({}, True),
        "dlt.common.configuration": ({"configspec": _configspec}, False),
        "dlt.common.configuration.specs": (specs, True),
        "dlt.common.configuration.specs.base_configuration": (specs, True),
        "dlt.common.schema": ({}, True),
        "dlt.common.schema.typing": ({}, True),
        "dlt.common.pipeline": ({"LoadInfo": answers.LoadInfo}, True),
        "dlt.common.libs": ({}, False),
        "dlt.common.libs.pydantic": ({"DltConfig": dict}, False),
    }


def _extract() -> _Table:
    return {
        "dlt.extract": ({**_TYPES, **_INCREMENTAL}, True),
        "dlt.extract.source": (_TYPES, True),
        "dlt.extract.resource": (_TYPES, True),
        "dlt.extract.incremental": (_INCREMENTAL, True),
        "dlt.extract.typing": ({}, True),
        "dlt.destinations": ({k: pipeline.destination(k) for k in _DESTINATIONS}, False),
    }


# Functions of other libraries by which a script looks at what it has loaded.
_LOOKS = {
    "duckdb": {"connect", "execute", "query", "sql"},
    "psycopg": {"connect"},
    "psycopg2": {"connect"},
    "sqlalchemy": {"create_engine"},
}


class Looking(ModuleType):
    """Such a library, as the script sees it: what it has asked for is loaded before."""

    def __init__(self, real: ModuleType) -> None:
        super().__init__(real.__name__)
        self.__real = real

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__real, name)
        if name not in _LOOKS[self.__name__]:
            return found

        @functools.wraps(found)
        def looked(*args: Any, **named: Any) -> Any:
            answers.settle(f"{self.__name__}.{name}")
            return found(*args, **named)

        return looked


class _Finder:
    """Finds the modules of the stand-in, and the script's own beside it."""

    def __init__(self, folder: Path, made: Mapping[str, ModuleType]) -> None:
        self.folder = str(folder)
        self.made = made

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """How to import a module that is not there yet."""
        del target
        if name == "dlt" or name.startswith("dlt."):
            raise refuse(UnknownModule(f"Penstock has no {name}", _TAKE_OUT))
        places = [self.folder] if path is None else path
        found = importlib.machinery.PathFinder.find_spec(name, places)
        if found is None or not isinstance(found.loader, importlib.machinery.SourceFileLoader):
            return None
        if not Path(str(found.origin)).is_relative_to(self.folder):
            return None
        found.loader = _Loader(name, str(found.origin))
        found.loader.builtins = importing(self.made)
        return found


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a file beside the script with literals that remember their places."""

    _text: Text
    builtins: Mapping[str, Any]

    def get_code(self, fullname: str) -> CodeType:
        """The code, made anew and not kept."""
        del fullname
        source = Path(self.path).read_text("utf-8-sig")
        self._text = Text(self.path, source)
        return compile_marked(self._text, source, self.path)

    def exec_module(self, module: ModuleType) -> None:
        """Execute it with the helpers that its code calls."""
        code = self.get_code(module.__name__)
        vars(module).update(helpers(self._text), __builtins__=self.builtins)
        exec(code, vars(module))  # noqa: S102 (the user's own file)


def importing(made: Mapping[str, ModuleType]) -> dict[str, Any]:
    """The builtins of a script: what it imports of dlt is the stand-in, in a run too.

    A function that a run calls may import only then, when the stand-in is no longer installed.
    """
    own = builtins.__import__

    def imported(name: str, *rest: Any, **more: Any) -> Any:
        named = dict(zip(("globals", "locals", "fromlist", "level"), rest, strict=False)) | more
        ours = not named.get("level") and (name == "dlt" or name.startswith("dlt."))
        if not ours or sys.modules.get("dlt") is made["dlt"]:
            found = own(name, *rest, **more)
            return Looking(found) if name in _LOOKS and found.__name__ == name else found
        if name not in made:
            raise UnknownModule(f"Penstock has no {name}", _TAKE_OUT)
        return made[name] if named.get("fromlist") else made["dlt"]

    return {**vars(builtins), "__import__": imported}


@contextmanager
def installed(folder: Path, main: ModuleType | None) -> Iterator[Mapping[str, ModuleType]]:
    """The stand-in in place of `dlt`, for as long as a script is executed.

    Afterwards everything is as it was; modules that were imported meanwhile and hold something of
    the stand-in are forgotten too.
    """
    made = _package()
    before = dict(sys.modules)
    path, finder = list(sys.path), _Finder(folder, made)
    for name in [n for n in sys.modules if n == "dlt" or n.startswith("dlt.")]:
        del sys.modules[name]
    sys.modules.update(made)
    if main is not None:
        sys.modules["__main__"] = main
    sys.path.insert(0, str(folder))
    sys.meta_path.insert(0, finder)
    try:
        yield made
    finally:
        sys.meta_path.remove(finder)
        sys.path[:] = path
        _restore(before, str(folder))


def _restore(before: Mapping[str, ModuleType], folder: str) -> None:
    for name, module in list(sys.modules.items()):
        was = before.get(name)
        if was is module:
            continue
        if was is not None:
            sys.modules[name] = was
        elif _tainted(name, module, folder):
            del sys.modules[name]
    sys.modules.update({n: m for n, m in before.items() if n not in sys.modules})


def _tainted(name: str, module: ModuleType, folder: str) -> bool:
    """Whether a module is the stand-in, the script's own, or took something from the stand-in."""
    if name == "dlt" or name.startswith("dlt."):
        return True
    if name.startswith("penstock."):  # imported while the script was answered
        return False
    if str(getattr(module, "__file__", None) or "").startswith(folder):
        return True
    held = vars(module).values() if isinstance(module, ModuleType) else ()
    return any(isinstance(v, StandinModule) or _is_ours(v) for v in held)


def _is_ours(value: object) -> bool:
    home = getattr(value, "__module__", None)
    return isinstance(home, str) and home.startswith(f"{__package__}.")
