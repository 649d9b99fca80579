"""The package `dlt` as a script finds it, put into `sys.modules` while the script is executed."""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from penstock.dialects.dlt.standin import jobs, wrappers
from penstock.dialects.dlt.standin.base.errors import UnknownModule
from penstock.dialects.dlt.standin.base.marks import Text, compile_marked, helpers
from penstock.dialects.dlt.standin.base.record import refuse
from penstock.dialects.dlt.standin.common import times
from penstock.dialects.dlt.standin.package import StandinModule, outside, package, typed
from penstock.dialects.dlt.standin.runs import answers
from penstock.errors import did_you_mean

_TAKE_OUT = "Penstock runs rest_api sources and functions; take out what needs more of dlt"

_ALIKE = 0.9  # how like a module that is meant must be: all of them begin alike

# Functions of other libraries by which a script looks at what it has loaded.
_LOOKS = {
    "duckdb": {"connect", "execute", "query", "sql"},
    "psycopg": {"connect"},
    "psycopg2": {"connect"},
    "sqlalchemy": {"create_engine"},
}


class Looking(ModuleType):
    """Such a library, as the script sees it: what it has asked for is loaded before."""

    def __init__(self, real: ModuleType) -> None:
        super().__init__(real.__name__)
        self.__real = real

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__real, name)
        if name not in _LOOKS[self.__name__]:
            return found

        @functools.wraps(found)
        def looked(*args: Any, **named: Any) -> Any:
            answers.settle(f"{self.__name__}.{name}")
            return found(*args, **named)

        return looked


class _Finder:
    """Finds the modules of the stand-in, and the script's own beside it."""

    def __init__(self, folder: Path, made: Mapping[str, ModuleType]) -> None:
        self.folder = str(folder)
        self.made = made

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """How to import a module that is not there yet."""
        del target
        if name == "dlt" or name.startswith("dlt."):
            hint = outside(name) or did_you_mean(name, list(self.made), _ALIKE) or _TAKE_OUT
            raise refuse(UnknownModule(f"Penstock has no {name}", hint))
        scheduler = wrappers.spec_of(name)
        if scheduler is not None:
            return scheduler
        places = [self.folder] if path is None else path
        found = importlib.machinery.PathFinder.find_spec(name, places)
        if found is None or not isinstance(found.loader, importlib.machinery.SourceFileLoader):
            return None
        if not Path(str(found.origin)).is_relative_to(self.folder):
            return None
        found.loader = _Loader(name, str(found.origin))
        found.loader.builtins = importing(self.made)
        return found


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a file beside the script with literals that remember their places."""

    _text: Text
    builtins: Mapping[str, Any]

    def get_code(self, fullname: str) -> CodeType:
        """The code, made anew and not kept."""
        del fullname
        source = Path(self.path).read_text("utf-8-sig")
        self._text = Text(self.path, source)
        return compile_marked(self._text, source, self.path)

    def exec_module(self, module: ModuleType) -> None:
        """Execute it with the helpers that its code calls."""
        code = self.get_code(module.__name__)
        vars(module).update(helpers(self._text), __builtins__=self.builtins)
        exec(code, vars(module))  # noqa: S102 (the user's own file)


def importing(made: Mapping[str, ModuleType]) -> dict[str, Any]:
    """The builtins of a script: what it imports of dlt is the stand-in, in a run too.

    A function that a run calls may import only then, when the stand-in is no longer installed.
    """
    own = builtins.__import__

    def imported(name: str, *rest: Any, **more: Any) -> Any:
        named = dict(zip(("globals", "locals", "fromlist", "level"), rest, strict=False)) | more
        ours = not named.get("level") and (name.startswith("dlt.") or name in made)
        if not ours or sys.modules.get("dlt") is made["dlt"]:
            found = own(name, *rest, **more)
            if name == "pendulum":
                times.library()
            return Looking(found) if name in _LOOKS and found.__name__ == name else found
        if name not in made:
            raise UnknownModule(f"Penstock has no {name}", outside(name) or _TAKE_OUT)
        return made[name] if named.get("fromlist") else made[name.partition(".")[0]]

    return {**vars(builtins), "__import__": imported}


def _helpers() -> dict[str, ModuleType]:
    """The modules of dlt for schedulers."""
    helper = StandinModule("dlt.helpers.airflow_helper", wrappers.airflow_helper())
    run = StandinModule("dlt.hub.run", jobs.public(), typed)
    return {
        "dlt.hub": StandinModule("dlt.hub", {"run": run}),
        "dlt.hub.run": run,
        "dlt.helpers": StandinModule("dlt.helpers", {"airflow_helper": helper}),
        "dlt.helpers.airflow_helper": helper,
    }


def _copied(folder: Path, made: Mapping[str, ModuleType]) -> dict[str, ModuleType]:
    """The package `rest_api` where `dlt init` has put a copy of dlt's own beside the script.

    It is what dlt has by that name, and is not executed: it is made of dlt's inner parts.
    """
    if not (folder / _COPY / "config_setup.py").is_file():
        return {}
    theirs = f"dlt.sources.{_COPY}"
    names = [name for name in made if name == theirs or name.startswith(f"{theirs}.")]
    return {name.removeprefix("dlt.sources."): made[name] for name in names}


_COPY = "rest_api"


@contextmanager
def installed(folder: Path, main: ModuleType | None) -> Iterator[Mapping[str, ModuleType]]:
    """The stand-in in place of `dlt`, for as long as a script is executed.

    Afterwards everything is as it was; modules that were imported meanwhile and hold something of
    the stand-in are forgotten too.
    """
    made = {**package(), **_helpers()}
    vars(made["dlt"]).update(helpers=made["dlt.helpers"], hub=made["dlt.hub"])
    made |= _copied(folder, made)
    before = dict(sys.modules)
    path, finder = list(sys.path), _Finder(folder, made)
    for name in [n for n in sys.modules if n == "dlt" or n.startswith("dlt.")]:
        del sys.modules[name]
    sys.modules.update(made)
    if main is not None:
        sys.modules["__main__"] = main
    sys.path.insert(0, str(folder))
    sys.meta_path.insert(0, finder)
    try:
        yield made
    finally:
        sys.meta_path.remove(finder)
        sys.path[:] = path
        _restore(before, str(folder))


def _restore(before: Mapping[str, ModuleType], folder: str) -> None:
    for name, module in list(sys.modules.items()):
        was = before.get(name)
        if was is module:
            continue
        if was is not None:
            sys.modules[name] = was
        elif _tainted(name, module, folder):
            del sys.modules[name]
    sys.modules.update({n: m for n, m in before.items() if n not in sys.modules})


def _tainted(name: str, module: ModuleType, folder: str) -> bool:
    """Whether a module is the stand-in, the script's own, or took something from the stand-in."""
    if name == "dlt" or name.startswith("dlt."):
        return True
    if name.startswith("penstock."):  # imported while the script was answered
        return False
    if str(getattr(module, "__file__", None) or "").startswith(folder):
        return True
    held = vars(module).values() if isinstance(module, ModuleType) else ()
    return any(isinstance(v, StandinModule) or _is_ours(v) for v in held)


def _is_ours(value: object) -> bool:
    home = getattr(value, "__module__", None)
    return isinstance(home, str) and home.startswith(f"{__package__}.")
