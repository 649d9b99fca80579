"""What the document says about tables: keys, write mode, declared columns, nesting, contracts."""

from __future__ import annotations

from typing import Literal

import msgspec

WriteMode = Literal["append", "replace", "merge"]
MergeStrategy = Literal["delete-insert", "upsert", "insert-only", "scd2"]
Nesting = Literal["tables", "json", "struct"]
ContractMode = Literal["evolve", "freeze", "discard_row", "discard_value"]

ColumnType = Literal[
    "bool",
    "bigint",
    "decimal",
    "double",
    "text",
    "timestamp",  # an instant, kept in UTC, to the microsecond
    "timestamp_ntz",  # a wall-clock time without zone, to the microsecond
    "date",
    "time",
    "json",  # any JSON value, kept verbatim
    "binary",
]

MAX_DIGITS = 38
"""The digits that a decimal may have."""


def decimal_size(precision: int | None, scale: int | None) -> tuple[int, int]:
    """Precision and scale of a decimal column, dlt's 38 and 9 where nothing is said."""
    return precision or MAX_DIGITS, 9 if scale is None else scale


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column declared by the document: its name as records spell it, and what is known of it.

    `type` None leaves the type to the data; `otherwise` is the type of such a column where a
    stream was read to its end and no value had said one. `precision` and `scale` are for decimals,
    in digits; `wei` is what dlt calls whole ones of any size. `zoned` says that an instant was said
    to have a zone, as it has anyway. `shown` says that a value told the type, and not the document.
    """

    name: str
    type: ColumnType | None = None
    otherwise: ColumnType | None = None
    nullable: bool = True
    precision: int | None = None
    scale: int | None = None
    wei: bool = False
    zoned: bool = False
    hard_delete: bool = False
    dedup_sort: Literal["asc", "desc"] | None = None
    description: str | None = None
    shown: bool = False


class Validity(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of versions of rows, and of when each was valid.

    `since` and `until` name the columns of these instants, `version` the field or column that tells
    versions apart; None leaves all of that to the engine. `forever` stands in `until` where a
    version is valid, in place of null. `at` is when whatever changes in a run became so, in place
    of the time of the run. Both are instants of ISO 8601.
    """

    since: str | None = None
    until: str | None = None
    version: str | None = None
    forever: str | None = None
    at: str | None = None


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream's schema may change, separately for tables, columns and data types."""

    tables: ContractMode = "evolve"
    columns: ContractMode = "evolve"
    data_type: ContractMode = "evolve"


class Nested(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a child table: `path` are the names that its own name is made of.

    `contract` is there where it is not that of the root. With `own` it is no child table, but one
    that stands for itself, with these hints: it has a key of its own.
    """

    path: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    contract: Contract | None = None
    own: Hints | None = None


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a stream says about the tables its records go to.

    `primary_key` and `merge_key` name record fields. `key_inherited` marks a primary key that
    came from the document's defaults, so that it may fall back to `<singular>_id`; `key_of_columns`
    one that hints of columns say, by which dlt does not tell records of a cursor apart. `nested`
    are columns of child tables, which come to be when records show them. `keyless` marks a merge
    that appends for want of a key. `max_nesting` is the number of levels of lists
    below the root (None: no limit); deeper lists become JSON. `nesting` says what becomes of
    objects and lists, `nesting_at` what of those at some paths, and below. `soft_delete` marks
    rows that a full read no longer brings as deleted and keeps them. `validity` is of `scd2` alone.
    """

    table: str | None = None
    primary_key: tuple[str, ...] = ()
    key_inherited: bool = False
    key_of_columns: bool = False
    merge_key: tuple[str, ...] = ()
    keyless: bool = False
    write: WriteMode = "append"
    strategy: MergeStrategy = "delete-insert"
    soft_delete: bool = False
    validity: Validity = Validity()
    columns: tuple[Column, ...] = ()
    nested: tuple[Nested, ...] = ()
    nesting: Nesting = "tables"
    nesting_at: tuple[tuple[str, Nesting], ...] = ()
    max_nesting: int | None = None
    contract: Contract = Contract()

    @property
    def names_roots(self) -> bool:
        """Whether dlt's rows of child tables name the row of the resource that they are from."""
        return (self.write == "merge" or self.keyless) and not self.versions

    @property
    def versions(self) -> bool:
        """Whether a row that changes is kept beside its new version."""
        return self.write == "merge" and self.strategy == "scd2"

    @property
    def marks_deleted(self) -> bool:
        """Whether rows that are gone are kept, and marked as deleted."""
        return self.write == "merge" and self.soft_delete and not self.versions

    @property
    def keeps_gone(self) -> bool:
        """Whether rows that are gone are kept, as old versions or marked as deleted."""
        return self.versions or self.marks_deleted

    @property
    def needs_all(self) -> bool:
        """Whether a run must bring all of a reading, for what it lacks means something."""
        by_sets = self.write == "merge" and bool(self.merge_key)
        return self.keeps_gone or by_sets
