"""How rows are written: dispositions, the strategies of a merge, and what is said of versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from msgspec.structs import replace

from penstock.dialects.dlt.context import Context
from penstock.dialects.document import Joined, Node, SecretRef
from penstock.plan.datetimes import moment_of
from penstock.plan.hints import Column, MergeStrategy, Validity, WriteMode

_STRATEGIES: tuple[MergeStrategy, ...] = get_args(MergeStrategy)
_WRITES: tuple[WriteMode, ...] = get_args(WriteMode)
_VERSIONS = ("validity_column_names", "active_record_timestamp", "boundary_timestamp",
             "row_version_column_name")  # fmt: skip
_GAPS = ("deduplicated", "skip_unchanged_rows")
_CONDITIONS = ("source_filter", "destination_scope")
_PAIR = 2
_DLT_ID = "_dlt_id"

Written = tuple[WriteMode, MergeStrategy, Validity]


def skipped(node: Node) -> bool:
    """Whether a merged resource says that its rows are not loaded at all."""
    said = node.mapping.get("write_disposition")
    return said is not None and said.value == "skip"


def written(ctx: Context, node: Node | None) -> Written:
    """The disposition of a resource, its strategy where it merges, and what is said of versions."""
    default: Written = ("append", "delete-insert", Validity())
    if node is None or node.value is None:
        return default
    if isinstance(node.value, (str, SecretRef, Joined)):
        return _mode(ctx, node), "delete-insert", Validity()
    if not isinstance(node.value, dict):
        ctx.wrong(node, "a text or a mapping")
        return default
    known = ("disposition", "strategy", *_VERSIONS, *_GAPS, *_CONDITIONS)
    ctx.keys(node, known, "write_disposition")
    said = node.get("disposition")
    if said is None:
        ctx.missing(node, "disposition", "write_disposition")
        return default
    write, chosen = _mode(ctx, said), node.get("strategy")
    _without_options(ctx, node)
    strategy: MergeStrategy = "delete-insert"
    if write == "merge":
        named = ctx.choice(chosen, _STRATEGIES, "delete-insert")
        strategy = next(s for s in _STRATEGIES if s == named)
    if strategy == "scd2":
        return write, strategy, _validity(ctx, node)
    for key in _VERSIONS:
        held = node.get(key)
        if held is not None and held.value is not None:
            ctx.gap(held, f"{key} means something with the strategy 'scd2'")
    return write, strategy, Validity()


def _mode(ctx: Context, node: Node) -> WriteMode:
    if ctx.static(node) == "skip":
        return "append"
    chosen = ctx.choice(node, _WRITES, "append")
    return next(w for w in _WRITES if w == chosen)


def _without_options(ctx: Context, node: Node) -> None:
    """Tell of what changes no value, and of what would leave rows out."""
    for key in (*_GAPS, *_CONDITIONS):
        held = node.get(key)
        if held is None or not held.value:
            continue
        held.mark()
        if key in _GAPS:
            ctx.gap(held, f"{key} is not honoured: it changes no value")
            continue
        hint = "leave rows out with a filter in processing_steps"
        ctx.error("unsupported", f"{key} is a condition in SQL", held, hint, key=True)


def _validity(ctx: Context, node: Node) -> Validity:
    named = node.get("validity_column_names")
    names = ctx.texts(named)
    if named is not None and named.value is not None and len(names) != _PAIR:
        ctx.wrong(named, "a list of two texts")
        names = ()
    since, until = names or (None, None)
    version = ctx.text(node.get("row_version_column_name"))
    return Validity(
        since=since,
        until=until,
        version=None if version == _DLT_ID else version,
        forever=_moment(ctx, node.get("active_record_timestamp")),
        at=_moment(ctx, node.get("boundary_timestamp")),
    )


def _moment(ctx: Context, node: Node | None) -> str | None:
    """An instant that must be known now, as ISO 8601; without a zone it is one of UTC."""
    if node is None or node.value is None:
        return None
    value = ctx.static(node)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    found = moment_of(str(value)) if number or isinstance(value, str) else None
    if found is None:
        ctx.wrong(node, "a moment such as 2024-08-21T12:15:00Z")
        return None
    return found.isoformat()


def versioned(
    ctx: Context, node: Node, columns: Sequence[Column], validity: Validity
) -> tuple[Column, ...]:
    """The columns where versions are kept: one that tells them apart has a value in every row.

    Rows that say they are deleted are versions like any others, as in dlt.
    """
    for column in columns:
        if column.hard_delete:
            ctx.gap(node, f"hard_delete of the column {column.name!r} does nothing with 'scd2'")
    found = [replace(column, hard_delete=False) for column in columns]
    named = validity.version
    if named is not None:
        found = [replace(c, nullable=False) if c.name == named else c for c in found]
        if named not in {column.name for column in found}:
            found.append(Column(name=named, nullable=False))
    return tuple(found)
