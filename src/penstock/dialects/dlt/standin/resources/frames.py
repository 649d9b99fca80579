"""Frames of pandas, pyarrow and polars that functions of a script yield, in place of rows.

As in dlt, steps are given a frame whole, and so is a transformer. What goes on in the run are its
rows: the frame that a transformer is given is made of these anew.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from penstock.dialects.dlt.standin.resources.rowtypes import in_cells
from penstock.dialects.dlt.standin.resources.tables import Tagged
from penstock.plan.expr import JsonValue
from penstock.plan.records import Call, Step

_KINDS = {"pandas": "to_dict", "polars": "to_dicts", "pyarrow": "to_pylist"}


def is_frame(made: object) -> bool:
    """Whether something is a frame of columns."""
    method = _KINDS.get(type(made).__module__.partition(".")[0])
    return method is not None and hasattr(made, method)


def rows_in(frame: Any) -> list[Any]:
    """The rows of a frame, in which lists and dicts are values; what is missing is null."""
    kind = type(frame).__module__.partition(".")[0]
    if kind == "pandas":
        return in_cells(frame.astype(object).where(frame.notna(), None).to_dict("records"))
    return in_cells(getattr(frame, _KINDS[kind])())


class Whole:
    """The steps of a stream whose function yields frames: they are given these, and no rows.

    What comes first decides: where that is a frame, all that the function yields goes through the
    steps before the run has it, which passes the rows on. Else the run has the steps, as of rows.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self.calls = [s for s in steps if isinstance(s, Call) and s.does != "fit"]
        self.steps = tuple(self._passing(s) if s in self.calls else s for s in steps)
        self.taken: bool | None = None

    def _passing(self, step: Step) -> Step:
        assert isinstance(step, Call), "what does something to records"
        return msgspec.structs.replace(step, function=_Passing(step, self))

    def through(self, found: Iterator[Any], show: Callable[[Any], None]) -> Iterator[Any]:
        """What a function gives, with frames as their rows.

        Null is shown where a frame has come, and each frame that its rows are taken of.
        """
        for one in found:
            if type(one) not in {dict, list} or self.taken:
                yield from self._piece(one, show)
            else:
                self.taken = False
                yield one

    def _piece(self, one: Any, show: Callable[[Any], None]) -> Iterator[Any]:
        data = one.data if isinstance(one, Tagged) else one
        framed = is_frame(data)
        if self.taken is None:
            self.taken = framed
        if framed:
            show(None)
        made = self._stepped(data) if self.taken and self.calls else [data]
        for after in made:
            rows = self._rows(after, show)
            yield one.over(rows) if isinstance(one, Tagged) else rows

    @staticmethod
    def _rows(made: Any, show: Callable[[Any], None]) -> Any:
        if not is_frame(made):
            return made
        show(made)
        return rows_in(made)

    def _stepped(self, data: Any) -> list[Any]:
        """What the steps make of a frame, or of rows that come beside frames."""
        if not isinstance(data, list):
            return self._alone(data)
        return [[after for row in data for after in self._alone(row)]]

    def _alone(self, value: Any) -> list[Any]:
        kept = [value]
        for call in self.calls:
            given, kept = kept, []
            for one in given:
                made: Any = call.function(one)
                if call.does == "filter":
                    kept += [one] if made else []
                else:
                    kept += list(made) if call.does == "expand" else [made]
        return [one for one in kept if one is not None]


class _Passing:
    """A step as the run calls it: rows of frames, which have been through it, pass."""

    def __init__(self, step: Call, whole: Whole) -> None:
        self.function = self.__wrapped__ = step.function
        self._does = step.does
        self._whole = whole

    def __call__(self, value: JsonValue) -> JsonValue | Iterable[JsonValue]:
        """What the step makes of a record."""
        if not self._whole.taken:
            return self.function(value)
        return True if self._does == "filter" else [value] if self._does == "expand" else value


class Like:
    """A frame as those before it, of rows that were made of one."""

    def __init__(self, frame: Any) -> None:
        import pyarrow as pa  # noqa: PLC0415 (a moment, and only for frames)

        self._kind = type(frame).__module__.partition(".")[0]
        self._types: Any = getattr(frame, "dtypes", None)
        if self._kind == "pandas":
            self._schema = pa.Schema.from_pandas(frame, preserve_index=False)
        else:
            self._schema = (frame.to_arrow() if self._kind == "polars" else frame).schema

    def of(self, rows: Any) -> Any:
        """The frame; what it is to be made of stays rows where they are none of its."""
        import pyarrow as pa  # noqa: PLC0415 (as above)

        names = set(self._schema.names)
        if not isinstance(rows, list) or any(names.isdisjoint(row) for row in rows):
            return rows
        columns = [_column([row.get(f.name) for row in rows], f.type) for f in self._schema]
        table = pa.Table.from_arrays(columns, schema=self._schema)
        if self._kind == "pandas":
            return table.to_pandas().astype(dict(self._types), errors="ignore")
        if self._kind == "polars":
            import polars as pl  # noqa: PLC0415 (where a script has it)

            return pl.from_arrow(table)
        return table


def _column(values: list[Any], kind: Any) -> Any:
    """A column of values that JSON holds, of any type of Arrow."""
    import pyarrow as pa  # noqa: PLC0415 (as above)
    from pyarrow import types  # noqa: PLC0415 (as above)

    if types.is_binary(kind) or types.is_large_binary(kind):
        return pa.array([None if v is None else base64.b64decode(v) for v in values], kind)
    if types.is_temporal(kind) or types.is_decimal(kind):
        texts = [None if v is None else str(v) for v in values]
        return pa.array(texts, pa.string()).cast(kind)
    return pa.array(values, kind)
