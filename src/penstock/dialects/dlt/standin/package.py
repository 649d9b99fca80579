"""The modules of the stand-in, by their full names, and what each of them holds."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import ModuleType
from typing import Any

from penstock.dialects.dlt.standin.base import exceptions
from penstock.dialects.dlt.standin.base.errors import PipelineStepFailed
from penstock.dialects.dlt.standin.base.record import unknown
from penstock.dialects.dlt.standin.common import basics as common
from penstock.dialects.dlt.standin.common import naming, times, tools
from penstock.dialects.dlt.standin.resources import (
    adapters,
    factories,
    rest_api,
    schemas,
    sources,
    tables,
)
from penstock.dialects.dlt.standin.rest_client import (
    client,
    paginators,
    parts,
    registry,
    requesting,
    signers,
)
from penstock.dialects.dlt.standin.rest_client.calling import IgnoreResponseException
from penstock.dialects.dlt.standin.runs import (
    answers,
    current,
    dataset,
    elsewhere,
    messages,
    pipeline,
    progress,
)
from penstock.dialects.dlt.standin.values import providers, specs
from penstock.dialects.dlt.standin.values.settings import Accessor
from penstock.errors import did_you_mean

_VERSION = "1.31.0"
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
    *("athena", "bigquery", "clickhouse", "databricks", "dremio", "duckdb"),
    *("ducklake", "dummy", "fabric", "filesystem", "lance", "lancedb", "motherduck", "mssql"),
    *("postgres", "qdrant", "redshift", "snowflake", "sqlalchemy", "synapse", "weaviate"),
)


class AnyType:
    """A type of dlt that a script names in annotations; called, it gives what it is given."""

    def __new__(cls, *args: Any, **named: Any) -> Any:
        """The value, a dict of what is named, or an instance of a class of the script's own."""
        if named and cls is AnyType:
            return dict(*args, **named)
        return args[0] if args and cls is AnyType else super().__new__(cls)

    def __class_getitem__(cls, item: Any) -> type[AnyType]:
        return cls


def typed(name: str) -> Any:
    """What a name of a type stands for; other names stand for nothing."""
    return AnyType if name[:1].isupper() else None


class StandinModule(ModuleType):
    """A module of dlt. A name that it does not have is what `others` gives, or is refused."""

    def __init__(
        self, name: str, names: Mapping[str, Any], others: Callable[[str], Any] | None = None
    ) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__others = others
        vars(self).update(names)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self.__others(name) if self.__others is not None else None
        if found is None:
            near = did_you_mean(name, [one for one in vars(self) if not one.startswith("_")])
            whole = f"{self.__name__}.{name}"
            raise unknown(whole, outside(whole) or near)
        return found


# What dlt does and Penstock is not for, by its modules.
_OUTSIDE = {
    "dlt.sources.sql_database": "Penstock reads APIs, and no databases: load these tables with dlt",
    "dlt.sources.filesystem": "Penstock reads APIs, and no folders or buckets: load files with dlt",
    "dlt.dbt": "run dbt behind `penstock run`, on the tables that it has loaded",
    "dlt.pipeline.dbt": "run dbt behind `penstock run`, on the tables that it has loaded",
    "dlt.helpers.dbt": "run dbt behind `penstock run`, on the tables that it has loaded",
    "dlt.helpers.streamlit": "look into the tables themselves, as with the duckdb command",
    "dlt.helpers.marimo": "look into the tables themselves, as with the duckdb command",
    "dlt.destinations.impl": "name the destination: dlt.destinations has each of them",
}


def outside(name: str) -> str | None:
    """What to do in place of a part of dlt that Penstock is not for."""
    found = (said for part, said in _OUTSIDE.items() if f"{name}.".startswith(part))
    return next(found, None)


class _Library(ModuleType):
    """A module of dlt that holds a library, which is imported when it is asked for."""

    def __getattr__(self, name: str) -> Any:
        own = self.__name__.rpartition(".")[2]
        if name.startswith("__"):
            raise AttributeError(name)
        if name != own:
            raise unknown(f"{self.__name__}.{name}")
        return importlib.import_module(own)


# Names, and what further ones are.
_Table = dict[str, tuple[Mapping[str, Any], Callable[[str], Any] | None]]


def package() -> dict[str, ModuleType]:
    """Every module of the stand-in, by its full name."""
    held: _Table = {"dlt": (_top(), None), **_sources(), **_common(), **_extract(), **_errors()}
    made: dict[str, ModuleType] = {
        name: StandinModule(name, names, others) for name, (names, others) in held.items()
    }
    made["dlt.common.pendulum"] = times.Pendulum("dlt.common.pendulum")
    for name in ("pyarrow", "pandas", "numpy"):
        made[f"dlt.common.libs.{name}"] = _Library(f"dlt.common.libs.{name}")
    for name, module in made.items():
        parent, _, last = name.rpartition(".")
        if parent and last not in vars(made[parent]):
            vars(made[parent])[last] = module
    return made


_TYPES = {"DltSource": sources.DltSource, "DltResource": sources.DltResource}
_MARK = {
    "make_hints": tables.make_hints,
    "make_nested_hints": tables.make_hints,
    "materialize_table_schema": tables.no_rows,
    "materialize_schema_item": tables.no_rows,
    "with_hints": tables.with_hints,
    "with_table_name": tables.with_table_name,
}
_INCREMENTAL = {"incremental": parts.Incremental, "Incremental": parts.Incremental}
_MAKERS = {
    "source": factories.source,
    "resource": factories.resource,
    "transformer": factories.transformer,
    "defer": factories.defer,
}


def _top() -> dict[str, Any]:
    types = ("TSecretValue", "TSecretStrValue", "TCredentials")
    return {
        "Schema": schemas.Schema,
        "Dataset": dataset.Dataset,
        "Relation": dataset.Relation,
        **dict.fromkeys(types, AnyType),
        **_MAKERS,
        "secrets": Accessor(secret=True),
        "config": Accessor(secret=False),
        "pipeline": pipeline.pipeline,
        "run": pipeline.run,
        "attach": pipeline.attach,
        "dataset": elsewhere.dataset,
        "destination": pipeline.destination,
        "Pipeline": pipeline.Pipeline,
        "mark": StandinModule("dlt.mark", _MARK),
        "current": StandinModule("dlt.current", current.public()),
        "state": current.source_state,
        "__version__": _VERSION,
    }


def _sources() -> _Table:
    made = {"RESTClient": client.RESTClient, "PageData": client.PageData}
    rest_client = {**_PAGINATORS, **_AUTH, **made, "paginate": client.paginate}
    rest_names = {**rest_api.public(), **_PAGINATORS, **_AUTH, **made}
    setup = {**registry.public(), **_PAGINATORS, **_AUTH}
    hooks = {"create_response_hooks": registry.create_response_hooks}
    methods = dict.fromkeys(("HTTPMethod", "HTTPMethodBasic"), AnyType)
    asking = requesting.public()
    names = {**_INCREMENTAL, **_TYPES, "TDataItem": AnyType, "TDataItems": AnyType}
    return {
        "dlt.sources": (names, None),
        "dlt.sources.credentials": (specs.public(), None),
        "dlt.sources.config": ({**specs.public(), "with_config": specs.with_config}, None),
        "dlt.sources.rest_api": ({**rest_names, **hooks, **methods}, None),
        "dlt.sources.rest_api.typing": (rest_names, typed),
        "dlt.sources.rest_api.config_setup": (setup, None),
        "dlt.sources.helpers": ({}, None),
        "dlt.sources.helpers.requests": (asking, None),
        "dlt.sources.helpers.requests.retry": (asking, None),
        "dlt.sources.helpers.requests.session": (asking, None),
        "dlt.sources.helpers.requests.typing": ({}, typed),
        "dlt.sources.helpers.transform": (tools.transform(), None),
        "dlt.sources.helpers.rest_client": (rest_client, None),
        "dlt.sources.helpers.rest_client.client": (rest_client, typed),
        "dlt.sources.helpers.rest_client.paginators": (_PAGINATORS, None),
        "dlt.sources.helpers.rest_client.auth": (_AUTH, typed),
        "dlt.sources.helpers.rest_client.typing": ({}, typed),
        "dlt.sources.helpers.rest_client.utils": ({"join_url": client.joined}, None),
    }


_DESTINATION_TYPES = (
    *("dlt.common.destination.capabilities", "dlt.common.destination.client"),
    *("dlt.common.destination.reference", "dlt.common.destination.typing"),
    *("dlt.destinations.dataset", "dlt.destinations.sql_client"),
)
_CREDENTIALS = ("api", "aws", "azure", "connection_string", "gcp")


def _common() -> _Table:
    convention = {"NamingConvention": naming.NamingConvention}
    return {
        "dlt.common": ({"Decimal": Decimal, "sleep": time.sleep}, None),
        "dlt.common.logger": (common.logger(), None),
        "dlt.common.json": (common.JSON, typed),
        "dlt.common.time": (times.public(), typed),
        "dlt.common.utils": (tools.utils(), typed),
        "dlt.common.jsonpath": (tools.jsonpath(), typed),
        "dlt.common.typing": ({}, typed),
        "dlt.common.data_types": ({}, typed),
        "dlt.common.data_types.typing": ({}, typed),
        "dlt.common.data_writers": ({}, typed),
        "dlt.common.incremental": ({}, typed),
        "dlt.common.incremental.typing": ({}, typed),
        "dlt.common.destination": ({}, typed),
        **dict.fromkeys(_DESTINATION_TYPES, ({}, typed)),
        "dlt.common.schema": ({}, typed),
        "dlt.common.schema.typing": ({}, typed),
        "dlt.common.normalizers": ({}, None),
        "dlt.common.normalizers.naming": (convention, None),
        "dlt.common.normalizers.naming.snake_case": (convention, None),
        "dlt.common.pipeline": ({"LoadInfo": answers.LoadInfo}, typed),
        "dlt.common.libs": ({}, None),
        "dlt.common.libs.pydantic": ({"DltConfig": dict}, None),
        "dlt.pipeline": ({}, typed),
        "dlt.pipeline.trace": ({}, typed),
        "dlt.pipeline.typing": ({}, typed),
        "dlt.pipeline.pipeline": ({"Pipeline": pipeline.Pipeline}, typed),
        "dlt.pipeline.helpers": ({"retry_load": common.retry_load}, None),
        "dlt.version": ({"__version__": _VERSION, "DLT_PKG_NAME": "dlt"}, None),
        **_configuration(),
        **_runtime(),
    }


def _configuration() -> _Table:
    spec = {**specs.public(), "with_config": specs.with_config}
    return {
        "dlt.common.configuration": (spec, exceptions.named),
        "dlt.common.configuration.providers": (providers.public(), None),
        "dlt.common.configuration.inject": ({"with_config": specs.with_config}, None),
        "dlt.common.configuration.specs": (spec, typed),
        **{
            f"dlt.common.configuration.specs.{kind}_credentials": (spec, typed)
            for kind in _CREDENTIALS
        },
        "dlt.common.configuration.specs.base_configuration": (spec, typed),
    }


def _runtime() -> _Table:
    return {
        "dlt.common.runtime": ({}, None),
        "dlt.common.runtime.collector": (progress.collectors(), None),
        "dlt.common.runtime.slack": ({"send_slack_message": messages.send_slack_message}, None),
        "dlt.progress": (progress.public(), None),
    }


def _errors() -> _Table:
    """The modules of exceptions."""
    held: dict[str, dict[str, Any]] = {
        "dlt.sources.helpers.rest_client.exceptions": {
            "IgnoreResponseException": IgnoreResponseException
        },
        "dlt.pipeline.exceptions": {"PipelineStepFailed": PipelineStepFailed},
    }
    homes = (
        *("dlt.load", "dlt.load.exceptions", "dlt.normalize", "dlt.normalize.exceptions"),
        *("dlt.common.exceptions", "dlt.common.configuration.exceptions"),
        *("dlt.common.destination.exceptions", "dlt.common.schema.exceptions"),
        *("dlt.destinations.exceptions", "dlt.extract.exceptions"),
        *("dlt.extract.incremental.exceptions", "dlt.sources.rest_api.exceptions"),
        *held,
    )
    return {home: (held.get(home, {}), exceptions.named) for home in homes}


def _extract() -> _Table:
    places: dict[str, Any] = {kind: pipeline.maker(kind) for kind in _DESTINATIONS}
    places["destination"] = pipeline.destination
    impl = "dlt.destinations.impl"
    return {
        impl: ({}, None),
        **{f"{impl}.{kind}": (adapters.public(), None) for kind in _DESTINATIONS},
        **{f"{impl}.{kind}.factory": ({kind: places[kind]}, None) for kind in _DESTINATIONS},
        **{f"{impl}.{kind}.{kind}_adapter": (adapters.public(), None) for kind in _DESTINATIONS},
        f"{impl}.duckdb.configuration": ({"DuckDbCredentials": specs.DuckDbCredentials}, None),
        f"{impl}.postgres.configuration": (
            {"PostgresCredentials": specs.PostgresCredentials},
            None,
        ),
        "dlt.extract": ({**_TYPES, **_INCREMENTAL, **_MARK, **_MAKERS}, typed),
        "dlt.extract.decorators": (_MAKERS, typed),
        "dlt.extract.source": (_TYPES, typed),
        "dlt.extract.resource": (_TYPES, typed),
        "dlt.extract.incremental": (_INCREMENTAL, typed),
        "dlt.extract.items": ({}, typed),
        "dlt.extract.items_transform": ({}, typed),
        "dlt.extract.hints": (_MARK, typed),
        "dlt.extract.typing": ({}, typed),
        "dlt.destinations": (places, None),
        "dlt.destinations.adapters": (adapters.public(), None),
    }
