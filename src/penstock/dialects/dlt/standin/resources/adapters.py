"""`dlt.destinations.adapters`: what would tell a destination how to keep a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.dialects.dlt.standin.base.record import remark
from penstock.dialects.dlt.standin.resources.factories import ResourceFactory
from penstock.dialects.dlt.standin.resources.sources import DltResource, python_resource

_ADAPTERS = ("bigquery", "clickhouse", "athena", "databricks", "iceberg", "lance", "lancedb",
             "postgres", "qdrant", "synapse", "weaviate")  # fmt: skip
_PARTITIONS = ("athena", "bigquery", "iceberg")


def _adapter(name: str) -> Callable[..., Any]:
    """The function that would change how tables are made; it gives the resource as it is."""

    def adapted(data: Any, *_: Any, **__: Any) -> DltResource:
        remark(f"{name} changes nothing: tables are laid out as the destination has them",
               "lay them out in the destination")  # fmt: skip
        if isinstance(data, ResourceFactory):
            data = data()
        return data if isinstance(data, DltResource) else python_resource("content", lambda: data)

    adapted.__name__ = name
    return adapted


class _Partition:
    """How a table would be divided."""

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **named: {"partition": name, "args": args, **named}


def public() -> dict[str, Any]:
    """The names of the module."""
    made: dict[str, Any] = {f"{name}_adapter": _adapter(f"{name}_adapter") for name in _ADAPTERS}
    return {**made, **{f"{name}_partition": _Partition() for name in _PARTITIONS}}
