"""What functions of a script share: the things that each finds outside of itself, and changes.

It is read from their code: where a list, a dict, an object or a variable is changed, by name or
through another name for it. What one function changes and another finds, both are called in the
order of dlt for.
"""

from __future__ import annotations

import dis
import functools
import inspect
import site
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from types import CellType, CodeType, FunctionType, GeneratorType, MethodType
from typing import Any, TypeAlias

from penstock.dialects.dlt.standin.resources.factories import ResourceFactory
from penstock.dialects.dlt.standin.resources.rows import Rows
from penstock.dialects.dlt.standin.resources.sources import DltResource
from penstock.plan.order import Touched
from penstock.plan.records import Call
from penstock.plan.source import Stream
from penstock.plan.variants import content

_STATE = "state of the source"
_STATES = "states of resources"
_OWN_STATE = "resource_state"
_CONTAINERS = (list, dict, set, deque, bytearray)
_CHANGING = frozenset(
    {
        *("__setitem__", "add", "append", "appendleft", "clear", "discard", "extend", "extendleft"),
        *("insert", "move_to_end", "pop", "popitem", "popleft", "put", "put_nowait", "remove"),
        *("reverse", "rotate", "setdefault", "sort", "subtract", "update", "write"),
        *("difference_update", "intersection_update", "symmetric_difference_update"),
    }
)
_CHANGES_AT = frozenset({"STORE_SUBSCR", "DELETE_SUBSCR", "STORE_ATTR", "DELETE_ATTR"})
_NAMES: Mapping[str, str] = {
    "LOAD_GLOBAL": "global", "LOAD_NAME": "global", "LOAD_DEREF": "free", "LOAD_CLASSDEREF": "free",
    "LOAD_FAST": "local", "LOAD_FAST_CHECK": "local", "LOAD_FAST_BORROW": "local",
}  # fmt: skip
_TELLING = frozenset(
    {
        *(*_NAMES, *_CHANGES_AT, "LOAD_ATTR", "LOAD_METHOD", "STORE_FAST"),
        *("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF"),
    }
)
_OURS = "penstock."
_Spot: TypeAlias = "tuple[int | None, int | None]"
_Values: TypeAlias = "Mapping[str, object]"


def touched(stream: Stream) -> Touched:
    """What the functions of a stream find and change: those that make its rows, and its steps."""
    look = _Look()
    if stream.retrieve is not None:
        look.parts(stream.retrieve.parts)
    for step in stream.records.steps:
        if isinstance(step, Call):
            for function in (step.function, *(option for _, option in step.options)):
                look.value(function)
    if look.keeps:
        look.changed.add(("resource_state", stream.name))
    return Touched(seen=frozenset(look.seen), changed=frozenset(look.changed))


def is_generator(function: Callable[..., Any]) -> bool:
    """Whether a function goes on with each row that it is asked for."""
    found = inspect.unwrap(function)
    return inspect.isgeneratorfunction(found) or inspect.isasyncgenfunction(found)


class _Look:
    """Looks through functions, and what they call; each with what it was given only once."""

    def __init__(self, changing: dict[CodeType, bool] | None = None) -> None:
        self.seen: set[object] = set()
        self.changed: set[object] = set()
        # Whether functions change what they are given, by their code.
        self.changing: dict[CodeType, bool] = {} if changing is None else changing
        self.keeps = False  # a state of its own
        self._known: set[tuple[int, int]] = set()
        self._kept: list[object] = []  # so that no other object is given the id of one known

    def parts(self, held: object) -> None:
        """The functions that make the rows of a stream."""
        if isinstance(held, Rows):
            names = list(inspect.signature(inspect.unwrap(held.function)).parameters)
            given = dict(zip(names[held.takes_items :], held.args, strict=False)) | held.named
            self.value(held.function, given)
            self.parts(held.more)
        elif isinstance(held, tuple):
            for one in held:
                self.parts(one)

    def value(self, value: object, given: _Values | None = None) -> None:
        """A function, or something else that code is called by; `given` are its arguments."""
        if isinstance(value, functools.partial):
            self.value(value.func, value.keywords)
        elif isinstance(value, MethodType):
            first = next(iter(inspect.signature(value.__func__).parameters), "self")
            self.value(value.__func__, {**(given or {}), first: value.__self__})
        elif isinstance(value, GeneratorType):
            frame = value.gi_frame
            if frame is not None:
                held = dict(frame.f_locals)
                self._code(value.gi_code, frame.f_globals, held, held)
        elif callable(value) and not isinstance(value, type):
            found = inspect.unwrap(value)
            if isinstance(found, FunctionType):
                self.function(found, given or {})
            elif isinstance(found, Callable) and not isinstance(found, MethodType):  # type: ignore[arg-type]  # a class of the script's own
                self._method(found, "__call__")

    def function(self, function: FunctionType, given: _Values) -> bool:
        """Look through a function; gives whether it changes what it was given."""
        key = (id(function.__code__), id(next(iter(given.values()), None)))
        if key in self._known or not _is_of_script(function.__code__.co_filename):
            return False
        self._known.add(key)
        self._kept += [function, *given.values()]
        free = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
        defaults = {
            name: parameter.default
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.default is not parameter.empty
        }
        for value in {**defaults, **given}.values():
            self._find(value)
        return self._code(function.__code__, function.__globals__, free, {**defaults, **given})

    def _find(self, value: object) -> None:
        if _may_change(value):
            self._kept.append(value)
            self.seen.add(("object", id(value)))

    def _code(
        self, code: CodeType, known: Mapping[str, Any], free: _Values, local: _Values
    ) -> bool:
        """Look through code, and code in it; gives whether it changes a parameter."""
        self._names(code)
        names = _Names(known, free, local, self)
        steps = _instructions(code)
        for before, step in steps:
            names.learn(before, step)
        changes = False
        for _before, step in steps:
            changes = self._step(step, code, names) or changes
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                outside = {n: v for n, v in free.items() if n in inner.co_freevars}
                held = {n: v for n, v in local.items() if n in inner.co_freevars}
                self._code(inner, known, {**held, **outside}, {})
        return changes

    def _names(self, code: CodeType) -> None:
        if "source_state" in code.co_names:
            self.changed.add(_STATE)
            self.seen.add(_STATES)
        if _OWN_STATE in code.co_names:
            self.keeps = True
            self.seen.add(_STATES)
            if _names_a_state(code):
                self.changed.add(_STATES)

    def _step(self, step: dis.Instruction, code: CodeType, names: _Names) -> bool:
        """What one instruction changes; gives whether that is a parameter."""
        name, spot = step.argval, _spot(step)
        if step.opname in {"STORE_GLOBAL", "DELETE_GLOBAL"}:
            self.changed.add(("name", id(names.known), name))
        elif step.opname in {"STORE_DEREF", "DELETE_DEREF"} and names.encloses(name):
            self.changed.add(("cell", id(names.free[name])))
        elif step.opname in _CHANGES_AT or (
            step.opname in {"LOAD_ATTR", "LOAD_METHOD"} and name in _CHANGING
        ):
            return self._change(names, spot, code)
        elif step.opname in {"LOAD_ATTR", "LOAD_METHOD"}:
            held = names.value_at(spot)
            if held is not None and name in names.attributes.get(spot, ())[:1]:
                self._method(held, str(name))
        elif step.opname.startswith("CALL") and names.changes_arguments(spot):
            found = [self._change(names, one, code) for one in names.inside(step)]
            return any(found)
        return False

    def _change(self, names: _Names, spot: _Spot, code: CodeType) -> bool:
        root = names.roots.get(spot)
        if root is None or spot in names.made:
            return False
        value = names.value_of(root)
        if _may_change(value):
            self._kept.append(value)
            self.changed.add(("object", id(value)))
        return root[0] == "local" and root[1] in code.co_varnames[: code.co_argcount]

    def _method(self, held: object, name: str) -> None:
        """Look through a method that is called of an object of the script's own."""
        if not _is_object_of_script(held) and not isinstance(held, type):
            return
        found = inspect.getattr_static(
            type(held) if not isinstance(held, type) else held, name, None
        )
        if isinstance(found, property):
            found = found.fget
        found = getattr(found, "__func__", found)
        if isinstance(found, FunctionType):
            first = next(iter(inspect.signature(found).parameters), "self")
            self.function(found, {first: held})

    def found(self, kind: str, name: str, names: _Names) -> None:
        """Note a global or a free variable that code names, and look through what it holds."""
        if kind == "global":
            self.seen.add(("name", id(names.known), name))
        elif names.encloses(name):
            self.seen.add(("cell", id(names.free[name])))
        value = names.value_of((kind, name))
        self._find(value)
        if isinstance(value, (FunctionType, MethodType, functools.partial, GeneratorType)):
            self.value(value)
        elif isinstance(value, type) and _is_type_of_script(value):
            for one in vars(value).values():
                made = getattr(one, "__func__", one)
                if isinstance(made, FunctionType):
                    self.function(made, {})
        elif isinstance(value, DltResource):
            self.parts(value.rows)
        elif isinstance(value, ResourceFactory):
            self.value(value.makes_rows)


class _Names:
    """What the names of some code stand for: globals, what it encloses, and its parameters."""

    def __init__(
        self, known: Mapping[str, Any], free: _Values, local: _Values, look: _Look
    ) -> None:
        self.known = known
        self.free = free
        self._local = local
        self._look = look
        self.roots: dict[_Spot, tuple[str, str]] = {}  # the name that an expression begins with
        self.attributes: dict[_Spot, tuple[str, ...]] = {}
        self.made: set[_Spot] = set()  # what a name is called for, which is nobody else's
        self._others: dict[str, tuple[str, str]] = {}  # other names of the same

    def learn(self, before: dis.Instruction | None, step: dis.Instruction) -> None:
        """Learn from an instruction which name stands where, and which is another one's."""
        spot = _spot(step)
        kind = _NAMES.get(step.opname)
        if kind is not None:
            root = (kind, str(step.argval))
            self.roots[spot] = self._others.get(root[1], root) if kind == "local" else root
            if kind != "local":
                self._look.found(*root, self)
        elif step.opname in {"LOAD_ATTR", "LOAD_METHOD"}:
            self.attributes[spot] = (*self.attributes.get(spot, ()), str(step.argval))
        elif step.opname.startswith("CALL") and spot not in self.attributes:
            self.made.add(spot)
        elif step.opname == "STORE_FAST" and before is not None:
            root_of = self.roots.get(_spot(before))
            made = _spot(before) in self.made
            if root_of is not None and not made and root_of[1] != step.argval:
                self._others[str(step.argval)] = root_of

    def encloses(self, name: str) -> bool:
        """Whether a name is one that others may see, and not of a single call."""
        return isinstance(self.free.get(name), CellType)

    def value_of(self, root: tuple[str, str]) -> object:
        """What a name stands for; None where that is not to be known."""
        kind, name = root
        if kind == "global":
            return self.known.get(name)
        held = self.free.get(name) if kind == "free" else self._local.get(name)
        return content(held) if isinstance(held, CellType) else held

    def value_at(self, spot: _Spot) -> object:
        """What the name stands for that an expression begins with."""
        root = self.roots.get(spot)
        return None if root is None else self.value_of(root)

    def changes_arguments(self, spot: _Spot) -> bool:
        """Whether a function that is called there may change what it is given."""
        found = self.value_at(spot)
        found = inspect.unwrap(found) if callable(found) else found
        if not isinstance(found, FunctionType) or not _is_of_script(found.__code__.co_filename):
            return False
        known = self._look.changing
        if found.__code__ not in known:
            known[found.__code__] = False  # of one that calls itself
            known[found.__code__] = _Look(known).function(found, {})
        return known[found.__code__]

    def inside(self, step: dis.Instruction) -> Iterator[_Spot]:
        """Where names stand within the code of an instruction, but for what it begins with."""
        at = step.positions
        if at is None or at.lineno is None or at.end_lineno is None:
            return
        begins = at.lineno, at.col_offset or 0
        ends = at.end_lineno, at.end_col_offset or 0
        for line, column in self.roots:
            if line is not None and begins < (line, column or 0) < ends:
                yield line, column


def _spot(step: dis.Instruction) -> _Spot:
    at = step.positions
    return (None, None) if at is None else (at.lineno, at.col_offset)


def _may_change(value: object) -> bool:
    """Whether a value is one that functions can share by changing it."""
    return isinstance(value, _CONTAINERS) or _is_object_of_script(value)


def _is_object_of_script(value: object) -> bool:
    if isinstance(value, (FunctionType, MethodType)) or value is None:
        return False
    if inspect.ismodule(value):
        return _is_of_script(getattr(value, "__file__", None) or "")
    return _is_type_of_script(value if isinstance(value, type) else type(value))


def _is_type_of_script(kind: type) -> bool:
    home = str(kind.__module__)
    if home.startswith(_OURS) or home.partition(".")[0] in sys.stdlib_module_names - {"__main__"}:
        return False
    if kind.__module__ == "builtins" or issubclass(kind, BaseException):
        return False
    module = None if home == "__main__" else sys.modules.get(home)
    return module is None or _is_of_script(getattr(module, "__file__", None) or home)


@functools.lru_cache(4_096)
def _instructions(code: CodeType) -> tuple[tuple[dis.Instruction | None, dis.Instruction], ...]:
    """The instructions that say something here, each with the one before it."""
    steps = list(dis.get_instructions(code))
    pairs = zip([None, *steps], steps, strict=False)
    return tuple((b, s) for b, s in pairs if s.opname in _TELLING or s.opname.startswith("CALL"))


def _names_a_state(code: CodeType) -> bool:
    """Whether code asks for the state of a resource that it names, or may do."""
    steps = [s for s in dis.get_instructions(code) if s.opname not in {"PRECALL", "PUSH_NULL"}]
    called = (after for s, after in pairwise(steps) if s.argval == _OWN_STATE)
    return any(after.opname != "CALL" or after.arg for after in called)


@functools.cache
def _is_of_script(file: str) -> bool:
    """Whether a file is the user's own, and no library's."""
    paths = sysconfig.get_paths()
    libraries = (paths["stdlib"], paths["platstdlib"], *site.getsitepackages(), *_here())
    return bool(file) and not file.startswith("<frozen") and not file.startswith(libraries)


def _here() -> tuple[str]:
    """The folder of this package."""
    return (__file__.partition("/dialects/dlt/")[0],)
