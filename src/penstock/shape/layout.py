"""How the columns of a table are laid out: flat ones, and those that hold structs and lists.

Both lanes fill flat columns and child tables, whatever the nesting. Those that are to be nested are
*folded*: a `Piece` says which of them make up one nested column. Pieces come in the order in which
records showed them, so that a nested type only ever grows at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.shape import names
from penstock.shape.schema import TableColumn

if TYPE_CHECKING:
    from penstock.shape.tree import ColumnState, Node, TableState


class Piece:
    """A column of a table, or a field of a struct: a scalar or a struct, in any number of lists.

    `path` is where it stands in the record around it, or in the element of the list around it, and
    `lists` are the tables that the elements are in, the outermost first. Exactly one of `leaf` and
    `fields` is there.
    """

    __slots__ = ("fields", "leaf", "lists", "name", "path")

    def __init__(
        self,
        name: str,
        path: tuple[str, ...],
        lists: Sequence[TableState] = (),
        leaf: ColumnState | None = None,
        longest: int = names.MAX_NAME,
    ) -> None:
        self.name = name
        self.path = path
        self.lists = tuple(lists)
        self.leaf = leaf
        self.fields = Layout(names.Names(longest)) if leaf is None else None

    def frozen(self) -> TableColumn:
        """The piece as the schema shows it."""
        column = self._innermost()
        for depth in reversed(range(len(self.lists))):
            name = _ELEMENT if depth else self.name
            path = self.lists[depth].path
            column = TableColumn(name=name, type="list", path=path, fields=(column,))
        return column

    def _innermost(self) -> TableColumn:
        name = _ELEMENT if self.lists else self.name
        if self.leaf is not None:
            return self.leaf.frozen(name)
        assert self.fields is not None, "a piece without a leaf has fields"
        fields = tuple(piece.frozen() for piece in self.fields.pieces)
        path = () if self.lists else self.path
        return TableColumn(name=name, type="struct", path=path, fields=fields)


class Layout:
    """The pieces of one table or struct, and the names they have there; `first` is what has one."""

    __slots__ = ("_names", "_structs", "first", "pieces")

    def __init__(self, taken: names.Names) -> None:
        self.pieces: list[Piece] = []
        self._names = taken
        self._structs: dict[tuple[tuple[str, ...], int], Piece] = {}
        self.first: set[tuple[str, ...]] = set()

    @property
    def longest(self) -> int:
        """The bytes that a name may have."""
        return self._names.longest

    def add(self, column: ColumnState) -> None:
        """A flat column, under the name that it has in its table."""
        if not column.variant:
            self.first.add(column.node.path)
        self.pieces.append(Piece(column.name, column.node.path, leaf=column))

    def remove(self, column: ColumnState) -> None:
        """Let go of a flat column."""
        if not column.variant:
            self.first.discard(column.node.path)
        self.pieces = [piece for piece in self.pieces if piece.leaf is not column]

    def struct(self, base: str, path: tuple[str, ...], lists: Sequence[TableState]) -> Piece:
        """The struct at `path`, or that in lists there; new or known."""
        found = self._structs.get((path, len(lists)))
        if found is None:
            name, _ = self._take(base, path, f"{'list_' * len(lists)}struct")
            found = self._structs[path, len(lists)] = Piece(name, path, lists, longest=self.longest)
            self.pieces.append(found)
        return found

    def leaf(
        self, base: str, path: tuple[str, ...], lists: Sequence[TableState], column: ColumnState
    ) -> tuple[str, str]:
        """A scalar at `path`, or in lists there; gives its name, and the one it should have had."""
        kind = f"{'list_' * len(lists)}scalar"
        if column.variant:
            wanted = f"{base}__v_{column.type}"
            wanted = names.shorten(wanted, wanted, self.longest)
            name = self._names.take(wanted, f"{'.'.join(path)}#{kind}#{column.type}")
        else:
            name, wanted = self._take(base, path, kind)
        self.pieces.append(Piece(name, path, lists, column))
        return name, wanted

    def _take(self, base: str, path: tuple[str, ...], kind: str) -> tuple[str, str]:
        """A name: the plain one for what came first at a path, one with its kind for the rest."""
        wanted = f"{base}__v_{kind}" if path in self.first else base
        wanted = names.shorten(wanted, wanted, self.longest)
        self.first.add(path)
        return self._names.take(wanted, f"{'.'.join(path)}#{kind}"), wanted


_ELEMENT = "element"


def place(column: ColumnState) -> tuple[str, str]:
    """Put a folded column where it belongs; gives its full name, and the last one it wanted."""
    top, steps = _way(column.node)
    layout, base, path = column.node.table.home.layout, top.name, top.path
    said: list[str] = []
    while True:
        lists: list[TableState] = []
        while steps and not isinstance(steps[0], str):
            lists.append(steps.pop(0))  # type: ignore[arg-type]  # the condition says what it is
        if not steps:
            name, wanted = layout.leaf(base, path, lists, column)
            return ".".join((*said, name)), wanted
        piece = layout.struct(base, path, lists)
        assert piece.fields is not None, "a struct has fields"
        said.append(piece.name)
        key = steps.pop(0)
        assert isinstance(key, str), "what is no list is a key"
        layout, base = piece.fields, names.identifier(key, layout.longest)
        path = (key,) if lists else (*path, key)


def _way(node: Node) -> tuple[Node, list[str | TableState]]:
    """Where the nested value begins that `node` is a part of, and the steps from there to it."""
    top, table, path = node.top, node.table, node.path
    assert top is not None, "what is folded is a part of something"
    steps: list[str | TableState] = []
    while table.folded:
        assert table.parent is not None, "the root is not folded"
        steps = [table, *path, *steps]
        table, path = table.parent, table.path
    return top, [*path[len(top.path) :], *steps]
