"""What shaping has to say for itself: counts, schema changes and warnings, for the receipt."""

from __future__ import annotations

from typing import Literal

import msgspec

from penstock.errors import Diagnostic

ChangeKind = Literal["table", "column", "type", "variant", "renamed"]


class SchemaChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a stream's tables; `detail` is the sentence for people."""

    kind: ChangeKind
    table: str
    column: str = ""
    detail: str

    def __str__(self) -> str:
        return self.detail


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a shaper has done so far.

    Blocks and rows (of the root table) are counted by the lane that shaped them. `rows_without_key`
    counts rows that lack the inherited key of the document where another key took its place.
    """

    main_blocks: int = 0
    main_rows: int = 0
    exact_blocks: int = 0
    exact_rows: int = 0
    variant_values: int = 0
    discarded_rows: int = 0
    discarded_values: int = 0
    duplicate_rows: int = 0
    rows_without_key: int = 0
    changes: tuple[SchemaChange, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


class Tally:
    """The counts while they grow."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.changes: list[SchemaChange] = []
        self.warnings: list[Diagnostic] = []

    def add(self, name: str, count: int = 1) -> None:
        """Add to one of the counts of `Statistics`."""
        self.counts[name] = self.counts.get(name, 0) + count

    def changed(self, kind: ChangeKind, table: str, column: str, detail: str) -> None:
        """Record a schema change."""
        change = SchemaChange(kind=kind, table=table, column=column, detail=detail)
        self.changes.append(change)

    def warn(self, code: str, message: str, hint: str | None = None) -> None:
        """Record a warning."""
        self.warnings.append(Diagnostic(code=code, severity="warning", message=message, hint=hint))

    def statistics(self) -> Statistics:
        """The counts so far, for good."""
        return Statistics(**self.counts, changes=tuple(self.changes), warnings=tuple(self.warnings))
