"""The Python files of a manifest, which may import one another as in their connector."""

from __future__ import annotations

import builtins
import hashlib
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from penstock.dialects.airbyte.standin import modules
from penstock.dialects.python.calling import line_of, said

MAX_BYTES = 4_000_000
MAIN = "components"
_LOCK = threading.RLock()
_LOADED: dict[str, ModuleType] = {}

Parts = tuple[str, ...]


class Fault(Exception):
    """What is wrong with a manifest's Python; `file` is None where it is in the main one."""

    def __init__(self, code: str, message: str, line: int = 1, hint: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.line, self.hint = code, message, line, hint
        self.file: str | None = None


class Package:
    """The modules of a manifest: `main` is its components.py, the others are below `folder`.

    The folder counts as a package where it is called as one is: a manifest in `source_shop/` may
    name a class `source_shop.pages.Pages`, which is in `source_shop/pages.py`. No other file is
    looked at, so that a manifest cannot have files executed that lie beside it by chance.
    """

    def __init__(self, main: Path | None, folder: Path | None) -> None:
        self._main, self._folder = main, folder
        self.name = folder.resolve().name if folder is not None else ""

    def file(self, module: str) -> Path | None:
        """Where a module is; whatever belongs to no other file is looked for in the main one."""
        root, _, rest = module.partition(".")
        found = None
        if self._folder is not None and root == self.name and rest != MAIN:
            found = self._below(tuple(rest.split(".")) if rest else ())
        return found or self._main

    def module(self, module: str) -> ModuleType:
        """A module, executed once for as long as its file stays what it is.

        Raises:
            Fault: it cannot be read, compiled or executed.
        """
        file = self.file(module)
        assert file is not None, "`file` is asked first"
        return self._loaded(file, module.split(".") if file != self._main else [self.name, MAIN])

    def _below(self, parts: Parts) -> Path | None:
        assert self._folder is not None, "a package has a folder"
        if not all(part.isidentifier() for part in parts):
            return None
        place = self._folder.joinpath(*parts)
        choices = [place / "__init__.py"] if not parts else [place.with_suffix(".py")]
        choices += [place / "__init__.py"] if parts else []
        return next((choice for choice in choices if choice.is_file()), None)

    def _loaded(self, file: Path, parts: Sequence[str]) -> ModuleType:
        body = _read(file)
        mark = hashlib.sha256(str(file.resolve()).encode() + b"\0" + body).hexdigest()[:16]
        with _LOCK:
            if mark not in _LOADED:
                self._execute(file, body, mark, parts)
            return _LOADED[mark]

    def _execute(self, file: Path, body: bytes, mark: str, parts: Sequence[str]) -> None:
        name = f"penstock_components_{mark}"
        made = ModuleType(name)
        made.__file__ = str(file)
        outer = tuple(parts if file.name == "__init__.py" else parts[:-1])
        importing = _Importing(self, outer)
        made.__dict__["__builtins__"] = {**vars(builtins), "__import__": importing}
        # Dataclasses and type hints look their module up by its name, which is nobody else's; files
        # that import one another in a circle find what is there so far.
        sys.modules[name] = _LOADED[mark] = made
        try:
            exec(compile(body, str(file), "exec", dont_inherit=True), made.__dict__)  # noqa: S102 (the user's own file, with the user's say)
        except Exception as exc:
            del sys.modules[name], _LOADED[mark]
            raise _fault(exc, str(file)) from exc

    def imported(self, parts: Parts, wanted: Sequence[str]) -> ModuleType:
        """A module of the package, with what is wanted of it where that is a module too."""
        dotted = ".".join(parts)
        file = self._main if parts[1:] == (MAIN,) and self._main else self._below(parts[1:])
        if file is None:
            if self._folder is None or not self._folder.joinpath(*parts[1:]).is_dir():
                raise modules.Unknown(f"there is no {dotted} beside the manifest")
            made = ModuleType(dotted)
        else:
            made = self._loaded(file, parts)
        for name in wanted:
            if name != "*" and not hasattr(made, name):
                setattr(made, name, self.imported((*parts, name), ()))
        return made


class _Importing:
    """What `__import__` is to a file of a package: its own modules first, then all others."""

    def __init__(self, package: Package, outer: Parts) -> None:
        self._package, self._outer = package, outer

    def __call__(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 (the signature of `__import__`)
        locals: Mapping[str, object] | None = None,  # noqa: A002 (the signature of `__import__`)
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        asked = tuple(name.split(".")) if name else ()
        if level:
            kept = len(self._outer) - level + 1
            if kept < 1:
                raise modules.Unknown(f"{'.' * level}{name} leads out of the manifest's folder")
            return self._package.imported((*self._outer[:kept], *asked), fromlist or ())
        if asked[0] != self._package.name:
            return modules.importing(name, globals, locals, fromlist, level)
        found = self._package.imported(asked, fromlist or ())
        if fromlist or len(asked) == 1:
            return found
        # `import a.b.c` binds `a`, below which the others are found.
        for end in range(len(asked) - 1, 0, -1):
            above = self._package.imported(asked[:end], ())
            setattr(above, asked[end], found)
            found = above
        return found


def _read(file: Path) -> bytes:
    try:
        body = file.read_bytes()
    except OSError as exc:
        raise Fault("airbyte-components", f"{file} cannot be read: {exc.strerror or exc}") from exc
    if len(body) > MAX_BYTES:
        raise Fault("airbyte-components", f"{file} is larger than {MAX_BYTES // 1_000_000} MB")
    return body


def _fault(exc: Exception, file: str) -> Fault:
    """What failed while a file was executed, as one sentence; that of a file it imports first."""
    if isinstance(exc, Fault):
        return exc
    line = line_of(exc, file)
    if isinstance(exc, SyntaxError):
        fault = Fault("airbyte-components", f"this is no Python: {exc.msg}", exc.lineno or 1)
    elif isinstance(exc, (modules.Unknown, modules.UnknownAttribute)):
        fault = Fault("airbyte-component-import", str(exc), line, exc.hint)
    else:
        message = f"this fails when it is imported: {said(exc)}"
        fault = Fault("airbyte-components", message, line)
    fault.file = file
    return fault
