"""The way to every destination of dlt: streams as dlt's resources, which yield Arrow tables.

Penstock reads and shapes, dlt loads. What a run starts from is kept in the state of dlt's resource,
which dlt commits with the rows: both or neither.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from penstock.destinations import GONE, ROOT_ID, Spool, scratch
from penstock.destinations.base import Append, Merge, Replace, Write
from penstock.engine.preparing import prepare
from penstock.engine.reading import finished
from penstock.engine.running import Options, Run, new_run_id, redactor_for
from penstock.errors import Error, ReadError
from penstock.plan.expr import JsonValue
from penstock.plan.hints import Hints
from penstock.plan.source import Source, Stream
from penstock.shape import Schema, Table

Values = Callable[[], Mapping[str, JsonValue]]

_log = logging.getLogger("penstock")


def dlt_source(source: Source, values: Values, base_url: str | None) -> Any:
    """A source of dlt's own, with a resource for each stream that a run loads.

    Raises:
        Error: dlt is not installed, or it cannot load a stream as the document asks.
    """
    dlt = _dlt()
    streams = [stream for stream in source.streams if stream.selected]
    for stream in streams:
        _check(stream)
    resources = [_resource(dlt, source, stream, values, base_url) for stream in streams]
    return dlt.source(lambda: resources, name=source.name)()


def _dlt() -> Any:
    try:
        return importlib.import_module("dlt")
    except ImportError as exc:
        hint = "install it beside Penstock: pip install dlt"
        raise Error("dlt is not installed", code="module-missing", hint=hint) from exc


def _check(stream: Stream) -> None:
    hints = stream.hints
    what = "scd2" if hints.versions else "soft_delete" if hints.marks_deleted else ""
    what = what or ("merge_key" if hints.write == "merge" and hints.merge_key else "")
    if what:
        raise Error(
            f"{stream.name}: {what} needs to know what a reading lacks, which dlt is not told",
            code="bridge",
            hint="load this stream with penstock.run, or write it another way",
        )


def _resource(
    dlt: Any, source: Source, stream: Stream, values: Values, base_url: str | None
) -> Any:
    def tables() -> Iterator[Any]:
        kept = dlt.current.resource_state()
        schemas = {
            name: msgspec.json.decode(text, type=Schema)
            for name, text in kept.get("schemas", {}).items()
        }
        with scratch() as folder:
            spool = Spool(folder, kept.get("states", {}), schemas)
            _read(source, stream, values(), base_url, spool)
            for name in spool.writes:  # a table of several streams is kept as that of one of them
                for table, rows in spool.parts(name):
                    hints = dlt.mark.make_hints(**_hints(stream.hints, spool.writes[name], table))
                    yield dlt.mark.with_hints(rows, hints, create_table_variant=True)
            kept["states"] = spool.held
            kept["schemas"] = {
                name: msgspec.json.encode(schema).decode() for name, schema in spool.schemas.items()
            }

    return dlt.resource(tables, name=stream.name)


def _hints(hints: Hints, write: Write, table: Table) -> dict[str, Any]:
    """What dlt is told of a table: how its rows are written, and what Arrow cannot say."""
    match write:
        case Append():
            hints = msgspec.structs.replace(hints, write="append")
        case Replace():
            hints = msgspec.structs.replace(hints, write="replace")
        case Merge():
            hints = msgspec.structs.replace(hints, write="merge", strategy=write.strategy)
    columns: list[dict[str, Any]] = [
        {"name": column.name, "data_type": "json"}
        for column in table.columns
        if column.type == "json"
    ]
    said: dict[str, Any] = {"table_name": table.name, "write_disposition": hints.write}
    if hints.write == "merge":
        said["write_disposition"] = {"disposition": "merge", "strategy": hints.strategy}
    if hints.write == "merge" and table.parent is None:
        said["primary_key"] = list(table.key)
    elif hints.write == "merge":
        said["write_disposition"] = {"disposition": "merge", "strategy": "delete-insert"}
        said["merge_key"] = ROOT_ID
        columns.append({"name": GONE, "data_type": "bool", "hard_delete": True})
    return {**said, "columns": columns}


def _read(
    source: Source,
    stream: Stream,
    values: Mapping[str, JsonValue],
    base_url: str | None,
    spool: Spool,
) -> None:
    """Have a run put one stream into the spool.

    Raises:
        ReadError: not all of it could be read, so nothing of it is loaded.
    """
    held = dict(prepare(source, values))
    run = Run(
        source,
        held,
        Options(select=(stream.name,), base_url=base_url),
        spool,
        run_id=new_run_id(),
        emit=lambda _event: None,
        redactor=redactor_for(source, held),
    )
    run.nested = False
    status, receipts = finished(run.run())
    for receipt in receipts:
        for note in receipt.warnings:
            _log.warning("%s: %s", receipt.stream, note.message)
    if status != "done":
        failures = [failure for receipt in receipts for failure in receipt.failures]
        said = failures[0].message if failures else f"the run was {status}"
        raise ReadError(
            f"{stream.name}: {said}",
            code=failures[0].code if failures else "bridge",
            hint="nothing of this stream is loaded; run again",
        )
