"""The same work without Penstock: each destination's own fastest path, written by hand.

A function for each destination takes where to load, the tables, what to do and the rows of each
checkpoint. Nothing is kept beside the rows: no ledger, no state, no fence, no check of the tables.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from penstock.shape.schema import PARENT_ID, ROW_ID


def _create(execute, made, kinds, prefix):
    for table in made.tables:
        body = ", ".join(f'"{c.name}" {kinds[c.type]}' for c in table.columns)
        execute(f'CREATE TABLE IF NOT EXISTS "{prefix}{table.name}" ({body})')


def _swap(execute, made):
    for table in made.tables:
        execute(f'DROP TABLE "{table.name}"')
        execute(f'ALTER TABLE "new_{table.name}" RENAME TO "{table.name}"')


def _deletes(made, keys):
    """Delete what has a key that comes, children first."""
    root = made.root.name
    for table in made.tables[1:]:
        yield (
            f'DELETE FROM "{table.name}" WHERE {PARENT_ID} IN '
            f'(SELECT {ROW_ID} FROM "{root}" WHERE id IN (SELECT id FROM {keys}))'
        )
    yield f'DELETE FROM "{root}" r USING {keys} s WHERE r.id = s.id'


def duckdb(place, made, write, loads):
    """`INSERT … SELECT * FROM arrow`; a merge deletes by a join first."""
    import duckdb as driver  # noqa: PLC0415 (one of several)

    kinds = {
        "text": "VARCHAR", "bool": "BOOLEAN", "bigint": "BIGINT", "double": "DOUBLE",
        "timestamp": "TIMESTAMPTZ",
    }  # fmt: skip
    connection = driver.connect(f"{place}/hand.duckdb", config={"threads": 1})
    prefix = "new_" if write == "replace" else ""
    _create(connection.execute, made, kinds, prefix)
    for load in loads:
        connection.execute("BEGIN")
        if write == "merge":
            keys = pa.concat_tables([b.tables[made.root.name].select(["id"]) for b in load])
            connection.register("keys", keys)
            for statement in _deletes(made, "keys"):
                connection.execute(statement)
        for batch in load:
            for name, data in batch.tables.items():
                connection.register("arrow", data)
                connection.execute(f'INSERT INTO "{prefix}{name}" SELECT * FROM arrow')
        connection.execute("COMMIT")
    if write == "replace":
        _swap(connection.execute, made)
    connection.execute("CHECKPOINT")
    connection.close()


def parquet(place, made, write, loads):
    """`ParquetWriter`, a synced file a checkpoint; a merge rewrites the files it touches."""
    folder = Path(place.partition(":")[2]) / "hand"
    if write == "replace":
        folder = folder.with_name("hand_new")
    for load in loads:
        if write == "merge":
            _rewrite(folder, made, load)
        name = f"{uuid4().hex}.parquet"
        for table in made.tables:
            _write(folder / table.name, [batch.tables[table.name] for batch in load], name)
    if write == "replace":
        shutil.rmtree(folder.with_name("hand"))
        folder.rename(folder.with_name("hand"))


def _write(folder, found, name):
    import pyarrow.parquet as pq  # noqa: PLC0415 (one of several)

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with path.with_suffix(".new").open("wb") as file:
        with pq.ParquetWriter(file, found[0].schema) as writer:
            for data in found:
                writer.write_table(data, row_group_size=128 * 1024)
        file.flush()
        os.fsync(file.fileno())
    path.with_suffix(".new").rename(path)


def _rewrite(folder, made, load):
    """Take the rows of a key that comes out of the files that have such, children with them."""
    import pyarrow.parquet as pq  # noqa: PLC0415 (one of several)

    root = made.root.name
    keys = pa.concat_tables([b.tables[root].select(["id"]) for b in load]).column("id").unique()
    low, high = pc.min(keys).as_py(), pc.max(keys).as_py()
    for path in sorted((folder / root).glob("*.parquet")):
        found = pq.ParquetFile(path)
        place = found.schema_arrow.get_field_index("id")
        groups = [found.metadata.row_group(g) for g in range(found.num_row_groups)]
        spans = [g.column(place).statistics for g in groups]
        if all(s.max < low or s.min > high for s in spans):
            continue
        gone = pc.is_in(found.read(["id"]).column("id"), value_set=keys)
        if not pc.any(gone).as_py():
            continue
        if pc.all(gone).as_py():  # what belongs together was written together
            for table in made.tables:
                (folder / table.name / path.name).unlink()
            continue
        data = found.read()
        ids = data.filter(gone).column(ROW_ID).combine_chunks()
        _write(folder / root, [data.filter(pc.invert(gone))], path.name)
        for table in made.tables[1:]:
            below = pq.ParquetFile(folder / table.name / path.name).read()
            out = pc.is_in(below.column(PARENT_ID), value_set=ids)
            _write(folder / table.name, [below.filter(pc.invert(out))], path.name)


def delta(place, made, write, loads):
    """`write_deltalake`, and `DeltaTable.merge`; children of rows that come are deleted."""
    from deltalake import DeltaTable, write_deltalake  # noqa: PLC0415 (one of several)

    folder = Path(place.partition(":")[2]) / "hand"
    for number, load in enumerate(loads):
        mode = "overwrite" if write == "replace" and not number else "append"
        rows = {t.name: pa.concat_tables([b.tables[t.name] for b in load]) for t in made.tables}
        if write == "merge":
            root = rows[made.root.name]
            table = DeltaTable(str(folder / made.root.name))
            merge = table.merge(root, "r.id = s.id", source_alias="s", target_alias="r")
            merge.when_matched_update_all().when_not_matched_insert_all().execute()
            for name in (t.name for t in made.tables[1:]):
                below = DeltaTable(str(folder / name))
                same = f"r.{PARENT_ID} = s.{ROW_ID}"
                keys = root.select([ROW_ID])
                merge = below.merge(keys, same, source_alias="s", target_alias="r")
                merge.when_matched_delete().execute()
            del rows[made.root.name]
        for name, data in rows.items():
            write_deltalake(str(folder / name), data, mode=mode)


def postgres(place, made, write, loads):
    """`COPY … FROM STDIN (FORMAT csv)`; a merge copies its keys beside and deletes by a join."""
    import psycopg  # noqa: PLC0415 (one of several)

    kinds = {
        "text": "text", "bool": "boolean", "bigint": "bigint", "double": "double precision",
        "timestamp": "timestamptz",
    }  # fmt: skip
    prefix = "new_" if write == "replace" else ""
    with psycopg.connect(place, options="-c search_path=hand") as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS hand")
        _create(connection.execute, made, kinds, prefix)
        connection.commit()
        for load in loads:
            if write == "merge":
                _make_room(connection, made, load)
            for batch in load:
                for name, data in batch.tables.items():
                    _copy(connection, f"{prefix}{name}", data)
            connection.commit()
        if write == "replace":
            _swap(connection.execute, made)


def _make_room(connection, made, load):
    connection.execute(f"CREATE INDEX IF NOT EXISTS by_id ON {made.root.name} (id)")
    for table in made.tables[1:]:
        index = f'CREATE INDEX IF NOT EXISTS "by_{table.name}" ON "{table.name}" ({PARENT_ID})'
        connection.execute(index)
    connection.execute("CREATE TEMP TABLE keys (id bigint) ON COMMIT DROP")
    _copy(connection, "keys", pa.concat_tables(b.tables[made.root.name] for b in load), ["id"])
    connection.execute("ANALYZE keys")
    for statement in _deletes(made, "keys"):
        connection.execute(statement)


def _copy(connection, name, data, columns=None):
    data = data.select(columns) if columns else data
    options = csv.WriteOptions(include_header=False)
    with connection.cursor().copy(f'COPY "{name}" FROM STDIN CSV') as copy:
        for first in range(0, data.num_rows, 8192):
            sink = pa.BufferOutputStream()
            csv.write_csv(data.slice(first, 8192), sink, options)
            copy.write(sink.getvalue().to_pybytes())


HANDS = {"duckdb": duckdb, "parquet": parquet, "delta": delta, "postgres": postgres}
