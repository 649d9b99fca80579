# ruff: noqa: S608 (identifiers go through quote(), values are parameters)
"""The tables of dlt itself: read to go on where dlt ended, and written so that dlt can go on.

All of it happens in the transaction of the checkpoint it is about.
"""

from __future__ import annotations

import base64
import hashlib
import os
import zlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from penstock.destinations import _dlt_schema as documents
from penstock.destinations import _sql as sql
from penstock.destinations._dlt_schema import DltTable, Document
from penstock.destinations._engine import Engine
from penstock.destinations.base import Checkpoint, DltLoad, Merge, Replace, Write
from penstock.shape.schema import Schema, TableColumn

LOADS: Final = "_dlt_loads"
VERSION: Final = "_dlt_version"
STATE: Final = "_dlt_pipeline_state"
STATE_ENGINE: Final = 4
_SCHEMAS: Final = "_penstock_schemas"  # a key of the state that dlt leaves alone

_OWN: Final[dict[str, tuple[tuple[str, str, bool], ...]]] = {
    LOADS: (
        ("load_id", "text", False),
        ("schema_name", "text", True),
        ("status", "bigint", False),
        ("inserted_at", "timestamp", False),
        ("schema_version_hash", "text", True),
    ),
    VERSION: (
        ("version", "bigint", False),
        ("engine_version", "bigint", False),
        ("inserted_at", "timestamp", False),
        ("schema_name", "text", False),
        ("version_hash", "text", False),
        ("schema", "text", False),
    ),
    STATE: (
        ("version", "bigint", False),
        ("engine_version", "bigint", False),
        ("pipeline_name", "text", False),
        ("state", "text", False),
        ("created_at", "timestamp", False),
        ("version_hash", "text", True),
        ("_dlt_load_id", "text", False),
        ("_dlt_id", "text", False),
    ),
}


class DltDataset:
    """What one schema of a database holds of dlt's own tables."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def has(self, table: str) -> bool:
        """Whether the schema has a table of dlt's own."""
        return self._engine.spelling.fold(table) in self._engine.actual()

    def adopt(self, stream: str, root: str, stored: Schema | None) -> Schema | None:
        """The tables of a stream with what dlt made for it, or None where there are none.

        Raises:
            DestinationError: they cannot be gone on with.
        """
        found = self._made(stream, root) if self.has(VERSION) else None
        if found is None or stored is None or stored.root.name != found.root.name:
            return stored or found
        return documents.with_news(stored, found)

    def _made(self, stream: str, root: str) -> Schema | None:
        for document in self._documents().values():
            found = documents.tables_of(document, stream, root)
            if found is not None:
                held = self._as_it_is(found)
                return held if held.tables else None
        return None

    def _as_it_is(self, schema: Schema) -> Schema:
        """Without what dlt announced and never made, and with the types that columns have."""
        actual, spelling = self._engine.actual(), self._engine.spelling

        def kind(table: str, name: str) -> str | None:
            return actual.get(spelling.fold(table), {}).get(spelling.fold(name))

        def other(table: str, column: TableColumn) -> str | None:
            there = kind(table, column.name)
            return there if there != spelling.type(column) else None

        tables = [
            msgspec.structs.replace(
                table, columns=tuple(c for c in table.columns if kind(table.name, c.name))
            )
            for table in schema.tables
            if spelling.fold(table.name) in actual
        ]
        if not tables or tables[0].parent is not None:
            return msgspec.structs.replace(schema, tables=())
        return documents.stored_as(msgspec.structs.replace(schema, tables=tuple(tables)), other)

    def _documents(self) -> dict[str, Document]:
        """The newest document of each of dlt's schemas, the newest first."""
        rows = self._engine.rows(
            f"SELECT schema_name, {sql.quote('schema')} FROM {self._engine.at(VERSION)} "
            "ORDER BY inserted_at DESC, version DESC"
        )
        found: dict[str, Document] = {}
        for name, text in rows:
            if name not in found:
                found[name] = msgspec.json.decode(text)
        return found

    def last_load(self) -> str | None:
        """The greatest load id there is, as text."""
        if not self.has(LOADS):
            return None
        return self._newest(f"SELECT max(load_id) FROM {self._engine.at(LOADS)}")

    def _newest(self, query: str) -> str | None:
        [(found,)] = self._engine.rows(query)
        return found if found is None else str(found)

    # Writing.

    def keep(self, checkpoint: Checkpoint, schemas: Sequence[Schema | None]) -> None:
        """Say in dlt's tables that the checkpoint is loaded, and what it leaves.

        `schemas` are the tables of the checkpoint, and of those beside it.
        """
        assert checkpoint.dlt is not None, "only what dlt shall know of is kept here"
        parts = zip(checkpoint.whole, schemas, strict=True)
        there = [
            (_table(p.dlt, p.write), p.dlt.source, schema)
            for p, schema in parts
            if p.dlt is not None and schema is not None
        ]
        if not there:
            return
        self._create()
        news = False
        for told in there:
            name, after, changed = self._bring_up(*told)
            news = news or changed
        for load_id in self._shown(checkpoint):
            self._engine.rows(
                f"INSERT INTO {self._engine.at(LOADS)} (load_id, schema_name, status, inserted_at, "
                "schema_version_hash) VALUES (?, ?, 0, now(), ?)",
                [load_id, name, after["version_hash"]],
            )
        told_of = [(part, part.dlt) for part in checkpoint.whole if part.dlt is not None]
        moving = [pair for pair in told_of if _moves(pair[1])]
        # without any state dlt would not know which schema is there, and begin a new one
        if not moving and (news or self._state(name) is None):
            moving = told_of[:1]
        for part, moved in moving:
            self._put_state(part, moved, after)

    def _bring_up(self, told: DltTable, source: str, schema: Schema) -> tuple[str, Document, bool]:
        """Describe tables in the document of their schema.

        Gives its name, what it says now, and whether that is new.
        """
        known = self._documents()
        name = _schema_name(known, schema.root.name, source)
        before = known.get(name) or documents.fresh(name)
        after = documents.brought_up(before, schema, told, _described())
        if after is not before:
            self._put_document(name, after)
        return name, after, after is not before

    def _create(self) -> None:
        actual = self._engine.actual()
        for name, columns in _OWN.items():
            if self._engine.spelling.fold(name) not in actual:
                body = ", ".join(self._column(*column) for column in columns)
                self._engine.rows(f"CREATE TABLE {self._engine.at(name)} ({body})")

    def _column(self, name: str, kind: Any, nullable: bool) -> str:  # noqa: FBT001 (a row of the table above)
        spelled = self._engine.spelling.type(TableColumn(name=name, type=kind))
        return f"{sql.quote(name)} {spelled}{'' if nullable else ' NOT NULL'}"

    def _shown(self, checkpoint: Checkpoint) -> list[str]:
        """The loads whose rows can be seen from now on: a generation's all at once, at its end."""
        built = checkpoint
        if checkpoint.schema is None:  # of a stream whose records all go to other tables
            parts = (part for part in checkpoint.beside if isinstance(part.write, Replace))
            built = next(parts, checkpoint)
        write = built.write
        if not isinstance(write, Replace):
            return [checkpoint.load_id]
        if not any(isinstance(p.write, Replace) and p.write.swap for p in checkpoint.whole):
            return []
        found = self._engine.rows(
            f"SELECT load_id FROM {self._engine.at(sql.LOADS)} WHERE stream = ? AND generation = ? "
            "ORDER BY sequence",
            [built.stream, write.generation],
        )
        return list(dict.fromkeys((*(load for (load,) in found), checkpoint.load_id)))

    def _put_document(self, name: str, document: Document) -> None:
        self._engine.rows(
            f"INSERT INTO {self._engine.at(VERSION)} (version, engine_version, inserted_at, "
            f"schema_name, version_hash, {sql.quote('schema')}) VALUES (?, ?, now(), ?, ?, ?)",
            [
                *(document["version"], document["engine_version"], name),
                *(document["version_hash"], msgspec.json.encode(document).decode()),
            ],
        )

    def _put_state(self, checkpoint: Checkpoint, said: DltLoad, document: Document) -> None:
        """Put the newest state of dlt's pipeline with this stream's cursor in it.

        dlt looks for schemas only where the state says something new, so this has to say that
        another one is there: else columns would be made for dlt's own that are of another type.
        """
        schema_name = document["name"]
        state = self._state(schema_name)
        if state is None:
            state = _fresh_state(said.pipeline or said.source, schema_name, self._engine.db_schema)
        if _moves(said):
            _move(state, schema_name, checkpoint.stream, said)
        state.setdefault(_SCHEMAS, {})[schema_name] = document["version_hash"]
        state["_state_version"] += 1
        state["_version_hash"] = _state_hash(state)
        # dlt takes the state of the greatest load id, and loads may end in another order than they
        # began in; what goes is part of this one.
        self._engine.rows(
            f"DELETE FROM {self._engine.at(STATE)} WHERE pipeline_name = ? AND _dlt_load_id > ?",
            [state["pipeline_name"], checkpoint.load_id],
        )
        self._engine.rows(
            f"INSERT INTO {self._engine.at(STATE)} (version, engine_version, pipeline_name, state, "
            "created_at, version_hash, _dlt_load_id, _dlt_id) VALUES (?, ?, ?, ?, now(), ?, ?, ?)",
            [
                *(state["_state_version"], state["_state_engine_version"], state["pipeline_name"]),
                *(_pack(state), state["_version_hash"], checkpoint.load_id, _chance()),
            ],
        )

    def _state(self, schema_name: str) -> Document | None:
        """The newest state of the pipeline that loads this schema."""
        for _, state in self._states():
            if schema_name in state.get("schema_names", ()):
                return state
        return None

    def states(self) -> list[Document]:
        """The newest state of each of dlt's pipelines, the newest first."""
        return [state for _, state in self._states()]

    def states_of_dlt(self) -> list[Document]:
        """Those that dlt itself wrote, and not Penstock in its place."""
        query = f"SELECT 1 FROM {self._engine.at(sql.LOADS)} WHERE load_id = ?"
        found = self._states()
        return [state for load_id, state in found if not self._engine.rows(query, [load_id])]

    def _states(self) -> list[tuple[str, Document]]:
        if not self.has(STATE):
            return []
        rows = self._engine.rows(
            f"SELECT pipeline_name, _dlt_load_id, state FROM {self._engine.at(STATE)} "
            "ORDER BY _dlt_load_id DESC, version DESC"
        )
        newest: dict[str, tuple[str, str]] = {}
        for name, load_id, text in rows:
            newest.setdefault(name, (load_id, text))
        return [(load_id, unpacked(text)) for load_id, text in newest.values()]


def _schema_name(known: dict[str, Document], root: str, source: str) -> str:
    """The schema of dlt that a table belongs to: the one that has it, or one of the source's name.

    Where there is only one schema, tables that are new belong to it as well.
    """
    for name, document in known.items():
        if root in document["tables"]:
            return name
    return next(iter(known)) if len(known) == 1 else source


def _table(said: DltLoad, write: Write) -> DltTable:
    validity = None
    if isinstance(write, Merge) and write.strategy == "scd2":
        validity = write.validity
    return DltTable(
        resource=said.resource,
        write=said.write,
        strategy=said.strategy,
        validity=validity,
        columns=said.columns,
    )


def _described() -> Document:
    """Describe dlt's own tables as its documents describe them."""
    tables: Document = {}
    for name in (VERSION, LOADS, STATE):
        columns = {
            column: {"name": column, "data_type": kind, "nullable": nullable}
            for column, kind, nullable in _OWN[name]
        }
        tables[name] = {"name": name, "columns": columns, "write_disposition": "skip",
                        "resource": name}  # fmt: skip
    tables[STATE]["write_disposition"] = "append"
    tables[STATE]["columns"]["_dlt_id"] |= {"unique": True, "row_key": True}
    return tables


def _fresh_state(pipeline: str, schema_name: str, dataset: str) -> Document:
    return {
        "_state_version": 0,
        "_state_engine_version": STATE_ENGINE,
        "pipeline_name": pipeline,
        "default_schema_name": schema_name,
        "dataset_name": dataset,
        "schema_names": [schema_name],
        "destination_type": None,
        "destination_name": None,
        "sources": {},
    }


def _moves(said: DltLoad) -> bool:
    return bool(said.cursor is not None or said.own or said.shared)


def _move(state: Document, source: str, stream: str, said: DltLoad) -> None:
    """Set how far a stream's cursor is, and what its functions keep; what else there is stays."""
    held = state.setdefault("sources", {}).setdefault(source, {})
    held |= said.shared
    resource = held.setdefault("resources", {}).setdefault(stream, {})
    resource |= said.own
    if said.cursor is None:
        return
    cursors = resource.setdefault("incremental", {})
    # dlt keeps it under the path as the document spells it
    name = next(iter(cursors)) if len(cursors) == 1 else said.cursor
    held = cursors.setdefault(name, {"initial_value": None})
    held.setdefault("start_value", said.last)
    held |= {"last_value": said.last, "unique_hashes": list(said.hashes)}


def _state_hash(state: Document) -> str:
    left_out = {"_local", "_state_version", "_state_engine_version", "_version_hash"}
    content = {key: value for key, value in state.items() if key not in left_out}
    digest = hashlib.sha3_256(msgspec.json.encode(content, order="sorted"))
    return base64.b64encode(digest.digest()).decode("ascii")


def _pack(state: Document) -> str:
    return base64.b64encode(zlib.compress(msgspec.json.encode(state), level=9)).decode("ascii")


def unpacked(text: str) -> Document:
    """A state as dlt keeps it: packed, or as JSON."""
    plain = text if text.startswith("{") else zlib.decompress(base64.b64decode(text))
    state: Document = msgspec.json.decode(plain)
    return state


def _chance() -> str:
    return base64.b64encode(os.urandom(10)).decode("ascii").rstrip("=")
