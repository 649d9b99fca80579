"""The package's own source, parsed once: what the tests of its structure read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "penstock"
TESTS = ROOT / "tests"

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    """One file of the package."""

    name: str  # dotted, `penstock` included
    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The part of the house it stands in: the folder, or the file at the top."""
        return self.name.split(".")[1] if "." in self.name else self.name

    @property
    def place(self) -> str:
        """Its path from the top of the repository."""
        return self.path.relative_to(ROOT).as_posix()


class Import(NamedTuple):
    """One import, wherever in the file it stands."""

    module: Module
    target: str  # dotted
    line: int
    for_types: bool  # below `if TYPE_CHECKING:`

    @property
    def top(self) -> str:
        """The package it is from."""
        return self.target.split(".")[0]

    @property
    def room(self) -> str:
        """The room it is from, where it is from this package."""
        parts = self.target.split(".")
        return parts[1] if len(parts) > 1 else parts[0]

    def __str__(self) -> str:
        return f"{self.module.place}:{self.line} imports {self.target}"


@cache
def modules() -> tuple[Module, ...]:
    """Every file of the package."""
    return tuple(_read(PACKAGE, ("penstock",)))


@cache
def files_of_tests() -> tuple[Module, ...]:
    """Every file of the tests."""
    return tuple(_read(TESTS, ("tests",)))


def _read(folder: Path, head: tuple[str, ...]) -> Iterator[Module]:
    for path in sorted(folder.rglob("*.py")):
        parts = (*head, *path.relative_to(folder).with_suffix("").parts)
        name = ".".join(p for p in parts if p != "__init__")
        text = path.read_text("utf-8")
        yield Module(name, path, text, ast.parse(text, str(path)))


@cache
def imports() -> tuple[Import, ...]:
    """Every import of the package, those inside functions included."""
    return tuple(found for module in modules() for found in _imports(module))


def _imports(module: Module) -> Iterator[Import]:
    typed = {
        id(inner)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(module.tree):
        for target in _targets(module, node):
            yield Import(module, target, node.lineno, id(node) in typed)  # type: ignore[attr-defined]  # a statement


def _targets(module: Module, node: ast.AST) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom(level=0):
            # `from penstock import errors` imports the module `penstock.errors`, if there is one.
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            known = {m.name for m in modules()} if module.name != "penstock" else set()
            inner = [name for name in whole if name in known]
            return inner if len(inner) == len(whole) else [str(node.module), *inner]
        case ast.ImportFrom():
            raise AssertionError(f"{module.place}:{node.lineno} imports relatively")
        case _:
            return []


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function in a tree, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def public(node: Function | ast.ClassDef) -> bool:
    """Whether a name is meant for others."""
    return not node.name.startswith("_")
