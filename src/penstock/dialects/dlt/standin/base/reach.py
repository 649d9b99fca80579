"""The runs that a script may come to, found in its text."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from penstock.dialects.dlt.scopes import dotted
from penstock.patterns import pattern

_TELLING = frozenset({"exit", "print", "quit", "sys.exit", "traceback.print_exc", "warnings.warn"})
_LEVELS = frozenset({"critical", "debug", "error", "exception", "info", "warning"})
_LOGGER = pattern(r"(?i)log")
_OTHERS = frozenset({"anyio", "asyncio", "subprocess", "trio", "uvicorn"})  # have a `run` too


def lines_of_runs(tree: ast.Module) -> Iterator[range]:
    """The lines of each call of a pipeline's `run` in what a script executes.

    That is what stands outside of functions, and in functions that are called by name from there.
    """
    body = tree.body
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


def guarded_lines(tree: ast.Module) -> Iterator[range]:
    """The lines whose failure a script answers with more than words, or by going on elsewhere."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Try, ast.TryStar)) and any(map(_answers, node.handlers)):
            yield range(node.body[0].lineno, (node.body[-1].end_lineno or 0) + 1)


def repeated_lines(tree: ast.Module) -> Iterator[range]:
    """The lines that a script may come to several times: those of its loops."""
    loops = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp,
             ast.GeneratorExp)  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, loops):
            yield range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _answers(handler: ast.ExceptHandler) -> bool:
    return not all(map(_only_tells, handler.body))


def _only_tells(statement: ast.stmt) -> bool:
    """Whether a statement says something, does nothing, or ends the script."""
    match statement:
        case ast.Pass() | ast.Raise() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=function)):
            name = dotted(function)
            first, _, last = name.rpartition(".")
            return name in _TELLING or (last in _LEVELS and bool(_LOGGER.search(first)))
        case _:
            return False


def _lines(node: ast.expr) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)
