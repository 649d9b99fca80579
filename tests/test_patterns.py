"""Every regular expression is one, although none is compiled before it is used."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator

import pytest
from tests.sources import Module, modules

from penstock.patterns import pattern


def _held(module: Module) -> Iterator[ast.AST]:
    """What a module says outside its functions."""
    for statement in module.tree.body:
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from ast.walk(statement)


def _calls(module: Module, name: str) -> list[str]:
    return [
        f"{module.place}:{node.lineno}"
        for node in _held(module)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name
    ]


def test_no_module_compiles_a_regular_expression_when_it_is_imported():
    """A run imports far more of them than it uses."""
    assert [place for module in modules() for place in _calls(module, "re.compile")] == []


@pytest.mark.parametrize(
    "module", [m for m in modules() if _calls(m, "pattern")], ids=lambda m: str(m.name)
)
def test_every_pattern_of_a_module_compiles(module: Module):
    """One that is wrong is found here, and not by whoever first needs it."""
    held = vars(importlib.import_module(module.name)).values()
    single = [v for v in held if type(v).__name__ == "_Later"]
    rows = [v for row in held if isinstance(row, tuple) for v in row]
    found = [*single, *(v for v in rows if type(v).__name__ == "_Later")]

    assert found
    assert all(re.compile(one.pattern) for one in found)


def test_it_answers_as_what_is_compiled_at_once():
    """Flags, methods and attributes, on texts and on bytes."""
    later, at_once = pattern(r"(?P<a>B+)", re.IGNORECASE), re.compile(r"(?P<a>B+)", re.IGNORECASE)

    assert later.sub("x", "abba") == "axa"
    assert later.search("ab")["a"] == "b"
    assert (later.groupindex, later.flags, later.pattern) == (
        at_once.groupindex,
        at_once.flags,
        at_once.pattern,
    )
    assert pattern(rb"\d+").findall(b"1 22") == [b"1", b"22"]


def test_it_has_no_attribute_that_a_pattern_lacks():
    """A misspelt method is told as ever."""
    with pytest.raises(AttributeError, match="serach"):
        _ = pattern("a").serach
