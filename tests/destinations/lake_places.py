"""Eyes and hands for datasets of files, which read the log as a stranger to Penstock would."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from tests.destinations.s3_server import fresh_bucket, objects

from penstock.destinations._lake_files import folder_of

SCHEMA = "shop"
IN_THE_LOG = {"_penstock_loads", "_penstock_builds"}


def in_words(value):
    """A value as the other places give it."""
    import datetime as dt  # noqa: PLC0415 (only here)

    zoned = isinstance(value, dt.datetime) and value.tzinfo is not None
    return value.astimezone(dt.UTC) if zoned else value


class Log:
    """What the log of a dataset says: the newest snapshot, and the commits after it."""

    def __init__(self, folder: Path) -> None:
        self.files: dict[str, dict[str, dict]] = {}
        self.builds: dict[str, dict] = {}
        self.system: dict[str, dict] = {}
        self.loads: list[dict] = []
        number = self._begin(folder / "_penstock" / "snapshots")
        commits = folder / "_penstock" / "commits"
        while (path := commits / f"{number + 1}.json").exists():
            number += 1
            self._apply(json.loads(path.read_text()))
        self.number = number

    def _begin(self, folder: Path) -> int:
        numbers = [int(p.stem) for p in folder.glob("*.json")] if folder.exists() else []
        if not numbers:
            return 0
        head = json.loads((folder / f"{max(numbers)}.json").read_text())
        self.loads, self.system = head["loads"], head["system"]
        for stream, held in head["streams"].items():
            self.files[stream] = held["files"]
            if held["build"]:
                self.builds[stream] = held["build"]
        return head["number"]

    def _apply(self, change: dict) -> None:
        if "owner" in change:
            self.builds.clear()
        for path in change.get("lost", ()):
            for files in self.files.values():
                files.pop(path, None)
        for path in change.get("remove_system", ()):
            self.system.pop(path, None)
        self.system.update({f["path"]: f for f in change.get("system", ())})
        stream = change.get("stream")
        if stream:
            self._apply_to(stream, change)

    def _apply_to(self, stream: str, change: dict) -> None:
        if "load" in change:
            self.loads.append(change["load"])
        build = self.builds.get(stream)
        if "build" in change:
            if build is None or build["generation"] != change["build"]:
                build = self.builds[stream] = {"generation": change["build"], "files": {}}
            files = build["files"]
        else:
            files = self.files.setdefault(stream, {})
            if "show" in change:
                if build and build["generation"] == change["show"]:
                    files.update(build["files"])
                self.builds.pop(stream, None)
        for path in change.get("remove", ()):
            files.pop(path, None)
        files.update({f["path"]: f for f in change.get("add", ())})

    def paths(self, table: str) -> list[str]:
        """The files of a table."""
        visible = [*self.files.values(), self.system]
        return [p for files in visible for p, f in files.items() if f["table"] == table]

    def tables(self) -> set[str]:
        """The tables that have files."""
        return {f["table"] for files in self.files.values() for f in files.values()}


class ParquetPlace:
    """Reads the files that the log names."""

    kind = "parquet"

    def __init__(self, directory: Path) -> None:
        self.path = directory / "lake"
        self.folder = self.path / SCHEMA
        self.url = f"parquet:{self.path}"

    def rows(self, table):
        log = Log(self.folder)
        if table == "_penstock_loads":
            return log.loads
        if table == "_penstock_builds":
            return list(log.builds.values())
        paths = [self.folder / p for p in log.paths(table)]
        if not paths:
            paths = sorted((self.folder / folder_of(table)).glob("mine.parquet"))
        return self._read(paths)

    def _read(self, paths):
        found = [pq.ParquetFile(p).read() for p in paths]
        names = {name for data in found for name in data.column_names}
        return [
            {**dict.fromkeys(names), **{k: in_words(v) for k, v in row.items()}}
            for data in found
            for row in data.to_pylist()
        ]

    def number(self):
        """The number of the newest commit."""
        return Log(self.folder).number

    def tables(self):
        mine = {p.parent.name for p in self.folder.glob("*/mine.parquet")}
        return Log(self.folder).tables() | mine

    def by_hand(self, statement, *tables):
        for table in tables:
            self._change(statement, table)

    def _change(self, statement, table):
        folder = self.folder / folder_of(table)
        if statement.startswith("DROP TABLE"):
            shutil.rmtree(folder)
            return
        if statement.startswith("CREATE TABLE"):
            folder.mkdir()
            _rewrite(statement, folder / "mine.parquet")
            return
        listed = [self.folder / p for p in Log(self.folder).paths(table)]
        for path in listed or [folder / "mine.parquet"]:
            _rewrite(statement, path)

    def close(self):
        """Nothing is kept open."""


def _rewrite(statement: str, path: Path) -> None:
    """Change the rows of one file by SQL."""
    with duckdb.connect() as connection:
        if path.exists():
            connection.execute("CREATE TABLE t AS FROM read_parquet(?)", [str(path)])
        connection.execute(re.sub(r"\{\}", "t", statement))
        path.unlink(missing_ok=True)
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")


class DeltaPlace(ParquetPlace):
    """Reads Delta tables at their newest version; Penstock's own tables in the log."""

    kind = "delta"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.url = f"delta:{self.path}"

    def rows(self, table):
        if table.startswith("_penstock_"):
            return super().rows(table)
        return self._read(self._delta(table).file_uris())

    def _delta(self, table):
        return DeltaTable(str(self.folder / folder_of(table)))

    def tables(self):
        names = {folder_of(t): t for t in Log(self.folder).tables()}
        found = [p.parent.name for p in self.folder.glob("*/_delta_log")]
        return {names.get(name, name) for name in found}

    def _change(self, statement, table):
        folder = self.folder / folder_of(table)
        if statement.startswith("DROP TABLE"):
            shutil.rmtree(folder)
            return
        with duckdb.connect() as connection:
            if folder.exists():
                rows = [pq.ParquetFile(_path(u)).read() for u in self._delta(table).file_uris()]
                schema = pa.schema(self._delta(table).schema().to_arrow())
                connection.register("old", pa.concat_tables(rows) if rows else schema.empty_table())
                connection.execute("CREATE TABLE t AS FROM old")
            connection.execute(statement.replace("{}", "t"))
            now = connection.sql("FROM t").to_arrow_table()
        write_deltalake(str(folder), now, mode="overwrite", schema_mode="overwrite")

    def _read(self, paths):
        return super()._read([_path(p) for p in paths])


def _path(uri) -> str:
    return unquote(str(uri).removeprefix("file://"))


class S3Place(ParquetPlace):
    """Reads a bucket by way of a copy: an object that is there stays as it is."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._bucket = fresh_bucket()
        self._known: set[str] = set()
        self.url = f"parquet:s3://{self._bucket}/lake"

    def rows(self, table):
        self._copy()
        return super().rows(table)

    def tables(self):
        self._copy()
        return super().tables()

    def number(self):
        self._copy()
        return super().number()

    def by_hand(self, statement, *tables):
        raise NotImplementedError(statement, tables)

    def _copy(self) -> None:
        for name, data in objects(self._bucket, self._known).items():
            path = self.path.parent / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            self._known.add(name)
