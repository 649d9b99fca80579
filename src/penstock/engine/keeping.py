"""Pages as they came, kept in a directory: enough to build the tables again without a request.

A file holds the pages of one checkpoint, in gzip: a line of JSON says what the checkpoint was, then
for each page a line says where it came from and how long its records are, and the records follow,
each to the letter with a line end behind it. A file is complete and synced before the checkpoint is
committed, and loses its ending `.new` once that is done; the ledger of the destination settles
what a run left that died in between.
"""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from penstock.destinations.base import Checkpoint, Replace, Session
from penstock.engine.shaping import MAIN, made_by
from penstock.errors import DestinationError
from penstock.plan.hints import Hints
from penstock.read.parts import PagePart
from penstock.shape import Segment

_FORMAT: Literal[1] = 1
_LEVEL = 3
_ENDING = ".pages.gz"
_UNSURE = ".new"

Mask = Callable[[Any], Any]
Timed = tuple[PagePart, float]
Extras = tuple[tuple[str, str | int | float | bool | None], ...]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint was, and what its stream's document said of tables.

    `others` are those besides the stream's own, `states` the entries that change of other streams
    that load its table. `shows` are the names of tables that are built anew and shown with it, and
    of the streams that made these.
    """

    format: Literal[1] = _FORMAT
    db_schema: str
    stream: str
    run_id: str
    load_id: str
    hints: Hints
    others: dict[str, Hints] = {}
    began: float  # when the run did: the ids of two runs may be of one second
    generation: str | None = None
    last: bool = False
    whole: bool = False  # the stream was read to its end
    retract: tuple[str, ...] = ()
    state: tuple[tuple[str, str | None], ...] = ()
    states: dict[str, tuple[tuple[str, str | None], ...]] = {}
    slices: str = ""
    shows: tuple[str, ...] = ()


class PageHead(msgspec.Struct, frozen=True, kw_only=True):
    """Where a page came from, and when, with secrets masked; the bytes of each of its records.

    `tables` are those that they go to where there are several.

    `said` holds the `request`, the `slice`, and the position at which the slice goes on.
    """

    stream: str
    at: float
    said: dict[str, Any]
    extras: Extras = ()
    sizes: tuple[int, ...] = ()
    tables: tuple[str, ...] | None = None

    @property
    def request(self) -> str:
        """The request that brought it."""
        return str(self.said["request"])


def _said(part: PagePart) -> dict[str, Any]:
    following = msgspec.to_builtins(part.following)
    return {"request": part.origin, "slice": part.slice.key, "following": following}


class Keeping:
    """Keeps the pages of one run below `folder`; `mask` hides secrets in what is said of them."""

    def __init__(self, folder: Path, db_schema: str, run_id: str, mask: Mask) -> None:
        self._folder = folder / run_id
        self._db_schema = db_schema
        self._mask = mask
        self._count = 0
        self._began = time.time()

    def packed(self, pages: Sequence[Timed]) -> bytes:
        """Pages, compressed; what is packed separately can be put one behind the other."""
        return gzip.compress(b"".join(self._lines(pages)), _LEVEL)

    def _lines(self, pages: Sequence[Timed]) -> Iterator[bytes]:
        for part, at in pages:
            records = [bytes(record) for record in part.records]
            head = PageHead(
                stream=part.stream,
                at=at,
                said=dict(self._mask(_said(part))),
                extras=part.slice.extras,
                sizes=tuple(map(len, records)),
                tables=tuple(part.tables) if part.tables is not None else None,
            )
            yield msgspec.json.encode(head) + b"\n"
            for record in records:
                yield record
                yield b"\n"

    def write(
        self,
        checkpoint: Checkpoint,
        hints: Mapping[str, Hints],
        packed: Sequence[bytes],
        *,
        whole: bool,
    ) -> Path:
        """Keep a checkpoint's pages for good, before it is committed; `confirm` it then."""
        head = self._head(checkpoint, hints, whole=whole)
        self._count += 1
        path = self._folder / f"{self._count:06d}{_ENDING}{_UNSURE}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            first = gzip.compress(msgspec.json.encode(head) + b"\n", _LEVEL)
            with path.open("wb") as file:
                file.writelines([first, *packed])
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DestinationError(
                f"pages could not be kept in {str(self._folder)!r}: {error}",
                code="keep-pages",
                hint="make room there, or run without --keep-pages",
            ) from error
        return path

    def _head(self, checkpoint: Checkpoint, hints: Mapping[str, Hints], *, whole: bool) -> Head:
        write = checkpoint.write
        builds = [p for p in checkpoint.whole if isinstance(p.write, Replace)]
        if builds and checkpoint.schema is None:  # all records go to other tables
            write = builds[0].write
        if isinstance(write, Replace):
            generation, last = write.generation, write.swap
        else:
            generation, last = None, bool(getattr(write, "ends", False))
        shows = [p.stream for p in builds if isinstance(p.write, Replace) and p.write.swap]
        return Head(
            db_schema=self._db_schema,
            stream=checkpoint.stream,
            run_id=checkpoint.run_id,
            load_id=checkpoint.load_id,
            hints=hints[MAIN],
            others={name: said for name, said in hints.items() if name != MAIN},
            began=self._began,
            generation=generation,
            last=last,
            whole=whole,
            retract=checkpoint.retract,
            state=checkpoint.state,
            states={part.stream: part.state for part in checkpoint.beside if part.state},
            slices=checkpoint.slices,
            shows=tuple(dict.fromkeys((*shows, *map(made_by, shows)))),
        )


def confirm(path: Path) -> None:
    """Say of a file of pages that its checkpoint is committed."""
    path.rename(path.with_name(path.name.removesuffix(_UNSURE)))


def settle(folder: Path, session: Session) -> None:
    """Ask the destination which of the checkpoints that earlier runs left open it has."""
    for path in folder.glob(f"*/*{_ENDING}{_UNSURE}"):
        head = read_head(path)
        if head is not None and session.knows(head.load_id):
            confirm(path)
        else:
            path.unlink()


def kept(folder: Path) -> tuple[list[tuple[Path, Head]], int]:
    """The files of pages in the order of their checkpoints, and how many are in doubt."""
    paths = sorted(folder.glob(f"*/*{_ENDING}"))
    found = [(path, head) for path in paths if (head := read_head(path)) is not None]
    found.sort(key=lambda one: (one[1].began, one[0].name))
    return found, len(list(folder.glob(f"*/*{_ENDING}{_UNSURE}")))


def read_head(path: Path) -> Head | None:
    """What a checkpoint was, or None if the file ends before it says so."""
    try:
        with gzip.open(path) as file:
            return msgspec.json.decode(file.readline(), type=Head)
    except (OSError, EOFError, msgspec.MsgspecError):
        return None


def read_segments(path: Path) -> Iterator[tuple[Segment, tuple[str, ...] | None]]:
    """The pages of a file, as they are shaped, and the tables their records go to, where said."""
    with gzip.open(path) as file:
        file.readline()
        while line := file.readline():
            head = msgspec.json.decode(line, type=PageHead)
            records = [file.read(size + 1)[:-1] for size in head.sizes]
            yield Segment(records=records, extras=head.extras, origin=head.request), head.tables
