"""What functions find outside of themselves, as it was when a script asked for their run.

Runs are done together, later than the script asks for them; dlt does each at once. What the script
has changed by then, a variable of a loop or a list, is put back for the run that it was there for.
"""

from __future__ import annotations

import functools
import inspect
import io
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from penstock.dialects.dlt.standin.base.marks import is_script
from penstock.dialects.dlt.standin.base.record import AskedRun
from penstock.dialects.dlt.standin.base.references import Composed, Reference
from penstock.dialects.dlt.standin.resources.rows import names_in
from penstock.dialects.dlt.standin.resources.settled import functions_of
from penstock.dialects.dlt.standin.resources.sources import DltSource
from penstock.plan.variants import content

_DEPTH = 6
_LARGE = 10_000  # things in a list, beyond which it is not looked into
_NOTHING = object()
# Names by which functions read what lies beside the script, as it is by then.
_READS = frozenset({
    "DictReader", "Path", "glob", "iglob", "iterdir", "listdir", "open", "read_bytes", "read_csv",
    "read_excel", "read_json", "read_ndjson", "read_parquet", "read_text", "rglob", "scan_csv",
    "scan_ndjson", "scan_parquet", "scandir", "walk",
})  # fmt: skip
_ENVIRON = frozenset({"environ", "getenv"})
_SIMPLE = (str, int, float, bytes, bool, type(None))


class Slot(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A place that holds something: a variable, or what a list, a dict or an object holds."""

    holder: Any
    name: str | None = None  # of a variable of a module

    @property
    def key(self) -> tuple[int, str | None]:
        """What it is known by."""
        return id(self.holder), self.name

    def now(self) -> Any:
        """What it holds; of a list, a dict or an object a copy."""
        held = self.holder
        if self.name is not None:
            return held.get(self.name, _NOTHING)
        if isinstance(held, types.CellType):
            return content(held, _NOTHING)
        return type(held)(held) if type(held) in {list, set} else dict(_inside(held))

    def put(self, value: Any) -> None:
        """Let it hold something else."""
        held = self.holder
        if self.name is not None:
            held[self.name] = value
        elif isinstance(held, types.CellType):
            held.cell_contents = value
        elif isinstance(held, list):
            held[:] = value
        else:
            inside = held if isinstance(held, set) else _inside(held)
            inside.clear()
            inside.update(value)


class Seen:
    """What the functions of sources find by now.

    `at_once` says that it cannot be put back later: what a generator encloses, or an open file.
    With `reads` functions read files, as they are by then.
    """

    def __init__(self, sources: Iterable[DltSource]) -> None:
        self.at_once = self.reads = False
        self.held: dict[tuple[int, str | None], tuple[Slot, Any]] = {}
        self._known: set[int] = set()
        for source in sources:
            for resource in source.own_resources:
                for function in functions_of(resource):
                    self._function(function, _DEPTH)

    def _note(self, slot: Slot) -> Any:
        value = slot.now()
        self.held[slot.key] = slot, value
        return value

    def _function(self, function: Any, depth: int) -> None:
        if isinstance(function, functools.partial):
            self._value([*function.args, *function.keywords.values(), function.func], depth)
            return
        if isinstance(function, types.MethodType):
            self._value(function.__self__, depth)
            function = function.__func__
        function = inspect.unwrap(function)
        if not isinstance(function, types.FunctionType) or id(function) in self._known:
            return
        self._known.add(id(function))
        for cell in function.__closure__ or ():
            self._value(self._note(Slot(holder=cell)), depth - 1)
        self._variables(function.__code__, function.__globals__, depth)

    def _generator(self, made: types.GeneratorType[Any, Any, Any], depth: int) -> None:
        if made.gi_frame is None or not is_script(made.gi_code.co_filename):
            return
        files = (isinstance(one, io.IOBase) for one in made.gi_frame.f_locals.values())
        self.at_once |= bool(made.gi_code.co_freevars) or any(files)
        self._variables(made.gi_code, made.gi_frame.f_globals, depth)

    def _variables(self, code: types.CodeType, module: dict[str, Any], depth: int) -> None:
        """The variables of its module that code of the script finds, and of the environment."""
        if not is_script(code.co_filename):
            return
        names = names_in(code)
        self.reads |= not names.isdisjoint(_READS)
        if not names.isdisjoint(_ENVIRON):
            self._note(Slot(holder=os.environ))
        for name in names & module.keys():
            self._value(self._note(Slot(holder=module, name=name)), depth - 1)

    def _value(self, value: Any, depth: int) -> None:
        if depth <= 0 or isinstance(value, _SIMPLE) or id(value) in self._known:
            return
        if isinstance(value, (types.FunctionType, types.MethodType, functools.partial)):
            self._function(value, depth)
        elif isinstance(value, types.GeneratorType):
            self._generator(value, depth)
        elif isinstance(value, (list, set, dict, tuple)) or _is_own(value):
            self._known.add(id(value))
            held = [*value] if isinstance(value, (list, set, tuple)) else [*_inside(value).values()]
            if len(held) > _LARGE:
                return
            if not isinstance(value, tuple):
                self._note(Slot(holder=value))
            for one in held:
                self._value(one, depth - 1)


def _is_own(value: Any) -> bool:
    """Whether it is an object of a class of the script's own."""
    if isinstance(value, type) or not isinstance(getattr(value, "__dict__", None), dict):
        return False
    module = sys.modules.get(type(value).__module__)
    return is_script(str(getattr(module, "__file__", None)))


def _inside(value: Any) -> Any:
    return value if isinstance(value, dict) or value is os.environ else vars(value)


def _alike(one: Any, other: Any) -> bool:
    """Whether two things that a place held are the same."""
    if one is other:
        return True
    if isinstance(one, (Reference, Composed)) or isinstance(other, (Reference, Composed)):
        return True  # a value in place of its name
    if type(one) is not type(other):
        return False
    if isinstance(one, _SIMPLE):
        return bool(one == other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_alike(v, other[k]) for k, v in one.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_alike, one, other))
    return isinstance(one, set) and one == other


def changed(runs: Sequence[AskedRun]) -> dict[tuple[int, str | None], Slot]:
    """The places that hold something else by now, or for another run, than for one of these."""
    found: dict[tuple[int, str | None], Slot] = {}
    first: dict[tuple[int, str | None], Any] = {}
    for run in runs:
        for key, (slot, value) in (run.seen.held if run.seen is not None else {}).items():
            if not _alike(first.setdefault(key, value), value) or not _alike(slot.now(), value):
                found[key] = slot
    return found


def by_time(
    runs: Sequence[AskedRun],
) -> Iterator[tuple[list[AskedRun], Callable[[], Any]]]:
    """The runs in groups for which all is as it was for each of them, and what makes it so."""
    places = changed(runs)
    groups: list[tuple[list[AskedRun], dict[tuple[int, str | None], Any]]] = []
    for run in runs:
        held = run.seen.held if run.seen is not None and places else {}
        own = {key: held[key][1] for key in places if key in held}
        last = groups[-1][1] if groups else {}
        if groups and all(_alike(last.get(key, value), value) for key, value in own.items()):
            groups[-1][0].append(run)
            last.update(own)
        else:
            groups.append(([run], own))
    number = max((run.batch for run in runs), default=0)
    for nth, (group, own) in enumerate(groups):
        apart = [msgspec.structs.replace(r, batch=number + nth) for r in group] if nth else group
        yield apart, functools.partial(_as_it_was, places, own)


@contextmanager
def _as_it_was(
    places: dict[tuple[int, str | None], Slot], own: dict[tuple[int, str | None], Any]
) -> Iterator[None]:
    """Let places hold what they held for a group of runs, for as long as these are loaded."""
    now = {key: places[key].now() for key in own}
    for key, value in own.items():
        if value is not _NOTHING:
            places[key].put(value)
    try:
        yield
    finally:
        for key, value in now.items():
            if value is not _NOTHING:
                places[key].put(value)
