"""Which value a name has in a script, as far as the source says."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import msgspec

_MUTATORS = {"append", "extend", "insert", "pop", "remove", "setdefault", "update", "clear"}
_Function = (ast.FunctionDef, ast.AsyncFunctionDef)


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """What a name is bound to at a line: an expression, or nothing that can be read.

    `secret` marks a parameter that stands for a secret (true) or a config value (false).
    """

    line: int
    value: ast.expr | None = None
    stack: tuple[ast.AST, ...] = ()
    secret: bool | None = None


class Scopes:
    """The names of a module and of each function in it."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self._bindings: dict[ast.AST, dict[str, list[Binding]]] = {}

    def statements(self) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
        """Every node in the order of the source, with the functions it stands in."""
        yield from _walk(self.tree, (self.tree,))

    def find(self, name: str, stack: tuple[ast.AST, ...], line: int) -> Binding | None:
        """The binding that holds at `line` in the innermost of the scopes that has one.

        A name that is changed in place, or bound by a loop, has no value that can be read.
        """
        for depth in range(len(stack), 0, -1):
            scope = stack[depth - 1]
            bindings = self._of(scope, stack[:depth]).get(name)
            if not bindings:
                continue
            innermost = depth == len(stack)
            held = [b for b in bindings if not innermost or b.line < line] or bindings[:1]
            return held[-1]
        return None

    def _of(self, scope: ast.AST, stack: tuple[ast.AST, ...]) -> dict[str, list[Binding]]:
        if scope not in self._bindings:
            found: dict[str, list[Binding]] = {}
            for name, binding in _bindings(scope, stack):
                found.setdefault(name, []).append(binding)
            self._bindings[scope] = found
        return self._bindings[scope]


def _walk(
    node: ast.AST, stack: tuple[ast.AST, ...]
) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    for child in ast.iter_child_nodes(node):
        inner = (*stack, child) if isinstance(child, _Function) else stack
        yield child, stack
        yield from _walk(child, inner)


def _bindings(scope: ast.AST, stack: tuple[ast.AST, ...]) -> Iterator[tuple[str, Binding]]:
    if isinstance(scope, _Function):
        yield from _parameters(scope, stack[:-1])
    for node, inner in _walk(scope, stack):
        if inner == stack:
            yield from _bound(node, stack)


def _parameters(
    function: ast.FunctionDef | ast.AsyncFunctionDef, outer: tuple[ast.AST, ...]
) -> Iterator[tuple[str, Binding]]:
    args = function.args
    plain = [*args.posonlyargs, *args.args]
    missing: list[ast.expr | None] = [None] * (len(plain) - len(args.defaults))
    defaults = [*missing, *args.defaults, *args.kw_defaults]
    for arg, default in zip([*plain, *args.kwonlyargs], defaults, strict=True):
        chain = dotted(default) if default is not None else ""
        secret = {"dlt.secrets.value": True, "dlt.config.value": False}.get(chain)
        yield arg.arg, Binding(line=0, value=default, stack=outer, secret=secret)


def _bound(node: ast.AST, stack: tuple[ast.AST, ...]) -> Iterator[tuple[str, Binding]]:
    match node:
        case ast.Assign():
            for target in node.targets:
                yield from _target(target, node.value, node.lineno, stack)
        case ast.AnnAssign():
            yield from _target(node.target, node.value, node.lineno, stack)
        case ast.AugAssign():
            yield from _target(node.target, None, node.lineno, stack)
        case ast.For() | ast.AsyncFor():
            yield from _target(node.target, None, node.lineno, stack)
        case ast.Call(func=ast.Attribute(value=held, attr=attr)) if attr in _MUTATORS:
            yield from _target(held, None, node.lineno, stack)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name, Binding(line=node.lineno, stack=stack)
        case _:
            pass


def _target(
    target: ast.expr, value: ast.expr | None, line: int, stack: tuple[ast.AST, ...]
) -> Iterator[tuple[str, Binding]]:
    """What an assignment binds; setting an item of a name changes it in place."""
    if isinstance(target, ast.Name):
        yield target.id, Binding(line=line, value=value, stack=stack)
        return
    held: ast.expr = target
    while isinstance(held, (ast.Subscript, ast.Attribute)):
        held = held.value
    for found in ast.walk(held):
        if isinstance(found, ast.Name):
            yield found.id, Binding(line=line, stack=stack)


def dotted(expr: ast.AST) -> str:
    """A chain of attributes as text, `a.b.c`; empty if it is none."""
    names: list[str] = []
    while isinstance(expr, ast.Attribute):
        names.insert(0, expr.attr)
        expr = expr.value
    if not isinstance(expr, ast.Name):
        return ""
    return ".".join([expr.id, *names])
