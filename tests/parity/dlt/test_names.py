"""Every public name of dlt's objects is answered, or is one diagnostic that names it."""

from __future__ import annotations

import inspect
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from tests.parity.dlt.harness import oracle_python

from penstock.dialects.dlt.standin.base import record
from penstock.dialects.dlt.standin.base.errors import Refusal
from penstock.dialects.dlt.standin.resources.factories import resource
from penstock.dialects.dlt.standin.resources.schemas import Schema
from penstock.dialects.dlt.standin.resources.sources import DltResource, DltSource, Resources
from penstock.dialects.dlt.standin.rest_client.parts import Incremental
from penstock.dialects.dlt.standin.runs.answers import LoadInfo, Package, Trace
from penstock.dialects.dlt.standin.runs.dataset import Dataset, Relation, SqlClient
from penstock.dialects.dlt.standin.runs.pipeline import Pipeline

# The classes of dlt, each with what stands for it.
CLASSES = {
    "dlt.pipeline.pipeline.Pipeline": Pipeline,
    "dlt.common.pipeline.LoadInfo": LoadInfo,
    "dlt.common.storages.load_package.LoadPackageInfo": Package,
    "dlt.pipeline.trace.PipelineTrace": Trace,
    "dlt.common.schema.Schema": Schema,
    "dlt.extract.source.DltSource": DltSource,
    "dlt.extract.source.DltResourceDict": Resources,
    "dlt.extract.resource.DltResource": DltResource,
    "dlt.extract.incremental.Incremental": Incremental,
    "dlt.dataset.Dataset": Dataset,
    "dlt.dataset.Relation": Relation,
    "dlt.destinations.sql_client.SqlClientBase": SqlClient,
}
LISTED = """
import importlib, inspect, json, sys
of_class = (classmethod, staticmethod)
found = {}
for path in sys.argv[1:]:
    module, _, name = path.rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    told = {n for one in kind.__mro__ for n in getattr(one, "__annotations__", {})}
    names = sorted(n for n in {*dir(kind), *told} if not n.startswith("_"))
    own = [n for n in dir(kind) if n in names and (
           n[0].isupper() or isinstance(inspect.getattr_static(kind, n), of_class))]
    found[path] = names, own
print(json.dumps(found))
"""


class Nothing:
    """A destination in which there is nothing."""

    db_schema = "shop_data"

    def columns(self) -> dict[str, Any]:
        """No tables."""
        return {}

    def loaded_before(self) -> bool:
        """Nothing was."""
        return False

    def known(self) -> dict[str, Any]:
        """No state."""
        return {}

    def look(self, *, writes: bool) -> Any:
        """An empty database."""
        import duckdb  # noqa: PLC0415 (few tests)

        return duckdb.connect(":memory:")


class Done(Nothing):
    """The same behind a run."""

    run_id, status, destination, seconds = "20240102T030405-x", "done", "shop.duckdb", 1.0
    first = True

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    def added(self) -> dict[str, Any]:
        """No columns."""
        return {}


@pytest.fixture(scope="module")
def listed() -> dict[str, tuple[list[str], list[str]]]:
    """The public names of dlt's classes."""
    python = oracle_python()
    if python is None:
        pytest.skip("dlt is not installed here")
    done = subprocess.run(
        [python, "-c", LISTED, *CLASSES], capture_output=True, check=True, text=True
    )
    found: dict[str, tuple[list[str], list[str]]] = json.loads(done.stdout)
    return found


@pytest.fixture
def executed() -> Iterator[record.Record]:
    """A script is being executed, and has loaded what it asked for."""
    done = record.begin()
    done.there = lambda _target: Nothing()
    done.load = lambda runs: done.done.update({run.number: Done() for run in runs})
    yield done
    record.end()


def instance(kind: type) -> Any:
    """An object of a class."""
    pipeline = Pipeline("shop", dataset_name="shop_data", destination="duckdb")
    users = resource([{"id": 1}], name="users")
    source = DltSource("shop", [users])
    info = pipeline.run(source)
    made: dict[type, Any] = {
        Pipeline: pipeline, LoadInfo: info, Package: Package(Done(), pipeline),
        Trace: pipeline.last_trace, Schema: pipeline.default_schema, DltSource: source,
        Resources: source.resources, DltResource: users, Incremental: Incremental("id"),
        Dataset: Dataset(Done(), "shop"), Relation: Relation(Done(), "SELECT 1 AS one"),
        SqlClient: SqlClient(Done()),
    }  # fmt: skip
    return made[kind]


def refusals(held: Any, names: list[str]) -> dict[str, str]:
    """What is said of the names that there are not."""
    found: dict[str, str] = {}
    for name in names:
        try:
            getattr(held, name)
        except Refusal as refusal:
            found[name] = refusal.message
    return found


@pytest.mark.parametrize("path", CLASSES)
def test_no_name_of_dlt_is_an_attribute_error(
    path: str, listed: dict[str, tuple[list[str], list[str]]], executed: record.Record
):
    """Each is there, or raises what becomes one diagnostic with the name and the line."""
    held = instance(CLASSES[path])
    refused = refusals(held, listed[path][0])
    assert all(name in message for name, message in refused.items())
    assert len(executed.refusals) == len(refused)
    assert len(refused) < len(listed[path][0])


@pytest.mark.parametrize("path", CLASSES)
def test_nor_is_one_of_a_class(
    path: str, listed: dict[str, tuple[list[str], list[str]]], executed: record.Record
):
    """What dlt has on its classes, as `DltSource.from_data`, is there or refused on ours."""
    refused = refusals(CLASSES[path], listed[path][1])
    assert all(name in message for name, message in refused.items())


def test_what_lists_the_names_of_a_class_goes_on(executed: record.Record):
    """As libraries do that make a command line of an object."""
    assert all(inspect.getmembers(kind) for kind in CLASSES.values())
    assert not executed.refusals
