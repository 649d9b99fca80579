"""Schemas: that of a dataset, told from its tables, and that of a source before it is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penstock.dialects.dlt.standin.lacking import lacking
from penstock.dialects.dlt.standin.naming import NamingConvention
from penstock.dialects.dlt.standin.record import unfinished, unknown

if TYPE_CHECKING:
    from penstock.dialects.document import Held

_SPELLED = {"timestamp_ntz": "timestamp"}


def described(columns: Mapping[str, tuple[str, bool]]) -> dict[str, dict[str, Any]]:
    """Columns with their types, as dlt describes them."""
    return {
        name: {"name": name, "data_type": _SPELLED.get(kind, kind), "nullable": null}
        for name, (kind, null) in columns.items()
    }


@lacking("ENGINE_VERSION", "expand_schema_contract_settings", "from_dict", "from_stored_schema")
class Schema:
    """The tables and columns that were loaded."""

    def __init__(self, name: str, held: Held | None = None, *_: Any, **__: Any) -> None:
        if held is None:
            raise unknown("dlt.Schema to be made", "say what holds for tables in hints")
        self.name = name
        self.naming = NamingConvention()
        self._held = held

    @property
    def tables(self) -> dict[str, Any]:
        """Each table with its columns."""
        return {
            table: {"name": table, "columns": described(columns)}
            for table, columns in self._held.columns().items()
        }

    def data_tables(self, *_: Any, **__: Any) -> list[Any]:
        """The tables."""
        return list(self.tables.values())

    def data_table_names(self, *_: Any, **__: Any) -> list[str]:
        """The names of the tables."""
        return list(self._held.columns())

    def get_table(self, table_name: str) -> Mapping[str, Any]:
        """One table."""
        found: Mapping[str, Any] = self.tables[table_name]
        return found

    def get_table_columns(self, table_name: str, *_: Any, **__: Any) -> Mapping[str, Any]:
        """The columns of a table."""
        found: Mapping[str, Any] = self.get_table(table_name)["columns"]
        return found

    def is_new_table(self, table_name: str) -> bool:
        """Whether there is no such table."""
        return table_name not in self._held.columns()

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

    def __getattr__(self, name: str) -> Any:
        raise unfinished(f"schema.{name}", name)


class SourceSchema:
    """The schema that the tables of a source will have: what it is called, and how names are made.

    Its tables are made by the run, and told by `pipeline.default_schema` behind it.
    """

    def __init__(self, name: str, said: str = "dlt.current.source_schema()") -> None:
        self.name = name
        self.naming = NamingConvention()
        self._said = said

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise unknown(
            f"{self._said}.{name}",
            "say what holds for tables in the hints of resources; name and naming are there",
        )
