"""Executes a script with the stand-in, and reads the configuration of what it built."""

from __future__ import annotations

import ast
import importlib
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from penstock.dialects.dlt.standin.assemble import assemble
from penstock.dialects.dlt.standin.base import record
from penstock.dialects.dlt.standin.base.errors import PipelineStepFailed, Refusal
from penstock.dialects.dlt.standin.base.marks import (
    Spot,
    Text,
    compile_marked,
    forget,
    helpers,
    spot_at,
)
from penstock.dialects.dlt.standin.base.printing import Printing
from penstock.dialects.dlt.standin.base.reach import lines_of_runs
from penstock.dialects.dlt.standin.base.references import ABSENT, Known, Lookup, Nearest, shown
from penstock.dialects.dlt.standin.batches import Batches, document_of, fill, separated
from penstock.dialects.dlt.standin.chosen import Built, Choice, NotThere
from penstock.dialects.dlt.standin.modules import importing, installed
from penstock.dialects.dlt.standin.resources.nodes import Reader
from penstock.dialects.dlt.standin.resources.remembered import changed
from penstock.dialects.dlt.standin.resources.settled import settle
from penstock.dialects.dlt.standin.resources.sources import DltSource
from penstock.dialects.document import Document, Loader
from penstock.plan.door import Door

_UNFINISHED = "script-unfinished"
_CALLED_WRONG = 2  # the exit code for a command line that is wrong
_EXECUTED = "it is executed with a stand-in for dlt, and with what is installed beside Penstock"


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What to execute: a text that begins at `first` of a file, `indent` columns in.

    `attribute` names what to take of it. With `module` the module of that name is imported instead.
    """

    text: str
    file: str
    first: int = 1
    indent: int = 0
    attribute: str | None = None
    module: str | None = None

    @property
    def main(self) -> bool:
        """Whether it is executed as a script is, its `__main__` block included."""
        if self.attribute is None:
            return True
        defined = ast.parse(self.text).body
        return not any(self.attribute in _defines(statement) for statement in defined)

    def marked(self) -> Text:
        """The text with its place in the file."""
        return Text(self.file, self.text, self.first, self.indent)


def _defines(statement: ast.stmt) -> set[str]:
    """The names that a statement defines."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign() | ast.AnnAssign():
            return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
        case _:
            return set()


def nothing_known(name: str) -> object:
    """A lookup of values that knows none."""
    del name
    return ABSENT


def nothing_near(names: tuple[str, ...]) -> str | None:
    """A search of values that finds none."""
    del names
    return None


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What a script may ask of its surroundings while it is executed.

    `lookup` gives the value of a name, `nearest` the first of several names that has one. With a
    `loader` the script is answered from what it has loaded: what it asked for by then is loaded
    while it waits. What it asks an API itself goes through `outside`. `arguments` are what its
    command line says behind its own name. With `whole` all of its runs are read, and not only those
    to the first place.
    """

    lookup: Lookup = nothing_known
    nearest: Nearest = nothing_near
    loader: Loader | None = None
    outside: Door | None = None
    arguments: tuple[str, ...] = ()
    whole: bool = False


_ALONE = Around()


def execute(document: Document, script: Script, around: Around = _ALONE) -> bool:
    """Execute a script and give the document the configuration it built; False if it built none.

    Everything that went wrong is in the document's diagnostics.

    Raises:
        Error: the loader could not begin.
    """
    Known.begin(around.lookup, around.nearest)
    execution = _Execution(document, script, record.begin(), around)
    execution.record.outside = around.outside
    if around.loader is not None and script.attribute is None:
        execution.answer_from(around.loader)
    try:
        return execution.read(execution.imported() if script.module else execution.executed())
    finally:
        record.end()
        forget()


def read_built(source: DltSource) -> Document:
    """The document of a source that was built outside of any script."""
    document = Document(file=source.name or "source", kind="object", name=source.name or "source")
    reader = Reader(document, document.file)
    document.root, *document.more = [reader.root(one, None) for one in assemble([source])]
    return document


class _Execution:
    """One script, executed once."""

    def __init__(
        self,
        document: Document,
        script: Script,
        done: record.Record,
        around: Around,
    ) -> None:
        self.document = document
        self.script = script
        self.around = around
        self.record = done
        self.reader = Reader(document, script.file)
        self.failed = False
        self.batches: Batches | None = None

    def answer_from(self, loader: Loader) -> None:
        """Answer the script from what it has loaded."""
        self.batches = Batches(self.document, self.record, loader)
        self.record.load = self.batches.load
        self.record.there = loader.there

    def executed(self) -> Built | None:
        """What the script built."""
        script, text = self.script, self.script.marked()
        module = ModuleType("__main__" if script.main else Path(script.file).stem)
        compiled = compile_marked(text, script.text, script.file)
        folder = Path(script.file).resolve().parent
        with (
            installed(folder, module if script.main else None) as made,
            _arguments(script.file, self.around.arguments),
        ):
            known = {"__file__": script.file, "__builtins__": importing(made)}
            vars(module).update(helpers(text), **known)
            self._guarded(lambda: exec(compiled, vars(module)))  # noqa: S102 (the user's own file)
            for call in self.record.later:
                self._guarded(call)
            moved = bool(changed(self.record.left))
            settle(self.record)
            self._separate()
            self._rest_loaded(moved=moved)
            return None if self.document.loaded else self._built(module)

    def _separate(self) -> None:
        """Put those of the runs that are left in batches of their own that cannot be one."""
        if not self.failed and len(self.record.left) > 1:
            taken = self.record.taken
            left = self._guarded(lambda: separated(self.document, self.record.left))
            if left is not None:
                self.record.runs[taken:] = left

    def _rest_loaded(self, *, moved: bool) -> None:
        """Load what is left of a script that has loaded before, or that loads to several places.

        So it is where the script has `moved` what functions find, since it asked for their run.
        """
        batches, left = self.batches, self.record.left
        if batches is None or self.failed:
            return
        if moved or self.record.taken or len({run.place for run in left}) > 1:
            self.document.loaded = True
            self._guarded(lambda: batches.load(left))

    def imported(self) -> Built | None:
        """What the attribute of a module is, or gives."""
        name = self.script.module or ""
        with installed(Path.cwd(), None):
            module = self._guarded(lambda: importlib.import_module(name))
            return self._built(module) if module is not None else None

    def _built(self, module: ModuleType) -> Built | None:
        choice = Choice(self.record, vars(module))
        built: Built | None = self._guarded(lambda: choice.named(self.script.attribute))
        if self.around.whole and self.script.attribute is None:
            beside = self._guarded(choice.elsewhere) or []
            self.document.others = [document_of(self.document, one) for one in beside]
        if choice.others and not (self.document.others and self.record.runs):
            message = "the script builds several sources; the first one is taken"
            place = self.reader.place(choice.others[0]) or self._start()
            hint = f"name a function, a variable or a pipeline: {Path(self.script.file).name}:NAME"
            self.document.say("warning", "several-sources", message, place, hint)
        return built

    # What goes wrong.

    def _guarded(self, call: Callable[[], Any]) -> Any:
        """What a call of the script's gives; whatever it raises becomes a diagnostic."""
        if self.failed:
            return None
        try:
            with redirect_stdout(Printing(sys.stderr)):
                return call()
        except Refusal as refusal:
            self.failed = refusal.code != _UNFINISHED
            if refusal not in self.record.refusals:
                self.record.refusals.append(refusal)
        except NotThere as exc:
            self._not_there(exc)
        except PipelineStepFailed:
            self.failed = True  # told of by whoever loads
        except SystemExit as exc:
            if exc.code not in (None, 0):
                self._ended(exc)
        except ModuleNotFoundError as exc:
            self._missing(exc)
        except Exception as exc:  # noqa: BLE001 (whatever the user's script raises)
            if self.batches is not None and self.batches.failure is not None:
                raise self.batches.failure from None
            self._fail(f"the script failed: {_said(exc)}", exc)
        return None

    def _fail(self, message: str, exc: BaseException, hint: str | None = None) -> None:
        self.failed = True
        place = self.reader.place(self._where(exc))
        hint = hint or _EXECUTED
        self.document.say("error", "script-failed", message, place, hint)

    def _ended(self, exc: SystemExit) -> None:
        """Say that the script did not get what it needs: most end so for want of arguments."""
        hint = None
        if exc.code == _CALLED_WRONG:
            name = Path(self.script.file).name
            hint = f"its own arguments stand behind --: penstock run {name} -- ARGUMENT..."
        self._fail(f"the script ended with exit code {exc.code!r}", exc, hint)

    def _missing(self, exc: ModuleNotFoundError) -> None:
        self.failed = True
        message = f"the script needs the module {exc.name!r}, which is not installed"
        top = (exc.name or "").split(".")[0]
        hint = _NOW.get(top, f"put it beside the script, or install it: pip install {top}")
        place = self.reader.place(self._where(exc))
        self.document.say("error", "module-missing", message, place, hint)

    def _not_there(self, exc: NotThere) -> None:
        self.failed = True
        what = f"the module {self.script.module!r}" if self.script.module else "the script"
        owner = self.script.module or Path(self.script.file).name
        hint = f"did you mean {owner}:{exc.nearest}?" if exc.nearest else None
        place = None if self.script.module else self._start()
        message = f"{what} has no attribute {exc.name!r}"
        self.document.say("error", "no-source", message, place, hint)

    def _start(self) -> Any:
        return self.document.place(self.script.first, 1)

    def _where(self, exc: BaseException) -> Spot | None:
        """The last line of the script's own, or of a file beside it, that led to an exception."""
        trace = traceback.walk_tb(exc.__traceback__)
        spots = (spot_at(frame.f_code.co_filename, line) for frame, line in trace)
        return next((spot for spot in reversed(list(spots)) if spot is not None), None)

    # Reading what it built.

    def read(self, built: Built | None) -> bool:
        """Give the document what was built; whether there is anything to say of it."""
        self._tell()
        if self.batches is not None and self.batches.failure is not None:
            raise self.batches.failure
        if self.record.taken:
            self.document.loaded = True
            return True
        if built is None or self.failed:
            return self.failed or bool(self.record.refusals)
        settle(self.record)
        if built.run is not None:
            record.activate_named(built.run.pipeline)
        fill(self.document, self.reader, built)
        return True

    def _leaves_runs(self) -> bool:
        """Whether the script, which ended early, has runs that it did not come to.

        Where nothing is loaded while it is executed it may come to them in a run.
        """
        if self.batches is None:
            return False
        first = self.script.first - 1
        come = {asked.spot.line - first for asked in self.record.runs if asked.spot is not None}
        return any(come.isdisjoint(lines) for lines in lines_of_runs(ast.parse(self.script.text)))

    def _tell(self) -> None:
        """Say what was refused, also where the script caught it, and what is not honoured."""
        said: set[tuple[str, Spot | None]] = set()
        for refusal in self.record.refusals:
            place, hint = self.reader.place(refusal.spot), refusal.hint
            if (refusal.message, refusal.spot) in said:  # as where an import is tried once more
                continue
            said.add((refusal.message, refusal.spot))
            if refusal.code == _UNFINISHED:
                if self._leaves_runs():
                    message = f"{refusal.message}, though it asks for further runs"
                    self.document.say("error", _UNFINISHED, message, place, hint)
                else:
                    self.document.say("warning", _UNFINISHED, refusal.message, place, hint)
            else:
                self.document.say("error", refusal.code, refusal.message, place, hint)
        for remark in self.record.remarks:
            place = self.reader.place(remark.spot)
            self.document.say("warning", "gap", remark.message, place, remark.hint)


# What `dlt init` once copied into the folder of a script.
_NOW = {"rest_api": "dlt has it as dlt.sources.rest_api now: import it from there"}


@contextmanager
def _arguments(file: str, given: tuple[str, ...]) -> Iterator[None]:
    """The script's own name, and its arguments, as the command line."""
    before = sys.argv
    sys.argv = [file, *given]
    try:
        yield
    finally:
        sys.argv = before


def _said(exc: Exception) -> str:
    lines = shown(f"{type(exc).__name__}: {exc}").strip().rstrip(":").splitlines()
    return lines[0] if lines else type(exc).__name__
