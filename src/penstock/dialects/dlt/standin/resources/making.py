"""Rows that functions of a script make → the callables of the plan, for when a run wants them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from types import FunctionType
from typing import Any

from penstock.dialects.dlt.paths import found_at, steps
from penstock.dialects.dlt.standin.base.record import unknown
from penstock.dialects.dlt.standin.base.references import read_text
from penstock.dialects.dlt.standin.resources.described import columns_over
from penstock.dialects.dlt.standin.resources.frames import Like, Whole, is_frame, rows_in
from penstock.dialects.dlt.standin.resources.opened import rows_of
from penstock.dialects.dlt.standin.resources.rows import Limit, Rows, held_by, marks_tables
from penstock.dialects.dlt.standin.resources.rowtypes import Kinds, plain_record
from penstock.dialects.dlt.standin.resources.schemas import NOTED
from penstock.dialects.dlt.standin.resources.sharing import is_generator
from penstock.dialects.dlt.standin.resources.sources import DltResource, DltSource
from penstock.dialects.dlt.standin.resources.tables import Saying, Tagged, WrongHintsError
from penstock.dialects.dlt.standin.rest_client.calling import file_of, live, references_in
from penstock.dialects.dlt.standin.rest_client.client import RESTClient
from penstock.dialects.dlt.standin.rest_client.client import door as asking
from penstock.dialects.dlt.standin.rest_client.parts import Incremental, like_of, moment_of
from penstock.dialects.document import SecretRef
from penstock.dialects.python.calling import Calling, ComponentError
from penstock.dialects.python.running import Entered, current
from penstock.plan.door import Door
from penstock.plan.expr import Frame, JsonValue
from penstock.plan.hints import Hints
from penstock.plan.python import ForTable, NextSource, Retrieve
from penstock.plan.variants import SENSITIVE, captured, digest

_END = object()
_NOTHING: Mapping[str, Any] = {}
_MANY = 20  # beside the function: then the newest goes on alone
_CALLED = "resource whose function is called"
_FRAMED = "what frames of a stream are like"


def row_references(rows: Rows) -> Iterator[SecretRef]:
    """The values of the user's that a function is called with, or finds outside of itself."""
    yield from _references(rows, set())


def _references(rows: Rows, seen: set[int]) -> Iterator[SecretRef]:
    """The same; of functions that go through each other's rows each is `seen` once."""
    if id(rows.function) in seen:
        return
    seen.add(id(rows.function))
    for value in (*rows.args, *rows.named.values(), *held_by(rows.function)):
        if isinstance(value, DltSource):
            for resource in value.own_resources:
                yield from _references_of(resource, seen)
        elif isinstance(value, DltResource):
            yield from _references_of(value, seen)
        elif isinstance(value, RESTClient):
            yield from references_in(list(vars(value).values()))
        else:
            yield from references_in(value)
    for one in rows.more:
        yield from _references(one, seen - {id(one.function)})  # it has other arguments


def _references_of(resource: DltResource, seen: set[int]) -> Iterator[SecretRef]:
    """The values that a resource needs whose rows a function goes through."""
    yield from references_in([resource.config, resource.item, resource.incremental])
    if resource.rows is not None:
        yield from _references(resource.rows, seen)
    if resource.parent is not None:
        yield from _references_of(resource.parent, seen)


def retrieve(rows: Rows, saying: Saying, whole: Whole, fed: str = "") -> Retrieve:
    """What makes the rows of a resource when the run asks for them; `fed` by another stream.

    The `whole` has its steps, for frames.
    """

    def made(door: Door, frame: Frame) -> Iterator[JsonValue | ForTable | NextSource]:
        file = rows.file or file_of(rows.function)
        with Calling(door, file, rows.name):
            args = [live(a, door) for a in rows.args]
            named = {k: live(v, door) for k, v in rows.named.items() if k != rows.cursor}
            said = rows.followed
            following = Following(said, frame, door) if said is not None else None
            if rows.cursor is not None and following is not None:
                named[rows.cursor] = following
            door.kept[_CALLED, saying.stream] = Called(rows, following)
            seen: Any = frame.slice.get("extra") or {}
            items = [_item(door, fed, seen["item"])] if rows.takes_items else []
            found = rows.function(*items, *args, **named)
            found = given(_made_of_items(found) if rows.takes_items else found)
            found = whole.through(found, partial(_show, door, saying, whole))
            found = found if following is None else _followed(found, following)
        found = saying.fitting(found)
        guarded = _Guarded(found, door, file, rows.name, saying)
        guarded.after = _following_ones(rows, saying, whole, door, frame)
        return guarded

    calls = not is_generator(rows.function)
    return Retrieve(
        function=made,
        name=rows.name,
        said=_said(rows),
        parts=rows,
        calls=calls,
        marks=any(marks_tables(one.function) for one in (rows, *rows.more)),
    )


def _show(door: Door, saying: Saying, whole: Whole, frame: Any) -> None:
    """Keep what a frame is like, for what is fed with its rows; they may have types of Python's."""
    saying.types = saying.types or (bool(whole.taken) and saying.named)
    if frame is not None and (_FRAMED, saying.stream) not in door.kept:
        door.kept[_FRAMED, saying.stream] = Like(frame)


def _item(door: Door, fed: str, item: Any) -> Any:
    """What a transformer is given: a frame, where what feeds it yields frames."""
    like: Any = door.kept.get((_FRAMED, fed))
    return item if like is None else like.of(item)


def _following_ones(
    rows: Rows, saying: Saying, whole: Whole, door: Door, frame: Frame
) -> Iterator[JsonValue | ForTable | NextSource]:
    """The rows of further resources that are called the same."""
    for one in rows.more:
        yield NextSource(number=one.nth)
        yield from retrieve(one, saying, whole).function(door, frame)


def rows_in_run(resources: Sequence[DltResource]) -> Iterator[Any]:
    """The rows of resources one by one, for another function that a run calls."""
    return _read(resources, current())


def rows_at_once(resources: Sequence[DltResource], home: str) -> Iterator[Any]:
    """The rows of resources one by one, for the script itself; see `rows_of` for their `home`."""
    around = asking()
    found = _read(resources, around, home)
    while True:
        with Entered(around):
            row = next(found, _END)
        if row is _END:
            return
        yield row


def _read(resources: Sequence[DltResource], door: Door, home: str = "") -> Iterator[Any]:
    """The rows of resources; a function that needs nothing of a run is simply called."""
    if len(resources) != 1 or not _is_simple(resources[0].rows):
        yield from rows_of(resources, door, home)
        return
    rows, steps = resources[0].rows, resources[0].steps
    assert rows is not None, "it is simple"
    args = [live(value, door) for value in rows.args]
    found = rows.function(*args, **{k: live(v, door) for k, v in rows.named.items()})
    made = (_stepped_piece(piece, steps) for piece in given(found))
    for pieces in _limited(made, resources[0].limit, door):
        for piece in pieces:
            yield from _without_marks(piece)


def _without_marks(row: Any) -> Iterator[Any]:
    """A row, or the rows that are marked for a table: whoever goes through them sees no marks."""
    if not isinstance(row, Tagged):
        yield row
    elif isinstance(row.data, list):
        yield from row.data
    elif row.data is not None:
        yield row.data


def _is_simple(rows: Rows | None) -> bool:
    return rows is not None and not rows.takes_items and rows.followed is None


def _stepped(row: Any, steps: Sequence[Mapping[str, Any]], *, alone: bool) -> list[Any]:
    """What the steps behind a function leave of a row, which goes alone or in a page."""
    kept = [(row, alone)]
    for does, function in (pair for step in steps for pair in step.items()):
        given, kept = kept, []
        for one, alone_here in given:
            if does == "filter":
                kept += [(one, alone_here)] if function(one) else []
            elif does == "map" and not alone_here:
                kept.append((function(one), False))
            else:
                made = [function(one)] if does == "map" else function(one)
                kept += [pair for after in made for pair in _going_on(after)]
    return [one for one, _ in kept]


def _stepped_piece(piece: Any, steps: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """What the steps leave of a piece that a function gave, in pieces that count by themselves."""
    alone = not isinstance(piece, list)
    if not alone and not piece:
        return [[]]
    found = [
        row for one in ([piece] if alone else piece) for row in _stepped(one, steps, alone=alone)
    ]
    singly = any("yield_map" in step for step in steps)
    return [[row] for row in found] if singly else [found] if found else []


def _going_on(made: Any) -> list[tuple[Any, bool]]:
    """What goes on of what a step made of a row that goes alone: a list is so many rows."""
    if made is None:
        return []
    return [(one, False) for one in made] if isinstance(made, list) else [(made, True)]


def _said(rows: Rows) -> str:
    """What a function is called with and encloses, as far as texts and numbers say it."""
    function = inspect.unwrap(rows.function)
    free = function.__code__.co_freevars if isinstance(function, FunctionType) else ()
    enclosed = {n: v for n, v in captured(function).items() if n in free} if free else {}
    names = list(inspect.signature(function).parameters)[rows.takes_items :]
    given = {**enclosed, **dict(zip(names, rows.args, strict=False)), **rows.named}
    return ", ".join(_words({n: v for n, v in given.items() if n != rows.cursor}))


def _words(value: Any) -> Iterator[str]:
    """The texts and numbers of a value; where a name hides what it is, a digest of each."""
    if isinstance(value, Mapping):
        for name, held in value.items():
            hides = SENSITIVE.search(str(name)) is not None
            yield from map(digest, _words(held)) if hides else _words(held)
        return
    found = read_text(value) if isinstance(value, str) else value
    found = found.name if isinstance(found, SecretRef) else found
    if isinstance(found, (str, int, float)):
        yield str(found)


class Following:
    """An incremental as a function sees it while it makes rows: where they begin, and where it is.

    Which rows are kept the run decides; this is for functions that ask for no more than they need.
    """

    def __init__(self, said: Incremental, frame: Frame, door: Door) -> None:
        bounds: Any = frame.slice.get("cursor") or {}
        initial = said.initial_value
        self.cursor_path = said.cursor_path
        self.initial_value = initial
        # Without a first value it is remembered of what kind those are that the state gives back.
        self._kept = door.remembered() if initial is None else None
        like = like_of(self._kept.cursor) if self._kept is not None else initial
        self.start_value = self.last_value = moment_of(bounds.get("start"), like)
        self._said = said
        said.learned = like if isinstance(like, date) else None
        self.end_value = said.end_value
        if said.allow_external_schedulers:  # the scheduler sets the range of this run
            self.initial_value = self.start_value
            self.end_value = moment_of(bounds.get("end"), like)
        self.row_order = said.row_order
        self.lag = said.lag
        function = said.last_value_func or max
        self.last_value_func: Any = {"max": max, "min": min}.get(str(function), function)
        self.start_out_of_range = self.end_out_of_range = False
        self._opens, self._closes = said.range_start == "open", said.range_end == "closed"

    @property
    def incremental(self) -> Following:
        """Itself: a resource of dlt holds it inside of another object."""
        return self

    def can_close(self) -> bool:
        """Whether all rows that follow lie outside of the range, by the order that is said."""
        outside = {"asc": self.end_out_of_range, "desc": self.start_out_of_range}
        return outside.get(self.row_order or "", False)

    def get_current_range(self, apply_lag: bool = True) -> tuple[Any, Any]:  # noqa: FBT001, FBT002 (as dlt has it)
        """Where the rows begin, and where they end by now."""
        del apply_lag
        return self.start_value, self.last_value if self.end_value is None else self.end_value

    def get_cursor_column_name(self) -> str | None:
        """The field of the cursor, where its path is one."""
        found = steps(self.cursor_path)
        return found[0] if found and len(found) == 1 and isinstance(found[0], str) else None

    def see(self, made: Any) -> None:
        """Learn from what the function gave."""
        made = made.data if isinstance(made, Tagged) else made
        for row in made if isinstance(made, list) else [made]:
            value = found_at(self.cursor_path, row) if isinstance(row, Mapping) else None
            self.start_out_of_range = self.end_out_of_range = False  # they tell of the last row
            if value is not None:
                with suppress(TypeError):  # a step behind the function makes another of it
                    self._learn(value)

    def _learn(self, value: Any) -> None:
        if self._kept is not None and isinstance(value, date):
            self._kept.cursor = "moment" if isinstance(value, datetime) else "day"
            self._said.learned = value
        if isinstance(value, date) and isinstance(self.start_value, str):  # what a state gave back
            self.start_value = self.last_value = moment_of(self.start_value, value)
        start, end, pick = self.start_value, self.end_value, self.last_value_func
        alone = pick((value,))
        if end is not None:
            out = not self._closes if alone == end else pick((value, end)) != end
            self.end_out_of_range = out
            if out:
                return
        if start is not None:
            out = self._opens if alone == start else pick((value, start)) == start
            self.start_out_of_range = out
        held = () if self.last_value is None else (self.last_value,)
        self.last_value = pick((value, *held))


class Called:
    """The resource whose function a run calls, as that function may ask for it."""

    def __init__(self, rows: Rows, incremental: Following | None) -> None:
        self._resource = rows.resource
        self.incremental = incremental

    def __getattr__(self, name: str) -> Any:
        return getattr(self._resource, name)


def called() -> Called:
    """The resource whose function is calling."""
    door = current()
    found = door.kept.get((_CALLED, door.remembered().stream))
    if not isinstance(found, Called):  # a step of a resource whose rows no function makes
        raise unknown("dlt.current.resource() in a step of a configuration")
    return found


def _followed(found: Iterator[Any], following: Following) -> Iterator[Any]:
    """What a function gives, shown to its incremental before the function goes on."""
    for one in found:
        following.see(one)
        yield one


def _limited(made: Iterator[list[list[Any]]], limit: Limit | None, door: Door) -> Iterator[Any]:
    """Pieces up to the limit, which counts these or their rows, as in dlt."""
    began, count = door.seconds(), 0
    for one in chain.from_iterable(made):
        if limit is not None and limit.most == 0:
            return
        yield one
        if limit is None:
            continue
        count += len(one) if limit.by_rows else 1
        late = limit.seconds is not None and door.seconds() - began > limit.seconds
        if late or (limit.most is not None and count >= limit.most):
            return


class _Guarded:
    """Rows made inside the run, one by one or several: what fails names its line.

    `after` is what comes behind them.
    """

    def __init__(
        self, found: Iterator[Any], door: Door, file: str, name: str, saying: Saying
    ) -> None:
        self._found, self._door, self._file, self._name = found, door, file, name
        self._saying = saying
        self._table: tuple[str, Hints] | None = None  # of rows that are not for any other
        self._kinds: dict[str, Kinds] = {}
        self._said: Mapping[str, Any] = _NOTHING  # of all rows from there on, for every table
        self._joined: dict[int, tuple[Any, Any, Mapping[str, Any]]] = {}
        self._held: Any = _END  # what was made behind several
        self.after: Iterator[JsonValue | ForTable | NextSource] = iter(())

    def __iter__(self) -> Iterator[JsonValue | ForTable | NextSource]:
        return self

    def __next__(self) -> JsonValue | ForTable | NextSource:
        value, self._held = self._held, _END
        if value is _END:
            with Calling(self._door, self._file, self._name):
                row = next(self._found, _END)
                value = row if row is _END else self._made(row)
        return next(self.after) if value is _END else value

    def several(self, most: int) -> list[JsonValue]:
        """Rows that are dicts and for no other table, which is what nearly all are."""
        rows: list[JsonValue] = []
        if self._held is not _END or self._table is not None:
            return rows
        with Calling(self._door, self._file, self._name):
            for row in self._found:
                value = self._made(row)
                if type(value) is not dict:
                    self._held = value
                    break
                rows.append(value)
                if len(rows) == most:
                    break
        return rows

    def _made(self, row: Any) -> JsonValue | ForTable:
        """A row, or rows for a table; hints that no table is named for hold from there on."""
        if isinstance(row, Tagged):
            said = self._told(row) if row.said is not None or self._said else None
            table = row.table or self._saying.table
            if row.said is not None and said is not None and not row.variant:
                self._table, self._said = (table, said), self._over(row.said)
            return self._for_table(row.data, table, said)
        if self._table is not None:
            return self._for_table(row, *self._table)
        kinds = self._kinds_of(self._saying.table)
        known = len(kinds.found)
        value = _plain(row, kinds)
        if len(kinds.found) == known or not self._saying.types:
            return value
        many = isinstance(value, list)
        rows: list[JsonValue] = list(value) if isinstance(value, list) else [value]
        hints = kinds.over(self._saying.of(_NOTHING))
        return ForTable(table=self._saying.table, rows=rows, hints=hints, many=many)

    def _kinds_of(self, table: str, hints: Hints | None = None) -> Kinds:
        if table not in self._kinds:
            self._kinds[table] = Kinds()
            saying = self._saying
            if saying.named:
                noted: Any = self._door.kept.setdefault(NOTED, {})
                noted.setdefault(table, lambda: hints or saying.of(_NOTHING))
        return self._kinds[table]

    def _for_table(self, data: Any, table: str, hints: Hints | None) -> ForTable:
        kinds = self._kinds_of(table, hints)
        known = len(kinds.found)
        held = () if data is None else _flat(data) if isinstance(data, list) else [data]
        rows = [plain_record(row, kinds) for row in held]
        if self._saying.types and kinds.found and (hints or len(kinds.found) > known):
            hints = kinds.over(hints or self._saying.of(_NOTHING))
        many = isinstance(data, list)
        return ForTable(table=table, rows=rows, hints=hints, many=many)

    def _over(self, said: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """What is said of rows, over what was said of all from there on; the same for the same."""
        if said is None or not self._said:
            return said or self._said
        known = self._joined.get(id(said))
        if known is None or known[:2] != (said, self._said):
            whole = {**self._said, **said}
            if "columns" in said:
                whole["columns"] = columns_over(self._said.get("columns"), said["columns"])
            known = self._joined[id(said)] = said, self._said, whole
        return known[2]

    def _told(self, row: Tagged) -> Hints:
        try:
            return self._saying.of(self._over(row.said))
        except WrongHintsError as exc:
            where = f"{Path(self._file).name}:{row.line}"
            raise ComponentError(f"{where}: {self._name} failed: {exc}", hint=exc.hint) from exc


def _is_many(made: Any) -> bool:
    return isinstance(made, (list, tuple)) or hasattr(made, "__next__")


def _made_of_items(made: Any) -> Any:
    """What a transformer gave: what it returns at once is one thing, also where that is a list."""
    made = _in_turn(made)
    return made if hasattr(made, "__next__") else [made]


def given(made: Any) -> Iterator[Any]:
    """What a function gave, piece by piece: rows, and lists of rows as they were yielded.

    What it yields that makes rows itself has turns of its own beside it, as in dlt: the newest
    first, and alone where there are many.
    """
    made = _in_turn(made)
    going = [iter(made if _is_many(made) else [made])]
    first, at = 1, 0  # how many were there from the beginning, and whose turn it is
    while going:
        at = len(going) - 1 if len(going) - first >= _MANY else (at - 1) % len(going)
        one = next(going[at], _END)
        if one is _END:
            del going[at]
            first -= at < first
            continue
        piece = _piece(one)
        if hasattr(piece, "__next__"):
            going.append(piece)
        elif piece is not None:
            yield _rows(piece) if isinstance(piece, list) else piece


def _rows(made: list[Any]) -> list[Any]:
    """The rows of a list as they are now: the function may go on with it."""
    return list(made if {dict}.issuperset(map(type, made)) else _flat(made))


def _piece(one: Any) -> Any:
    """What a function yields; what is still to be made is made, or begun where it makes several."""
    if type(one) in {dict, list}:
        return one
    one = _in_turn(one)
    if getattr(type(one), "makes_resources", False):
        what = "resources that a function yields beside rows"
        raise unknown(what, "go through the rows of each: yield from RESOURCE")
    if isinstance(one, Tagged):
        held = _piece(one.data)
        several = hasattr(held, "__next__")
        return (one.over(row) for row in held) if several else one.over(held)
    return _piece(one()) if _is_call(one) else one


def _is_call(one: Any) -> bool:
    return callable(one) and not isinstance(one, type) and not hasattr(one, "model_dump")


def _flat(made: Any) -> Iterator[Any]:
    """The rows of a list; what is still to be made is made. Null is an empty row, as in dlt."""
    for one in made:
        if hasattr(one, "__next__"):
            yield from _flat(one)
        elif is_frame(one):
            yield from rows_in(one)
        elif _is_call(one):
            found = one()
            yield from _flat(found if _is_many(found) else [found])
        else:
            yield one


def _plain(made: Any, kinds: Kinds) -> JsonValue:
    """A row as JSON, or a list of rows; a tuple is a row that is a list itself."""
    if isinstance(made, list):
        return [plain_record(row, kinds) for row in made]
    found = plain_record(made, kinds)
    return tuple(found) if isinstance(made, tuple) and isinstance(found, list) else found


def _in_turn(made: Any) -> Any:
    """What is asynchronous, waited for."""
    if inspect.isasyncgen(made):
        return _waited(made)
    if inspect.iscoroutine(made):
        return asyncio.run(made)
    return made


def _waited(made: AsyncIterator[Any]) -> Iterator[Any]:
    """What an asynchronous function yields, one after the other."""
    with asyncio.Runner() as runner:
        while True:
            one = runner.run(_following(made))
            if one is _END:
                return
            yield one


async def _following(made: AsyncIterator[Any]) -> Any:
    return await anext(made, _END)
