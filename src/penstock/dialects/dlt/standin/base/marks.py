"""Literals that remember where they were written, through whatever a script does with them.

A script's dict displays are rewritten as calls that build a `Marked`, a dict that knows the place
of each of its keys. Copies and unions keep the places; a key that is set later has that line's.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import CodeType
from typing import Any, NamedTuple

from penstock.dialects.dlt.scopes import dotted
from penstock.dialects.dlt.standin.base.reach import guarded_lines, lines_of_runs, repeated_lines
from penstock.dialects.dlt.standin.base.references import (
    EnvText,
    Missing,
    composed,
    is_nothing,
    plain,
)

BUILD, CONVERT, ENV, ENV_CALL, NOTHING, PLAIN, TEXT = (
    "__penstock_dict__",
    "__penstock_convert__",
    "__penstock_env__",
    "__penstock_env_call__",
    "__penstock_nothing__",
    "__penstock_plain__",
    "__penstock_text__",
)
_ENV_CALLS = {"os.getenv", "os.environ.get"}
# What reads the text itself, past the methods by which a reference says what it stands for.
_READERS = {"b64decode", "fromisoformat", "literal_eval", "open", "strptime"}
_READERS |= {"json.loads", "parser.parse", "pendulum.parse", "Decimal", "Path", "UUID"}


class Spot(NamedTuple):
    """A line and a column, from 1, of a file."""

    file: str
    line: int
    column: int


class KeyMark(NamedTuple):
    """Where a key and its value stand, and the items of a value that is a list display."""

    key: Spot
    value: Spot
    items: tuple[Spot, ...] = ()


class Text:
    """The text of a file that is executed; `first` and `indent` say where in the file it begins."""

    def __init__(self, file: str, text: str, first: int = 1, indent: int = 0) -> None:
        self.file = file
        self.first = first
        self.indent = indent
        self.lines = text.split("\n")
        self.displays: list[tuple[Spot, tuple[KeyMark | None, ...]]] = []
        self.calls: list[tuple[Spot, dict[Any, KeyMark]]] = []  # and displays of fixed keys
        self.guarded: tuple[range, ...] = ()  # lines whose failure the script answers
        self.repeated: tuple[range, ...] = ()  # lines of loops
        self.runs = 0  # calls of a `run`

    def spot(self, node: ast.AST) -> Spot:
        """Where a node stands, columns counted in characters; its line is that of the file."""
        line: int = getattr(node, "lineno", self.first)
        offset = getattr(node, "col_offset", 0)
        raw = self._line(line).encode("utf-8", "surrogatepass")[:offset]
        return Spot(self.file, line, len(raw.decode("utf-8", "replace")) + 1 + self.indent)

    def at_line(self, line: int) -> Spot:
        """The beginning of what stands in a line."""
        text = self._line(line)
        return Spot(self.file, line, len(text) - len(text.lstrip()) + 1 + self.indent)

    def _line(self, line: int) -> str:
        at = line - self.first
        return self.lines[at] if 0 <= at < len(self.lines) else ""


# The files of the script that is being executed.
_texts: dict[str, Text] = {}


def forget() -> None:
    """Forget the files of the script that was executed."""
    _texts.clear()


def put_away() -> dict[str, Text]:
    """Forget the files for a while; gives them, to be taken up again."""
    held = dict(_texts)
    _texts.clear()
    return held


def take_up(texts: Mapping[str, Text]) -> None:
    """Go on with the script whose files were put away."""
    _texts.update(texts)


def is_script(file: str) -> bool:
    """Whether a file is one of the script that is being executed."""
    return file in _texts


def caller() -> Spot | None:
    """The place in the script's own files that is being executed."""
    return next((text.at_line(line) for text, line in _called_from()), None)


def spot_at(file: str, line: int) -> Spot | None:
    """The beginning of a line, where the file is one of the script's own."""
    text = _texts.get(file)
    return text.at_line(line) if text is not None else None


def is_guarded() -> bool:
    """Whether the script answers it with more than words where what it calls now fails."""
    return any(_stands_in(text.guarded, line) for text, line in _called_from())


def comes_once() -> bool:
    """Whether a run that the script asks for now is its only one."""
    places = list(_called_from())
    looped = any(_stands_in(text.repeated, line) for text, line in places)
    return not looped and sum(text.runs for text in _texts.values()) == 1


def _stands_in(spans: Iterable[range], line: int) -> bool:
    return any(line in lines for lines in spans)


def _called_from() -> Iterator[tuple[Text, int]]:
    """The lines of the script's own files that are being executed, the last one first."""
    here: Any = sys._getframe(1)  # noqa: SLF001 (the only way to ask who calls)
    while here is not None:
        text = _texts.get(here.f_code.co_filename)
        if text is not None:
            yield text, here.f_lineno
        here = here.f_back


class Marked(dict[Any, Any]):
    """A dict that knows where it and its entries were written."""

    def __init__(
        self, entries: Mapping[Any, Any] | Iterable[Any] = (), spot: Spot | None = None
    ) -> None:
        super().__init__(entries)
        self.spot = spot
        self.marks: dict[Any, KeyMark] = dict(marks_of(entries))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._note((key,))
        super().__setitem__(key, value)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """As of any dict; a new entry stands in the line that calls."""
        if key not in self:
            self._note((key,))
        return super().setdefault(key, default)

    def update(self, *args: Any, **entries: Any) -> None:
        """As of any dict; entries without a place stand in the line that calls."""
        given = dict(*args, **entries)
        self._note(given)
        for source in args:
            self.marks.update(marks_of(source))
        super().update(given)

    def copy(self) -> Marked:
        """A copy that knows the same places."""
        return Marked(self, self.spot)

    def __or__(self, other: Any) -> Any:
        return self._joined(self, other) if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Any) -> Any:
        return self._joined(other, self) if isinstance(other, Mapping) else NotImplemented

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def _joined(self, first: Mapping[Any, Any], second: Mapping[Any, Any]) -> Marked:
        whole = Marked(first, self.spot)
        dict.update(whole, second)
        whole.marks.update(marks_of(second))
        return whole

    def _note(self, keys: Iterable[Any]) -> None:
        spot = caller()
        if spot is not None:
            self.marks.update(dict.fromkeys(keys, KeyMark(spot, spot)))


Marked.__name__ = "dict"  # as Python's messages call it, which the script's author reads


def marks_of(entries: object) -> Mapping[Any, KeyMark]:
    """The places of a mapping's entries, as far as they are known."""
    return entries.marks if isinstance(entries, Marked) else {}


# Rewriting a script.


def compile_marked(text: Text, source: str, filename: str) -> CodeType:
    """The code of a script whose literals remember their places.

    Raises:
        SyntaxError: it is not Python.
    """
    tree = ast.parse(source, filename)
    if text.first > 1:
        ast.increment_lineno(tree, text.first - 1)
    text.guarded, text.repeated = tuple(guarded_lines(tree)), tuple(repeated_lines(tree))
    text.runs = len(list(lines_of_runs(tree)))
    marker = _Marker(text)
    tree = ast.fix_missing_locations(marker.visit(tree))
    _texts[filename] = text
    return compile(tree, filename, "exec", dont_inherit=True)


def helpers(text: Text) -> dict[str, Callable[..., object]]:
    """What the rewritten code calls, by the names it calls them."""
    return {
        BUILD: partial(_build, text),
        CONVERT: partial(_convert, text),
        ENV: _env,
        ENV_CALL: _env_call,
        NOTHING: is_nothing,
        PLAIN: plain,
        TEXT: composed,
    }


class _Marker(ast.NodeTransformer):
    """Wraps what builds a dict, and reads of the environment, in calls."""

    def __init__(self, text: Text) -> None:
        self.text = text

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        if all(isinstance(key, ast.Constant) for key in node.keys):
            return self._fixed(node)
        spots: list[KeyMark | None] = []
        pairs: list[ast.expr] = []
        for key, value in zip(node.keys, node.values, strict=True):
            spots.append(None if key is None else self._mark(key, value))
            held = [value] if key is None else [key, value]
            pairs.append(ast.Tuple([self.visit(part) for part in held], ast.Load()))
        self.text.displays.append((self.text.spot(node), tuple(spots)))
        return _called(BUILD, [ast.Constant(len(self.text.displays) - 1), *pairs], node)

    def _fixed(self, node: ast.Dict) -> ast.AST:
        """A display whose keys stand there stays one: functions of a script make rows by them."""
        pairs = zip(node.keys, node.values, strict=True)
        spots = {k.value: self._mark(k, v) for k, v in pairs if isinstance(k, ast.Constant)}
        spot = self.text.spot(node)
        self.generic_visit(node)
        self.text.calls.append((spot, spots))  # behind those of the displays in it
        return _called(CONVERT, [ast.Constant(len(self.text.calls) - 1), node], node)

    def _mark(self, key: ast.expr, value: ast.expr) -> KeyMark:
        items: tuple[Spot, ...] = ()
        if isinstance(value, (ast.List, ast.Tuple)) and not any(
            isinstance(item, ast.Starred) for item in value.elts
        ):
            items = tuple(self.text.spot(item) for item in value.elts)
        return KeyMark(self.text.spot(key), self.text.spot(value), items)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        return _called(TEXT, [node], node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        node.value = self.visit(node.value)  # and not its format, which is a text too
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        formats = isinstance(node.op, ast.Mod) and _is_text(node.left)
        self.generic_visit(node)
        return _called(TEXT, [node], node) if formats else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Attribute) and _is_text(node.func.value):
            self.generic_visit(node)
            return _called(TEXT, [node], node)
        name = dotted(node.func)
        first = node.args[0] if node.args else None
        named = isinstance(first, ast.Constant) and isinstance(first.value, str)
        spot = self.text.spot(node)
        spots = {k.arg: KeyMark(spot, self.text.spot(k.value)) for k in node.keywords if k.arg}
        self.generic_visit(node)
        if {name.rpartition(".")[2], ".".join(name.split(".")[-2:])} & _READERS:
            node.args = [arg if _is_fixed(arg) else _called(PLAIN, [arg], arg) for arg in node.args]
        if name in _ENV_CALLS and named:
            assert isinstance(first, ast.Constant), "the name was just looked at"
            return _called(ENV_CALL, [ast.Constant(first.value), node], node)
        if name == "dict" or name.split(".")[-1].endswith("Config"):
            self.text.calls.append((spot, spots))
            return _called(CONVERT, [ast.Constant(len(self.text.calls) - 1), node], node)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        asks = isinstance(node.ops[0], (ast.Is, ast.IsNot)) and len(node.ops) == 1
        if not asks or not _is_none(node.comparators[0]):
            return node
        asked = _called(NOTHING, [node.left], node)
        unless = isinstance(node.ops[0], ast.IsNot)
        return ast.copy_location(ast.UnaryOp(ast.Not(), asked), node) if unless else asked

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        read = isinstance(node.ctx, ast.Load) and dotted(node.value) == "os.environ"
        self.generic_visit(node)
        return _called(ENV, [node.value, node.slice], node) if read else node


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_fixed(node: ast.expr) -> bool:
    return isinstance(node, (ast.Constant, ast.Starred))


def _called(name: str, args: list[ast.expr], at: ast.expr) -> ast.Call:
    return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), args, []), at)


def _build(text: Text, number: int, *pairs: tuple[Any, ...]) -> dict[Any, Any]:
    """The dict of a display: pairs of key and value, or what is unpacked into it."""
    if not _texts:  # a function of the script is called for a record
        plain: dict[Any, Any] = {}
        for pair in pairs:
            plain.update((pair,) if len(pair) > 1 else pair[0])
        return plain
    spot, marks = text.displays[number]
    built = Marked((), spot)
    for mark, pair in zip(marks, pairs, strict=True):
        if mark is None:
            dict.update(built, pair[0])
            built.marks.update(marks_of(pair[0]))
        else:
            dict.__setitem__(built, *pair)
            built.marks[pair[0]] = mark
    return built


def _convert(text: Text, number: int, made: Any) -> Any:
    """What stands there gave; if that is a plain dict, one that knows where that is."""
    if not _texts or type(made) not in {dict, Marked}:
        return made
    spot, marks = text.calls[number]
    whole = Marked(made, spot)
    whole.marks.update(marks)
    return whole


def _env(environ: Any, key: Any) -> Any:
    """A variable; one that is not set is a value the user is asked for."""
    if environ is not os.environ or not isinstance(key, str) or not _texts:
        return environ[key]
    return EnvText(os.environ[key], key) if key in os.environ else Missing(key)


def _env_call(key: str, value: Any) -> Any:
    """What asking for a variable gave, with the variable's name where it was set."""
    known = isinstance(value, str) and key in os.environ and _texts
    return EnvText(value, key) if known else value
