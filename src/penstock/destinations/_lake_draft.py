"""What one commit is going to say, while it is being made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from penstock.destinations._lake_files import Files, file_schema, new_part
from penstock.destinations._lake_log import File
from penstock.shape.schema import Schema

if TYPE_CHECKING:
    import pyarrow as pa


class Draft:
    """The files of a stream, or of its build, as a commit leaves them."""

    def __init__(
        self, base: Mapping[str, File], files: Files, now: Mapping[str, File] | None = None
    ) -> None:
        self._base = base
        self._began = {**base, **(now or {})}
        self._files = files
        self.now: dict[str, File] = dict(base if now is None else now)
        self.system: list[File] = []
        self.remove_system: list[str] = []

    @property
    def writer(self) -> Files:
        """What writes files."""
        return self._files

    def put(self, file: File) -> None:
        """Add a file."""
        self.now[file.path] = file

    def drop(self, paths: Iterable[str]) -> None:
        """Let files go."""
        for path in list(paths):
            del self.now[path]

    def of(self, table: str, parts: Iterable[str] | None = None) -> list[File]:
        """The files of a table, of these parts if any are named."""
        found = [f for f in self.now.values() if f.table == table]
        if parts is None:
            return found
        wanted = set(parts)
        return [f for f in found if f.part in wanted]

    def added(self) -> tuple[File, ...]:
        """What was not there before, or not so."""
        return tuple(f for path, f in self.now.items() if self._base.get(path) != f)

    def removed(self) -> tuple[str, ...]:
        """What was there before."""
        return tuple(path for path in self._began if path not in self.now)

    def append(self, schema: Schema, rows: Mapping[str, Sequence[pa.Table]], load_id: str) -> None:
        """Add the rows of one load as one part."""
        part = new_part()
        for table in schema.tables:
            found = [data for data in rows.get(table.name, ()) if data.num_rows]
            if found:
                self.put(self._files.write_rows(table, found, part=part, load_id=load_id))

    def complete(self, schema: Schema) -> None:
        """Give every table a file, for its columns, and keep no empty one beside others."""
        for table in schema.tables:
            files = self.of(table.name)
            empty = [f.path for f in files if not f.rows]
            if not files:
                self.put(
                    self._files.write(table.name, file_schema(table), (), part=new_part(), loads=())
                )
            elif len(empty) < len(files):
                self.drop(empty)
