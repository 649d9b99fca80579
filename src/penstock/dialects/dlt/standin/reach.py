"""The runs that a script may come to, found in its text."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_OTHERS = frozenset({"anyio", "asyncio", "subprocess", "trio", "uvicorn"})  # have a `run` too


def lines_of_runs(text: str) -> Iterator[range]:
    """The lines of each call of a pipeline's `run` in what a script executes.

    That is what stands outside of functions, and in functions that are called by name from there.
    """
    body = ast.parse(text).body
    made = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = {node.name: node for node in body if isinstance(node, made)}
    left: list[ast.stmt] = [node for node in body if not isinstance(node, (*made, ast.ClassDef))]
    while left:
        for node in ast.walk(left.pop()):
            match node:
                case ast.Call(func=ast.Name(id=name)) if name in functions:
                    left += functions.pop(name).body
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="run")):
                    if name not in _OTHERS:
                        yield _lines(node)
                case ast.Call(func=ast.Attribute(attr="run")):
                    yield _lines(node)
                case _:
                    pass


def _lines(node: ast.expr) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)
