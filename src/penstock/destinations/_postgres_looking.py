"""A connection to Postgres that answers as DuckDB's does: for scripts that ask what they loaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstock.destinations._postgres_engine import numbered
from penstock.patterns import pattern

if TYPE_CHECKING:
    import pyarrow as pa

_NAMED = pattern(r"\$([A-Za-z_]\w*)")

Given = Sequence[object] | Mapping[str, object]


class Answer:
    """The rows of a query: what the driver's cursor has, and frames."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self._cursor.description or ()]

    def df(self, *_: object, **__: object) -> Any:
        """A pandas frame of all rows."""
        import pandas as pd  # noqa: PLC0415 (whoever wants frames has it)

        return pd.DataFrame(self._cursor.fetchall(), columns=self.names)

    def to_arrow_table(self) -> pa.Table:
        """An Arrow table of all rows."""
        import pyarrow as pa  # noqa: PLC0415 (loaded when it is used)

        rows = self._cursor.fetchall()
        arrays = [pa.array([row[n] for row in rows]) for n in range(len(self.names))]
        return pa.table(arrays, names=self.names)

    arrow = to_arrow_table


class Looked:
    """The connection; values stand in queries as in DuckDB's: `?`, or `$name` from a mapping.

    `cursor` makes one of the driver's that takes numbered marks. All else is the driver's
    connection.
    """

    def __init__(self, connection: Any, cursor: Callable[[Any], Any]) -> None:
        self._connection = connection
        self._cursor = cursor

    def execute(self, query: str, parameters: Given = (), /) -> Answer:
        """Run a statement.

        Raises:
            psycopg.Error: whatever Postgres says of it.
        """
        if isinstance(parameters, Mapping):
            query, parameters = _in_order(query, parameters)
        # without values a `?` is Postgres' own
        text = numbered(query) if parameters else query
        cursor = self._cursor(self._connection)
        return Answer(cursor.execute(text, list(parameters) or None))

    def sql(self, query: str, /, *, params: Given = ()) -> Answer:
        """The same."""
        return self.execute(query, params)

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _in_order(query: str, named: Mapping[str, object]) -> tuple[str, list[object]]:
    """A query whose values have names, with marks, and the values in the order of these."""
    values: list[object] = []

    def mark(found: re.Match[str]) -> str:
        if found[1] not in named:
            return found[0]
        values.append(named[found[1]])
        return "?"

    return _NAMED.sub(mark, query), values
