"""Schemas: that of a dataset, told from its tables, and that of a source before it is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from penstock.dialects.dlt.standin.base.exceptions import named
from penstock.dialects.dlt.standin.base.lacking import lacking
from penstock.dialects.dlt.standin.base.record import current, executing, unfinished, unknown
from penstock.dialects.dlt.standin.common.naming import NamingConvention, identifier
from penstock.dialects.dlt.standin.rest_client.calling import running

if TYPE_CHECKING:
    from penstock.dialects.dlt.standin.base.errors import Refusal
    from penstock.dialects.document import Held, Known
    from penstock.plan.door import Door, Tables
    from penstock.plan.hints import Hints
    from penstock.plan.source import Source

Noted: TypeAlias = "dict[str, Callable[[], Hints]]"
NOTED = "tables that rows were sent to"  # in what a run keeps, with what is declared of each
_SPELLED = {"timestamp_ntz": "timestamp"}


def described(columns: Mapping[str, tuple[str, bool]]) -> dict[str, dict[str, Any]]:
    """Columns with their types, as dlt describes them."""
    return {
        name: {"name": name, "data_type": _SPELLED.get(kind, kind), "nullable": null}
        for name, (kind, null) in columns.items()
    }


class _Tables:
    """A schema, whichever tables it speaks of."""

    name: str
    tables: dict[str, Any]

    def data_tables(self, *_: Any, include_incomplete: bool = False, **__: Any) -> list[Any]:
        """The tables, as far as something is known of their columns."""
        return [one for one in self.tables.values() if include_incomplete or _complete(one)]

    def data_table_names(self, *_: Any, **named: Any) -> list[str]:
        """The names of the tables."""
        return [str(table["name"]) for table in self.data_tables(**named)]

    def get_table(self, table_name: str) -> Mapping[str, Any]:
        """One table."""
        found: Mapping[str, Any] = self.tables[table_name]
        return found

    def get_table_columns(
        self,
        table_name: str,
        include_incomplete: bool = False,  # noqa: FBT001, FBT002 (as dlt has it)
    ) -> Mapping[str, Any]:
        """The columns of a table whose types are known."""
        table = self.get_table(table_name)
        found: Mapping[str, Any] = table["columns"] if include_incomplete else _complete(table)
        return found

    def is_new_table(self, table_name: str) -> bool:
        """Whether there is no such table, or none of its columns has a type."""
        return table_name not in self.tables or not _complete(self.tables[table_name])

    def to_dict(self, *_: Any, **__: Any) -> dict[str, Any]:
        """The whole of it."""
        return {"name": self.name, "version_hash": self.version_hash, "tables": self.tables}

    def to_pretty_json(self, *_: Any, **__: Any) -> str:
        """The whole of it as JSON."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False)

    def to_pretty_yaml(self, *_: Any, **__: Any) -> str:
        """The whole of it as YAML."""
        from penstock.dialects.from_yaml import written  # noqa: PLC0415 (few scripts ask)

        return written(self.to_dict())

    @property
    def version_hash(self) -> str:
        """A text that changes with the tables."""
        return hashlib.sha256(json.dumps(self.tables, sort_keys=True).encode()).hexdigest()

    stored_version_hash = version_hash


def _complete(table: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a table whose types are known."""
    return {name: column for name, column in table["columns"].items() if "data_type" in column}


def told_of(tables: Tables) -> dict[str, Any]:
    """Tables with their columns, as dlt describes them."""
    return {
        table: {"name": table, "columns": described(columns)} for table, columns in tables.items()
    }


def _declared(hints: Hints) -> dict[str, dict[str, Any]]:
    """The columns that are declared of a table, as dlt describes them; a key need have no type."""
    keys = {*hints.primary_key, *hints.merge_key}
    columns = {column.name: column for column in hints.columns}
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys((*columns, *keys)):
        column = columns.get(name)
        said: dict[str, Any] = {"name": identifier(name)}
        if column is not None and column.type is not None:
            said["data_type"] = _SPELLED.get(column.type, column.type)
        if name in keys or (column is not None and not column.nullable):
            said["nullable"] = False
        found[identifier(name)] = said
    return found


def in_run() -> Door | None:
    """The run that calls a function of the script; None while the script itself is executed."""
    return None if executing() else running()


@lacking("ENGINE_VERSION", "expand_schema_contract_settings", "from_dict", "from_stored_schema")
class Schema(_Tables):
    """The tables and columns that were loaded."""

    def __init__(self, name: str, held: Held | None = None, *_: Any, **__: Any) -> None:
        if held is None:
            raise unknown("dlt.Schema to be made", "say what holds for tables in hints")
        self.name = name
        self.naming = NamingConvention()
        self._held = held

    @property
    def tables(self) -> dict[str, Any]:  # type: ignore[override]  # it is never set
        """Each table with its columns."""
        return told_of(self._held.columns())

    def __getattr__(self, name: str) -> Any:
        raise unfinished(f"schema.{name}", name)


class SourceSchema(_Tables):
    """The schema of a source: how names are made, and the tables as far as they are known by now.

    Until the run begins there are none. Then there are those that it found, and those that
    functions have sent a row to, with what is declared of them; the columns of rows it makes later.
    """

    def __init__(self, name: str, said: str = "dlt.current.source_schema()") -> None:
        self.name = name
        self.naming = NamingConvention()
        self._said = said

    @property
    def tables(self) -> dict[str, Any]:  # type: ignore[override]  # it is never set
        """Each table with its columns.

        Raises:
            Refusal: the script asks behind a run.
        """
        door = in_run()
        if door is None:
            if current().runs:
                raise unknown(f"{self._said}.tables behind a run", "ask pipeline.default_schema")
            return {}
        found = told_of(door.remembered().tables or {})
        noted: Noted = door.kept.get(NOTED, {})  # type: ignore[assignment]  # nothing else is there
        for spelled, hints in list(noted.items()):
            name = self.naming.normalize_path(spelled)
            table = found.setdefault(name, {"name": name, "columns": {}})
            table["columns"] = {**_declared(hints()), **table["columns"]}
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise unknown(
            f"{self._said}.{name}",
            "say what holds for tables in hints of resources; name, naming and tables are there",
        )


class InRun:
    """What a pipeline holds, for a function that a run calls: what that run has found."""

    def __init__(self, door: Door, db_schema: str, asked: str) -> None:
        self._door = door
        self._asked = asked
        self.db_schema = db_schema

    def look(self, *, writes: bool) -> Any:
        """Refuses: the run has the tables in hand."""
        del writes
        raise self._unknown()

    def columns(self) -> Tables:
        """The columns of each table.

        Raises:
            SchemaNotFoundError: the run is the first one.
        """
        found = self._door.remembered().tables
        if found is None:
            message = "nothing was loaded before this run, so that the pipeline has no schema yet"
            raise named("SchemaNotFoundError")(message)
        return found

    def loaded_before(self) -> bool:
        """Whether an earlier run has loaded there."""
        return self._door.remembered().tables is not None

    def known(self) -> Mapping[str, Known]:
        """Refuses: a state is changed while the run goes on."""
        raise self._unknown()

    def entries(self, source: Source) -> Mapping[str, Mapping[str, str]]:
        """Refuses: the same."""
        del source
        raise self._unknown()

    def _unknown(self) -> Refusal:
        hint = "dlt.current has the states, and default_schema the tables that the run found"
        return unknown(f"pipeline.{self._asked} in a function that a run calls", hint)
