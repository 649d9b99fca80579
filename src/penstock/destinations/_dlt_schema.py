"""A dataset's schema as dlt keeps it: read as tables of a stream, and brought up to date with them.

dlt stores one document for all tables of a source, under a hash of its content by which it
recognises it. Only the parts that loading changes are touched here; all else stays as dlt left it.
"""

from __future__ import annotations

import base64
import copy
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from penstock.errors import DestinationError
from penstock.plan.hints import MAX_DIGITS, ColumnType, Validity, decimal_size
from penstock.shape.schema import DLT, Schema, Table, TableColumn

ENGINE_VERSION: Final = 11
NAMING: Final = "snake_case"
_ROOT_ID: Final = "_dlt_root_id"
_OLD_HASHES: Final = 10  # that dlt remembers
_UNHASHED: Final = ("version", "version_hash", "imported_version_hash", "previous_hashes")

Document = dict[str, Any]

_TYPES: Mapping[str, ColumnType] = {
    "text": "text",
    "double": "double",
    "bool": "bool",
    "timestamp": "timestamp",
    "bigint": "bigint",
    "binary": "binary",
    "json": "json",
    "decimal": "decimal",
    "wei": "decimal",
    "date": "date",
    "time": "time",
}


class DltTable(msgspec.Struct, frozen=True, kw_only=True):
    """What dlt's schema says of a root table, and those below it, besides their columns.

    `validity` is there where versions of rows are kept. `columns` are the hints of some, by the
    names of table and column.
    """

    resource: str
    write: str
    strategy: str | None = None
    validity: Validity | None = None
    columns: Mapping[str, Mapping[str, Mapping[str, Any]]] = {}


def tables_of(document: Document, stream: str, root: str) -> Schema | None:
    """The tables of a stream as the document describes them, or None if it does not know `root`.

    Raises:
        DestinationError: names follow another convention than Penstock's.
    """
    tables: dict[str, Document] = document.get("tables", {})
    if root not in tables:
        return None
    naming = document.get("normalizers", {}).get("names")
    if naming not in {NAMING, None}:
        raise DestinationError(
            f"the dataset was made with dlt's naming {naming!r}, and only {NAMING!r} can be gone "
            "on with",
            code="dlt-naming",
            hint="load into another schema with --db-schema",
        )
    names = [root]
    for name in names:  # grows while it is gone through: children stand behind their parents
        names += [n for n, t in tables.items() if t.get("parent") == name and n not in names]
    found = tuple(_table(name, tables[name]) for name in names if _has_rows(tables[name]))
    return Schema(stream=stream, tables=found) if found else None


def _has_rows(table: Document) -> bool:
    return any("data_type" in column for column in table["columns"].values())


def _table(name: str, table: Document) -> Table:
    columns = [_column(c) for c in table["columns"].values() if "data_type" in c]
    parent = table.get("parent")
    return Table(
        name=name,
        columns=tuple(columns),
        parent=parent,
        system="dlt",
        placed=parent is None,
    )


def _column(column: Document) -> TableColumn:
    name, kind = column["name"], _TYPES.get(column["data_type"], "text")
    if kind == "timestamp" and column.get("timezone") is False:
        kind = "timestamp_ntz"
    precision, scale = _size(column) if kind == "decimal" else (None, None)
    return TableColumn(
        name=name,
        type=kind,
        nullable=column.get("nullable", True),
        precision=precision,
        scale=scale,
        variant=bool(column.get("variant")),
        placed=name in DLT.all or "x-valid-from" in column or "x-valid-to" in column,
    )


def _size(column: Document) -> tuple[int, int]:
    """Precision and scale of decimals, which dlt leaves out where they are as everywhere."""
    if column["data_type"] == "wei":
        return MAX_DIGITS, 0
    return decimal_size(column.get("precision"), column.get("scale"))


def stored_as(schema: Schema, types: Callable[[str, TableColumn], str | None]) -> Schema:
    """The schema with the types that columns really have, where those are none of Penstock's own.

    `types` gives the type of a table's column if it is another than Penstock would make.
    """

    def seen(table: Table) -> Table:
        columns = tuple(
            msgspec.structs.replace(column, stored=types(table.name, column))
            for column in table.columns
        )
        return msgspec.structs.replace(table, columns=columns)

    return msgspec.structs.replace(schema, tables=tuple(seen(t) for t in schema.tables))


def with_news(stored: Schema, found: Schema) -> Schema:
    """The stored schema, and what dlt has added to its tables since."""

    def joined(table: Table) -> Table:
        there = found.table(table.name)
        more = [c for c in there.columns if table.column(c.name) is None] if there else []
        return msgspec.structs.replace(table, columns=(*table.columns, *more)) if more else table

    tables = [joined(table) for table in stored.tables]
    tables += [table for table in found.tables if stored.table(table.name) is None]
    return msgspec.structs.replace(stored, tables=tuple(tables))


# Bringing it up to date.


def fresh(name: str) -> Document:
    """The document of a dataset that dlt has not seen."""
    return {
        "version": 0,
        "version_hash": "",
        "engine_version": ENGINE_VERSION,
        "name": name,
        "tables": {},
        "settings": {
            "detections": ["iso_timestamp"],
            "default_hints": {
                "not_null": [*(DLT.row_id, _ROOT_ID, DLT.parent_id, DLT.list_index, DLT.load_id)],
                "parent_key": [DLT.parent_id],
                "root_key": [_ROOT_ID],
                "unique": [DLT.row_id],
                "row_key": [DLT.row_id],
            },
        },
        "normalizers": {
            "names": NAMING,
            "json": {"module": "dlt.common.normalizers.json.relational"},
        },
        "previous_hashes": [],
    }


def brought_up(document: Document, schema: Schema, said: DltTable, own: Document) -> Document:
    """The document with the tables of a stream as they are now, under a new version if it changed.

    `own` are dlt's own tables, which each document describes.
    """
    new = copy.deepcopy(document)
    for name, table in own.items():
        new["tables"].setdefault(name, table)
    for table in schema.tables:
        _add(new["tables"], table, said if table.parent is None else None, said.columns)
    if any(t.column(_ROOT_ID) for t in schema.tables):
        _propagate(new, schema.root.name)
    digest = version_hash(new)
    before = document["version_hash"]
    if digest == before:
        return document
    new["version"], new["version_hash"] = document["version"] + 1, digest
    if before:
        new["previous_hashes"] = [before, *document.get("previous_hashes", ())][:_OLD_HASHES]
    return new


def _propagate(document: Document, root: str) -> None:
    """Say that rows below a root's have its id."""
    config = document["normalizers"]["json"].setdefault("config", {})
    tables = config.setdefault("propagation", {}).setdefault("tables", {})
    tables.setdefault(root, {DLT.row_id: _ROOT_ID})


def _add(
    tables: Document,
    table: Table,
    said: DltTable | None,
    columns: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> None:
    known = tables.get(table.name)
    if known is None:
        known = tables[table.name] = {"name": table.name, "columns": {}, **_origin(table, said)}
    if not table.bare:  # dlt takes no load without rows for one of a table that had some
        known.setdefault("x-normalizer", {})["seen-data"] = True
    roles = _roles(said.validity if said else None)
    hints = columns.get(table.name, {})
    for column in table.columns:
        held = known["columns"].get(column.name)
        if held is None or "data_type" not in held:
            spelled = _spelled(column, key=column.name in table.key)
            of = {**hints.get(column.name, {}), **roles.get(column.name, {})}
            known["columns"][column.name] = {**(held or {}), **spelled, **of}


def _origin(table: Table, said: DltTable | None) -> Document:
    if said is None:
        return {"parent": table.parent}
    merged = {"x-merge-strategy": said.strategy} if said.strategy else {}
    return {"write_disposition": said.write, "resource": said.resource, **merged}


_ROLES: Mapping[str, Document] = {
    DLT.row_id: {"unique": True, "row_key": True},
    DLT.parent_id: {"parent_key": True},
    _ROOT_ID: {"root_key": True},
}


def _roles(versions: Validity | None) -> Mapping[str, Document]:
    """What the hints of columns say, by name. A version may come back, so that it is no key."""
    if versions is None:
        return _ROLES
    until = {"x-valid-to": True, "x-active-record-timestamp": versions.forever}
    version = {"nullable": False, "x-row-version": True, "unique": False, "row_key": False}
    return {
        **_ROLES,
        versions.since or DLT.valid_from: {"x-valid-from": True},
        versions.until or DLT.valid_to: until,
        versions.version or DLT.version: version,
    }


# What dlt has another word for, or none.
_SPELLED: Final = {"timestamp_ntz": "timestamp", "struct": "json", "list": "json"}


def _spelled(column: TableColumn, *, key: bool) -> Document:
    kind = _SPELLED.get(column.type, column.type)
    spelled: Document = {"name": column.name, "data_type": kind, "nullable": column.nullable}
    if column.type == "timestamp_ntz":
        spelled["timezone"] = False
    if column.type == "decimal":
        spelled |= {"precision": column.precision or 38, "scale": column.scale or 0}
    if column.variant:
        spelled["variant"] = True
    if key:
        spelled |= {"nullable": False, "primary_key": True}
    return spelled


def version_hash(document: Document) -> str:
    """The hash by which dlt recognises a document: of its content, and of the order of columns."""
    content = {key: value for key, value in document.items() if key not in _UNHASHED}
    digest = hashlib.sha3_256(msgspec.json.encode(content, order="sorted"))
    for name in sorted(content.get("tables") or {}):
        digest.update(name.encode())
        for column in content["tables"][name].get("columns") or {}:
            digest.update(column.encode())
    return base64.b64encode(digest.digest()).decode("ascii")
