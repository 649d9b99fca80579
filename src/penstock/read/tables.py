"""A page as it is handed out: which table each of its records goes to, where there are several."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.errors import Error, ReadError
from penstock.plan import jsontext
from penstock.plan.hints import Hints
from penstock.plan.python import TableOf
from penstock.plan.slices import Slice
from penstock.read.closing import resumable
from penstock.read.context import StreamContext
from penstock.read.decode import RawRecord
from penstock.read.parts import PagePart
from penstock.read.walked import Walked


def handed_out(
    context: StreamContext, piece: Slice, page: Walked, records: Sequence[RawRecord]
) -> PagePart:
    """The records of a page, on their way to their tables.

    Raises:
        ReadError: the document's own function names no table for one of them.
    """
    stream, hints = context.stream, dict[str, Hints]()
    tables: Sequence[str] | None = None
    if stream.table_of is not None:
        of = stream.table_of
        tables = [named(of, record) for record in records]
        for table in set(tables) - set(context.tables) if of.hints else ():
            context.tables[table] = said(of, records[tables.index(table)])
        hints = {table: context.tables[table] for table in set(tables) & set(context.tables)}
    elif page.table is not None:
        tables = [page.table] * len(records)
        hints = {page.table: page.hints} if page.hints is not None else {}
    return PagePart(
        stream=context.name,
        slice=piece,
        records=records,
        origin=f"{stream.request.method} {page.url}",
        size=page.size,
        following=page.following,
        resumable=resumable(context),
        tables=tables,
        hints=hints or None,
    )


def named(of: TableOf, record: RawRecord) -> str:
    """The table that a record goes to.

    Raises:
        ReadError: the function fails, or gives no text.
    """
    value = jsontext.decode(record)
    try:
        name = of.function(value)
    except Exception as exc:
        raise _refused(of, record, f"failed on {{}}: {exc!r}") from exc
    if isinstance(name, str) and name.strip():
        return name
    raise _refused(of, record, f"gave {name!r} for {{}}, which is no name")


def said(of: TableOf, record: RawRecord) -> Hints:
    """What is said of a table, by the first record that goes to it.

    Raises:
        ReadError: a function fails, or says what cannot be.
    """
    assert of.hints is not None, "only what is said by functions is asked for"
    try:
        return of.hints(jsontext.decode(record))
    except Error as exc:
        raise _refused(of, record, f"comes with hints that are wrong for {{}}: {exc}") from exc
    except Exception as exc:
        raise _refused(of, record, f"comes with hints that fail on {{}}: {exc!r}") from exc


def _refused(of: TableOf, record: RawRecord, text: str) -> ReadError:
    shown = bytes(record)[:200].decode("utf-8", "replace")
    return ReadError(
        f"the function {of.name} that names tables {text.replace('{}', shown)}",
        code="table-name",
        hint="have it give the name of a table, as a text, for every record",
    )
