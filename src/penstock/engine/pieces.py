"""What a lot brings for each of a stream's tables: the pieces of a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from penstock.destinations.base import Append, Checkpoint, Replace, Write
from penstock.engine.lot import Lot, Open
from penstock.engine.shaping import Shaping, made_by
from penstock.shape import Batch

if TYPE_CHECKING:
    from penstock.engine.loader import StreamLoader

WHOLE: Final = "open/*"  # what a replacement has added to tables that are not replaced
ADDED: Final = "added/"  # before the name of such a table


def note_parts(loader: StreamLoader, lot: Lot, *, last: bool) -> None:
    """Note which loads a replacement adds to tables that are not replaced, until it is shown.

    A run that does not come so far has added them for nothing. What others bring to a table is
    theirs as well: the one that made it does not empty it.
    """
    for name in lot.batches:
        table = loader.tables.at(name)
        if not loader.tables.owns(table.stream) and name not in loader.tables.met:
            kept = lot.others.setdefault(made_by(table.stream), {})
            kept[f"{ADDED}{table.stream}"] = "true"
    if last:
        for one in {id(one.tables): one for one in reversed(loader.joint.loaders)}.values():
            first = loader if one.tables is loader.tables else one
            if first.replaces:
                kept = lot.state if first is loader else lot.others.setdefault(first.name, {})
                kept.update(_shown(first))
    elif loader.replaces and (lot.segments or lot.batches) and _added(loader):
        text = loader.known.get(WHOLE)
        before = msgspec.json.decode(text, type=Open) if text else Open()
        loads = (*before.loads, lot.load_id)
        made = Open(loads=loads, at=loader.edges.now(), tables=elsewhere(loader, lot, before))
        lot.state[WHOLE] = msgspec.json.encode(made).decode()


def _shown(loader: StreamLoader) -> dict[str, str | None]:
    """What the state says when a replacement is shown."""
    own = (one.stream for name, one in loader.tables if name not in loader.tables.met)
    found: dict[str, str | None] = {
        name: None for name in (WHOLE, *(f"{ADDED}{one}" for one in own)) if name in loader.known
    }
    return found | {f"{ADDED}{name}": "true" for name in _added(loader)}


def _added(loader: StreamLoader) -> list[str]:
    """The names of tables that a stream adds to, though it builds its own anew."""
    fresh = loader.edges.full_refresh
    return [one.stream for _, one in loader.tables if not one.replaces(fresh=fresh)]


def elsewhere(loader: StreamLoader, lot: Lot, before: Open) -> tuple[str, ...]:
    """The names of tables of others that a slice has rows in, with this lot."""
    found = (loader.tables.at(name).stream for name in (*lot.segments, *lot.batches))
    others = (name for name in found if not loader.tables.owns(name))
    return tuple(dict.fromkeys((*before.tables, *others)))


def parts_of(loader: StreamLoader, lot: Lot, *, last: bool) -> list[Checkpoint]:
    """What a lot brings for each of the tables, the stream's own first.

    With the last lot come the tables of all streams that it shares some with.
    """
    found = {part.stream: part for part in reversed([*_of(loader, lot, last=last)])}
    for one in loader.joint.loaders if last else ():
        if one.tables is not loader.tables:
            more = _of(one, Lot(lot.load_id), last=True)
            found = {part.stream: part for part in more if part.schema or part.retract} | found
    own = found.pop(loader.tables.main.stream)
    return [own, *found.values()]


def _of(loader: StreamLoader, lot: Lot, *, last: bool) -> Iterator[Checkpoint]:
    """What a lot brings for each of a stream's tables, its own first.

    A replacement also empties tables that no record goes to any more.
    """
    tables, ends = loader.tables, last and loader.replaces
    for name, one in tables:
        part = _part(loader, lot.batches.get(name, []), one, lot, last=last)
        if one is tables.main or part.schema or part.retract or ends:
            yield part
    write = Replace(generation=loader.edges.run_id, swap=True) if ends else Append()
    added = () if loader.edges.full_refresh or not ends else loader.joint.known
    for name in tables.unseen if ends or lot.retract else ():
        if f"{ADDED}{name}" not in added:
            yield _said(loader, lot, name, write)
            loader.joint.shelf.shown |= {name} if ends else set()
    there = {one.stream for _, one in tables}
    yield from (_said(loader, lot, n, Append()) for n in lot.elsewhere if n not in there)


def _part(
    loader: StreamLoader, batches: Sequence[Batch], one: Shaping, lot: Lot, *, last: bool
) -> Checkpoint:
    """What a lot brings for one of the tables; `last` says that nothing more comes for it."""
    loaded, edges, shown = loader.context.loaded, loader.edges, loader.joint.shelf.shown
    settles = last and loaded and one.shaper.settle()
    if settles:
        loader.report()
    fresh = edges.full_refresh
    replaces, ends = one.replaces(fresh=fresh), one.ends(whole=loader.joint.reads_all)
    tells = last and loaded and (_declares(loader, one) if one.bare else replaces or ends)
    write: Write = Append()
    if loaded and not (replaces and one.stream in shown):
        write = one.write(fresh=fresh, generation=edges.run_id, last=tells, at=edges.began)
    if isinstance(write, Replace) and write.swap:
        shown.add(one.stream)
    if one.empty and not (batches or tells or settles):
        write = Append()  # a generation of which there is no table could not be gone on with
    part = _said(loader, lot, one.stream, write)
    dlt = edges.dlt if one.system == "dlt" else None
    if dlt is not None:
        said = dlt.said(loader.tables.stream, one, replaces=replaces)
        part = msgspec.structs.replace(part, dlt=said)
    one.wrote = isinstance(write, Replace) if batches else one.wrote
    if not (batches or tells or settles):
        return part
    return msgspec.structs.replace(part, schema=one.schema, batches=batches)


def _said(loader: StreamLoader, lot: Lot, stream: str, write: Write) -> Checkpoint:
    return Checkpoint(
        load_id=lot.load_id,
        run_id=loader.edges.run_id,
        stream=stream,
        write=write,
        schema=None,
        retract=lot.retract,
    )


def _declares(loader: StreamLoader, one: Shaping) -> bool:
    """Whether a table without rows is made for what the document says of its columns."""
    splits = loader.context.stream.table_of is not None or loader.tables.others
    return loader.context.loaded and one.shaper.declares and not splits
