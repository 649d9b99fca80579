"""The receipt of a stream: everything counted, and the warnings a reader of it should see."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from penstock.engine.loader import StreamLoader
from penstock.events import Failure, Receipt, Status
from penstock.plan.source import Stream
from penstock.read.context import StreamContext

# A single page that holds exactly so many records may be one that the API cut off.
_ROUND = frozenset({10, 20, 25, 30, 50, 100, 200, 250, 500, 1000})


_MENDED = {
    "bad-text": "{:,} places in answers are no UTF-8 text, and were replaced by U+FFFD",
    "no-number": "{:,} numbers in answers are none (NaN, Infinity), and were taken for null",
    "too-deep": "{:,} values in answers nest too deeply, and are kept as JSON text",
}
_AGAIN = "run the same command again: only what is missing is asked for"
# What has to be done before that, where the same command alone would fail in the same way.
_FIRST = {
    "component-failed": "correct the function",
    "expr": "correct what is said of it",
    "connection": "see whether the base URL is right and the API can be reached",
}


def make_receipt(
    context: StreamContext, loader: StreamLoader | None, previous: Receipt | None, seconds: float
) -> Receipt:
    """What a run can say of one stream."""
    tally = context.tally
    for code, message in _findings(context, loader, previous):
        tally.note(code, message)
    # what shaping found of a table that others load too is told once
    tells = loader is not None and loader is loader.joint.mates(loader)[0]
    shaped = loader.tables.statistics() if loader and tells else None
    rows = dict(loader.rows) if loader else {}
    roots = loader.roots if loader else (context.name,)
    return Receipt(
        stream=context.name,
        table=roots[0],
        status=_status(context, loader),
        rows=sum(rows.get(root, 0) for root in roots),
        rows_read=tally.rows_read,
        rows_by_table=rows,
        requests=tally.requests,
        pages=tally.pages,
        bytes=tally.bytes,
        slices=tally.slices,
        slices_skipped=tally.slices_skipped,
        claimed=tally.claimed,
        duplicates=tally.duplicates + (shaped.duplicate_rows if shaped else 0),
        filtered=tally.filtered,
        retries=tally.retries,
        waited=round(tally.waited, 3),
        prefetch_wasted=tally.prefetch_wasted,
        ended=dict(tally.ended),
        window=_window(context),
        schema_changes=tuple(map(str, shaped.changes)) if shaped else (),
        detected=tuple(tally.detected),
        main_lane_rows=shaped.main_rows if shaped else 0,
        exact_lane_rows=shaped.exact_rows if shaped else 0,
        warnings=tuple(tally.notes.values()),
        failures=tuple(map(_advised, tally.failures)),
        seconds=round(seconds, 3),
    )


def _advised(failure: Failure) -> Failure:
    """The failure, with something to do where the error itself knows nothing better."""
    if failure.hint:
        return failure
    first = _FIRST.get(failure.code)
    return msgspec.structs.replace(failure, hint=f"{first}, then {_AGAIN}" if first else _AGAIN)


def _status(context: StreamContext, loader: StreamLoader | None) -> Status:
    tally = context.tally
    if context.lost:
        read_any = tally.rows_read > 0 or sum(tally.ended.values()) > 0
        return "partial" if read_any and not _unshown(loader) else "failed"
    return "partial" if tally.misread else "done"


def _unshown(loader: StreamLoader | None) -> bool:
    """Whether everything that was read waits for a replacement that is never shown."""
    return loader is not None and loader.replaces and not loader.swapped


def _findings(
    context: StreamContext, loader: StreamLoader | None, previous: Receipt | None
) -> list[tuple[str, str]]:
    """What the field suffers silently, said."""
    tally, stream = context.tally, context.stream
    found: list[tuple[str, str]] = []
    if tally.path_absent:
        found.append(("record-path-empty", _missed(stream, tally.rows_elsewhere)))
    found += [(code, _MENDED[code].format(n)) for code, n in sorted(tally.mended.items())]
    if tally.claimed is not None and tally.rows_read > tally.claimed:
        text = f"the API told of {tally.claimed} records, {tally.rows_read} came: there may be more"
        found.append(("above-total", text))
    if tally.claimed is not None and tally.rows_read < tally.claimed:
        found.append(
            (
                "below-total",
                f"the API told of {tally.claimed} records, {tally.rows_read} came",
            )
        )
    if set(tally.ended) == {"single-page"} and tally.pages == 1 and tally.rows_read in _ROUND:
        found.append(
            (
                "full-last-page",
                f"the only page held exactly {tally.rows_read} records: there may be more",
            )
        )
    follows = stream.cursor is not None or (context.memory is not None and context.memory.used)
    if previous and previous.rows_read > 0 and tally.rows_read == 0 and not follows:
        found.append(("rows-gone", f"no record came; the last run had {previous.rows_read}"))
    if _unshown(loader) and not context.whole:
        found.append(("not-replaced", "not all records came, so the old table is kept as it is"))
    return found


def _missed(stream: Stream, elsewhere: Iterable[str]) -> str:
    from penstock.read.decode import misplaced  # noqa: PLC0415 (only where something is wrong)

    return f"{misplaced(stream.records.path, elsewhere)}: no row was loaded"


def _window(context: StreamContext) -> tuple[str, str] | None:
    """What the state says is covered, as texts."""
    from penstock.read.state import read_mark, read_stretches  # noqa: PLC0415 (few streams)

    cursor = context.stream.cursor
    if cursor is None:
        return None
    if cursor.window is not None:
        stretches = read_stretches(context.state.get("windows"))
        if stretches:
            return stretches[0].start.isoformat(), stretches[-1].end.isoformat()
        return None
    mark = read_mark(context.state.get("cursor"))
    return ("", str(mark.value)) if mark and mark.value is not None else None


def decode_receipt(text: str | None) -> Receipt | None:
    """A stored receipt; one that another version of Penstock wrote may not be readable."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Receipt)
    except msgspec.ValidationError:
        return None
