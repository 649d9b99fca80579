"""Where records stand in an answer, and what is done to each before it is shaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from penstock.plan.expr import Expr, JsonValue
from penstock.plan.python import Batch, Extract
from penstock.plan.transforms import Expand, Transform

if TYPE_CHECKING:
    from penstock.plan.door import Door


class Keys(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Plain keys from the top of the answer; none means the whole answer.

    With `each` the values of an object there are the records, and what is neither list nor object
    holds none.
    """

    path: tuple[str, ...] = ()
    each: bool = False


class JsonPath(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A JSONPath that plain keys cannot say, evaluated by jsonpath-ng."""

    text: str


class Glob(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Segments with `*`, `?` and `[...]` as dpath reads them; a list answer is walked per item."""

    path: tuple[str, ...]


class DetectRecords(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The document does not say: found in the first answer, then kept."""


class Several(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The records of several paths: of all in order, or of the first that has any.

    `spreads` says for each path what makes several records of each there, or is empty.
    """

    paths: tuple[Keys | Glob, ...]
    mode: Literal["all", "first"] = "all"
    skip_empty: bool = False
    spreads: tuple[Expand | None, ...] = ()


RecordPath: TypeAlias = Keys | JsonPath | Glob | Several | DetectRecords | Extract

Record: TypeAlias = "dict[str, JsonValue]"


class Keep(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Drops records for which the condition is false."""

    when: Expr


class Call(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A function of the user's document, once a record.

    `does` says what it is: `filter` (keep if true), `map` (the new record), `expand` (several),
    `fit` (the record as it should be, or none).
    With `by` it is the one of `options` that this names. One that asks the run may block, and is
    called `around`, which is given the run.
    """

    does: Literal["filter", "map", "expand", "fit"]
    function: Callable[[JsonValue], JsonValue | Iterable[JsonValue]]
    name: str = ""
    by: Expr | None = None
    options: tuple[tuple[str, Callable[[JsonValue], JsonValue | Iterable[JsonValue]]], ...] = ()
    around: Callable[[Door], AbstractContextManager[None]] | None = None


class Carry(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Adds a value of the slice to each record as field `name`.

    With `keep` a record that has the field already keeps its own value.
    """

    name: str
    value: Expr
    keep: bool = False


class Change(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Alters each record as `penstock.plan.transforms.apply` says."""

    transform: Transform


class Spread(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Makes several records of each, as `penstock.plan.transforms.expand` says."""

    expand: Expand


Step: TypeAlias = Keep | Call | Carry | Change | Spread | Batch


class Records(msgspec.Struct, frozen=True, kw_only=True):
    """The records of an answer.

    `single` says that an object at the path is one record. `absent` says what a path that is not
    there means: `error`, `empty` (a page without records), or `unless-seen`: empty, but an error
    once another page of the stream had it.
    """

    path: RecordPath = Keys()
    steps: tuple[Step, ...] = ()
    single: bool = True
    absent: Literal["error", "empty", "unless-seen"] = "unless-seen"
