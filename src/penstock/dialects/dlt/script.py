"""Reads the configuration out of a Python script without running it.

Literals, names bound to them, `dict(...)`, texts put together and references to secrets are known
from the source alone. Whatever is not, is diagnosed where it stands.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from penstock.dialects.dlt.objects import ANNOTATION, BUILDERS, SHORTHANDS
from penstock.dialects.dlt.scopes import Binding, Scopes, dotted
from penstock.dialects.document import (
    MAX_DEPTH,
    Document,
    Joined,
    Key,
    Node,
    Opaque,
    SecretRef,
    Unreadable,
    Value,
    decoded,
)
from penstock.errors import Place

_BUILTINS = {"max": max, "min": min}


def read_script(document: Document, text: str, first_line: int = 1, indent: int = 0) -> Node | None:
    """The configuration that a script builds, or None if it builds none.

    The text begins at `first_line` of the document, `indent` columns in.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        line = (getattr(exc, "lineno", None) or 1) - 1 + first_line
        place = document.place(line, (getattr(exc, "offset", None) or 1) + indent)
        said = getattr(exc, "msg", None) or str(exc)
        document.say("error", "python-syntax", f"this is not Python: {said}", place)
        return Node(Unreadable(), document, line=line, column=1)
    lines = text.encode("utf-8", "surrogatepass").split(b"\n")
    return _Reader(document, tree, lines, first_line, indent).root()


def _annotates(node: ast.AnnAssign) -> bool:
    return dotted(node.annotation).split(".")[-1] == ANNOTATION


class _Reader:
    def __init__(
        self, document: Document, tree: ast.Module, lines: list[bytes], first_line: int, indent: int
    ) -> None:
        self.document = document
        self.tree = tree
        self.lines = lines
        self.first_line = first_line
        self.indent = indent
        self.scopes = Scopes(tree)

    # Finding the configuration.

    def root(self) -> Node | None:
        found = list(self.builders())
        if not found:
            return None
        first, stack = found[0]
        if len(found) > 1:
            place = self.document.place(*self.at(found[1][0]))
            message = "the script builds several sources; the first one is taken"
            hint = "name one as module:attribute"
            self.document.say("warning", "several-sources", message, place, hint)
        return self.node(first, (), None, stack, 0)

    def builders(self) -> Iterator[tuple[ast.expr, tuple[ast.AST, ...]]]:
        """The argument of each call that builds a source; else what is annotated as its config."""
        annotated: list[tuple[ast.expr, tuple[ast.AST, ...]]] = []
        called = False
        for node, stack in self.scopes.statements():
            if isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] in BUILDERS:
                config = self.config_of(node)
                if config is not None:
                    called = True
                    yield config, stack
            elif isinstance(node, ast.AnnAssign) and _annotates(node) and node.value is not None:
                annotated.append((node.value, stack))
        if not called:
            yield from annotated

    def config_of(self, call: ast.Call) -> ast.expr | None:
        named = {k.arg: k.value for k in call.keywords}
        title = named.get("name")
        if isinstance(title, ast.Constant) and isinstance(title.value, str):
            self.document.name = title.value
        return call.args[0] if call.args else named.get("config")

    # Values.

    def at(self, expr: ast.AST) -> tuple[int, int]:
        """Line and column, counted in characters from 1, in the document."""
        line: int = getattr(expr, "lineno", 1)
        raw = self.lines[line - 1] if line <= len(self.lines) else b""
        offset = len(raw[: getattr(expr, "col_offset", 0)].decode("utf-8", "replace"))
        return line - 1 + self.first_line, offset + 1 + self.indent

    def node(
        self,
        expr: ast.expr,
        path: tuple[Key, ...],
        key: ast.expr | None,
        stack: tuple[ast.AST, ...],
        depth: int,
    ) -> Node:
        line, column = self.at(expr)
        key_line, key_column = self.at(key) if key is not None else (0, 0)
        node = Node(
            Unreadable(),
            self.document,
            line=line,
            column=column,
            key_line=key_line,
            key_column=key_column,
            path=path,
        )
        if depth > MAX_DEPTH or not self.document.count():
            message = "the document is too deep or too large"
            self.document.say("error", "too-large", message, node.place)
        else:
            node.value = self.value(expr, node, stack, depth + 1)
        return node

    def value(self, expr: ast.expr, node: Node, stack: tuple[ast.AST, ...], depth: int) -> Value:
        match expr:
            case ast.Constant():
                return self.constant(expr, node)
            case ast.Dict():
                return self.entries(expr, node, stack, depth)
            case ast.List() | ast.Tuple():
                return self.items(expr, node, stack, depth)
            case ast.JoinedStr():
                return self.fstring(expr, node, stack, depth)
            case ast.BinOp() | ast.UnaryOp():
                return self.operation(expr, node, stack, depth)
            case ast.Name():
                return self.name(expr, node, stack, depth)
            case ast.Call():
                return self.call(expr, node, stack, depth)
            case ast.Attribute() | ast.Subscript():
                return self.access(expr, node, stack, depth)
            case _:
                return self.unknown(expr, node)

    def unknown(self, expr: ast.expr, node: Node) -> Unreadable:
        """Say that a value is known only by running the script."""
        shown = ast.unparse(expr)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."  # noqa: PLR2004 (a short line)
        message = f"{shown!r} is known only by running the script"
        hint = "write the value itself, or dlt.secrets[...] or dlt.config[...]"
        self.document.say("error", "python-value", message, self.place(expr, node), hint)
        return Unreadable()

    def place(self, expr: ast.expr, node: Node) -> Place:
        return self.document.place(*self.at(expr), node)

    def constant(self, expr: ast.Constant, node: Node) -> Value:
        value = expr.value
        if isinstance(value, bytes):
            return decoded(value)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        return self.unknown(expr, node)

    def entries(self, expr: ast.Dict, node: Node, stack: tuple[ast.AST, ...], depth: int) -> Value:
        entries: dict[str, Node] = {}
        for key, value in zip(expr.keys, expr.values, strict=True):
            if key is None:
                inner = self.node(value, node.path, None, stack, depth)
                if not isinstance(inner.value, dict):
                    return Unreadable() if not inner.readable else self.unknown(value, node)
                entries.update(inner.value)
                continue
            name = self.node(key, node.path, None, stack, depth).value
            if not isinstance(name, (str, int, float)):
                return Unreadable() if isinstance(name, Unreadable) else self.unknown(key, node)
            self.twice(str(name), entries, key, node)
            entries[str(name)] = self.node(value, (*node.path, str(name)), key, stack, depth)
        return entries

    def twice(self, name: str, entries: dict[str, Node], key: ast.expr, node: Node) -> None:
        if name in entries and entries[name].key_line:
            said = f"the key {name!r} comes twice; the last one counts"
            place = self.document.place(*self.at(key), node)
            self.document.say("warning", "duplicate-key", said, place, "keep one of them")

    def items(
        self, expr: ast.List | ast.Tuple, node: Node, stack: tuple[ast.AST, ...], depth: int
    ) -> Value:
        items: list[Node] = []
        for item in expr.elts:
            if isinstance(item, ast.Starred):
                inner = self.node(item.value, node.path, None, stack, depth)
                if not isinstance(inner.value, list):
                    return Unreadable() if not inner.readable else self.unknown(item, node)
                items += inner.value
            else:
                items.append(self.node(item, (*node.path, len(items)), None, stack, depth))
        return items

    def fstring(
        self, expr: ast.JoinedStr, node: Node, stack: tuple[ast.AST, ...], depth: int
    ) -> Value:
        parts: list[Value] = []
        for part in expr.values:
            plain = isinstance(part, ast.FormattedValue) and part.conversion == -1
            if isinstance(part, ast.FormattedValue):
                if not plain or part.format_spec is not None:
                    return self.unknown(part.value, node)
                part = part.value  # noqa: PLW2901 (what is formatted)
            parts.append(self.node(part, node.path, None, stack, depth).value)
        return self.joined(parts, expr, node)

    def joined(self, parts: list[Value], expr: ast.expr, node: Node) -> Value:
        """The parts as one text; numbers become text, references stay."""
        flat: list[str | SecretRef] = []
        for part in parts:
            match part:
                case Unreadable():
                    return part
                case Joined():
                    flat += part.parts
                case SecretRef():
                    flat.append(part)
                case str() | int() | float():
                    flat.append(str(part))
                case _:
                    return self.unknown(expr, node)
        if all(isinstance(p, str) for p in flat):
            return "".join(str(p) for p in flat)
        return Joined(parts=tuple(flat))

    def operation(
        self, expr: ast.BinOp | ast.UnaryOp, node: Node, stack: tuple[ast.AST, ...], depth: int
    ) -> Value:
        if isinstance(expr, ast.UnaryOp):
            held = self.node(expr.operand, node.path, None, stack, depth).value
            if isinstance(expr.op, ast.USub) and isinstance(held, (int, float)):
                return -held
            return held if isinstance(held, Unreadable) else self.unknown(expr, node)
        left = self.node(expr.left, node.path, None, stack, depth).value
        right = self.node(expr.right, node.path, None, stack, depth).value
        for side in (left, right):
            if isinstance(side, Unreadable):
                return side
        return self.combined(expr, left, right, node)

    def combined(self, expr: ast.BinOp, left: Value, right: Value, node: Node) -> Value:
        texts = (str, Joined, SecretRef)
        match expr.op:
            case ast.Add() if isinstance(left, texts) and isinstance(right, texts):
                return self.joined([left, right], expr, node)
            case ast.Add() if isinstance(left, list) and isinstance(right, list):
                return left + right
            case ast.BitOr() if isinstance(left, dict) and isinstance(right, dict):
                return {**left, **right}
            case _ if isinstance(left, (int, float)) and isinstance(right, (int, float)):
                match expr.op:
                    case ast.Add():
                        return left + right
                    case ast.Sub():
                        return left - right
                    case ast.Mult():
                        return left * right
                    case _:
                        pass
            case _:
                pass
        return self.unknown(expr, node)

    # Names, calls and references.

    def name(self, expr: ast.Name, node: Node, stack: tuple[ast.AST, ...], depth: int) -> Value:
        found = self.scopes.find(expr.id, stack, expr.lineno)
        if found is None:
            known = _BUILTINS.get(expr.id)
            return Opaque(value=known) if known else self.unknown(expr, node)
        if found.secret is not None:
            return SecretRef(name=expr.id, secret=found.secret)
        if found.value is None:
            return self.unknown(expr, node)
        return self.follow(found, node, depth)

    def follow(self, found: Binding, node: Node, depth: int) -> Value:
        """The value a name is bound to; places are then those of the binding."""
        assert found.value is not None, "only bound names are followed"
        inner = self.node(found.value, node.path, None, found.stack, depth)
        node.line, node.column = inner.line, inner.column
        return inner.value

    def call(self, expr: ast.Call, node: Node, stack: tuple[ast.AST, ...], depth: int) -> Value:
        name = dotted(expr.func)
        reference = self.reference(name, expr)
        if reference is not None:
            return reference
        last = name.split(".")[-1]
        if name in {"copy.deepcopy", "deepcopy", "copy.copy", "str"} and len(expr.args) == 1:
            return self.value(expr.args[0], node, stack, depth + 1)
        if name == "dict" or last == ANNOTATION:
            return self.keywords(expr, node, stack, depth, ())
        shorthand = SHORTHANDS.get(last)
        if shorthand is None:
            return self.unknown(expr, node)
        entries = self.keywords(expr, node, stack, depth, shorthand.args)
        if isinstance(entries, dict):
            entries["type"] = Node(
                shorthand.type, self.document, line=node.line, column=node.column, path=node.path
            )
        return entries

    def keywords(
        self,
        expr: ast.Call,
        node: Node,
        stack: tuple[ast.AST, ...],
        depth: int,
        names: tuple[str, ...],
    ) -> Value:
        """The arguments of a call as a mapping; positional ones are called `names`."""
        entries: dict[str, Node] = {}
        if len(expr.args) > len(names) and not (not names and len(expr.args) == 1):
            return self.unknown(expr, node)
        for nth, arg in enumerate(expr.args):
            if not names:
                inner = self.node(arg, node.path, None, stack, depth)
                if not isinstance(inner.value, dict):
                    return Unreadable() if not inner.readable else self.unknown(arg, node)
                entries.update(inner.value)
            else:
                path = (*node.path, names[nth])
                entries[names[nth]] = self.node(arg, path, None, stack, depth)
        for keyword in expr.keywords:
            if keyword.arg is None:
                return self.unknown(expr, node)
            path = (*node.path, keyword.arg)
            entries[keyword.arg] = self.node(keyword.value, path, None, stack, depth)
        return entries

    def access(
        self,
        expr: ast.Attribute | ast.Subscript,
        node: Node,
        stack: tuple[ast.AST, ...],
        depth: int,
    ) -> Value:
        if isinstance(expr, ast.Attribute):
            chain = dotted(expr)
            if chain in {"dlt.secrets.value", "dlt.config.value"} and node.path:
                return SecretRef(name=str(node.path[-1]), secret="secrets" in chain)
            return self.unknown(expr, node)
        reference = self.subscripted(expr)
        if reference is not None:
            return reference
        held = self.node(expr.value, node.path, None, stack, depth).value
        index = self.node(expr.slice, node.path, None, stack, depth).value
        if isinstance(held, dict) and isinstance(index, str) and index in held:
            return held[index].value
        if isinstance(held, list) and isinstance(index, int) and -len(held) <= index < len(held):
            return held[index].value
        return held if isinstance(held, Unreadable) else self.unknown(expr, node)

    def subscripted(self, expr: ast.Subscript) -> SecretRef | None:
        """A reference written `dlt.secrets["a"]["b"]`, `dlt.config[...]` or `os.environ[...]`."""
        names: list[str] = []
        held: ast.expr = expr
        while isinstance(held, ast.Subscript):
            if not (isinstance(held.slice, ast.Constant) and isinstance(held.slice.value, str)):
                return None
            names.insert(0, held.slice.value)
            held = held.value
        root = dotted(held)
        if root not in {"dlt.secrets", "dlt.config", "os.environ"}:
            return None
        read = root != "os.environ"
        return SecretRef(name=".".join(names), secret=root != "dlt.config", read=read)

    def reference(self, name: str, expr: ast.Call) -> SecretRef | None:
        """A reference written as a call: `dlt.secrets.get("x", default)`, `os.getenv("x")`."""
        roots = {"dlt.secrets.get", "dlt.config.get", "os.getenv", "os.environ.get"}
        args = [a.value for a in expr.args if isinstance(a, ast.Constant)]
        if name not in roots or not args or len(args) != len(expr.args):
            return None
        default = (
            args[1] if len(args) > 1 and isinstance(args[1], (str, int, float, bool)) else None
        )
        secret = not name.startswith("dlt.config")
        return SecretRef(
            name=str(args[0]), secret=secret, default=default, optional=default is None
        )
