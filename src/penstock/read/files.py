"""Files that records lead to: fetched, and kept in a folder before their records are handed out.

A file has its final name only once it is whole. One that is fetched again takes the place of the
first, so that a run which is repeated leaves none twice, if the document names its files.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

import msgspec

from penstock.errors import ReadError
from penstock.plan import jsontext
from penstock.plan.decoder import Decoder
from penstock.plan.expr import Frame, JsonValue, evaluate_text
from penstock.plan.files import Files
from penstock.plan.page import Headers, HttpResponse
from penstock.plan.records import RecordPath
from penstock.read.ask import Asker
from penstock.read.context import StreamContext
from penstock.read.decode import RawRecord, path_text
from penstock.read.fetch import seeing
from penstock.read.jobs import exchange, found
from penstock.read.parts import PagePart
from penstock.read.threads import called

Spawn: TypeAlias = "Callable[[Coroutine[Any, Any, JsonValue]], asyncio.Task[JsonValue]]"

_OK = 200
FIELD: Final = "file_reference"
"""The field of a record in which a load keeps where its file is, how it is called, and its size."""


async def with_files(
    context: StreamContext, asker: Asker, spawn: Spawn, part: PagePart
) -> PagePart:
    """A page whose records say where their files are, which are fetched all at once.

    Raises:
        ReadError: a record leads to no file, it cannot be had, or may not be called so.
    """
    files, folder = context.stream.files, context.settings.files
    if files is None or folder is None or not part.records:
        return part
    frame = context.frame(part.slice)
    kept = partial(_kept, context, asker, files, folder, frame)
    tasks = [spawn(kept(record)) for record in part.records]
    try:
        references = [await task for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
    if context.settings.files_apart:
        return msgspec.structs.replace(part, files=references)
    records = [_joined(*pair) for pair in zip(part.records, references, strict=True)]
    return msgspec.structs.replace(part, records=records)


async def _kept(  # noqa: PLR0913, PLR0917 (a record, and the run it is read in)
    context: StreamContext,
    asker: Asker,
    files: Files,
    folder: Path,
    frame: Frame,
    record: RawRecord,
) -> JsonValue:
    """Fetch the file of a record; gives where it is, its name, and its bytes."""
    target = await _target(context, files.target, record, frame)
    _, answer = await exchange(
        context, asker, files.fetch, seeing(frame, {"download_target": target})
    )
    body = bytes(answer.body)
    name = uuid.uuid4().hex if files.name is None else _named(files, frame, record)
    place = _inside(context.stream.called or context.name, name)
    full = folder / place
    try:
        await called(_write, full, body)
    except OSError as exc:
        raise ReadError(
            f"the file {str(place)!r} cannot be written: {exc.strerror or exc}",
            code="file-unwritten",
            hint=f"see to the folder {folder}",
        ) from exc
    return {
        "staging_file_url": str(full),
        "source_file_relative_path": str(place),
        "file_size_bytes": len(body),
    }


def _joined(record: RawRecord, reference: JsonValue) -> RawRecord:
    fields = jsontext.decode(record)
    assert isinstance(fields, dict), "what leads to a file is an object"
    return msgspec.Raw(jsontext.encode({**fields, FIELD: reference}))


async def _target(
    context: StreamContext, path: RecordPath, record: RawRecord, frame: Frame
) -> JsonValue:
    body = bytes(record)
    response = HttpResponse(status=_OK, url="", headers=Headers(), body=body)
    places = await found(context, response, path, Decoder(), frame)
    if not places or not isinstance(places[0], str):
        raise ReadError(
            f"a record has no text at {path_text(path)!r} that says where its file is",
            code="file-target",
            hint=f"it is {body[:200].decode('utf-8', 'replace')}",
        )
    return places[0]


def _named(files: Files, frame: Frame, record: RawRecord) -> str:
    assert files.name is not None, "a file without a name gets another"
    value = jsontext.decode(record)
    fields = value if isinstance(value, dict) else {}
    return evaluate_text(files.name, msgspec.structs.replace(frame, record=fields))


def _inside(stream: str, name: str) -> PurePosixPath:
    """Where a file goes below the folder: never beside it, whatever the API says.

    Raises:
        ReadError: the name leads elsewhere, or is none.
    """
    own = PurePosixPath(name.lstrip("/"))
    place = PurePosixPath(stream.lstrip("/")) / own
    if not own.parts or ".." in place.parts or "\0" in str(place):
        raise ReadError(
            f"a file of {stream!r} cannot be called {name!r}",
            code="file-name",
            hint="a name may lead into folders, and not out of them",
        )
    return place


def _write(place: Path, body: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    made = place.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        made.write_bytes(body)
        made.replace(place)
    finally:
        made.unlink(missing_ok=True)
