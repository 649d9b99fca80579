"""Penstock from Python: load a document, read its streams, or load them into a destination.

::

    import penstock

    source = penstock.load("github.yaml", api_key="...")
    for page in source.read("users"):
        print(len(page), "users")
    result = source.run(to="github.duckdb")
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.errors import Diagnostic, Error
from penstock.events import Event
from penstock.plan import source as plan
from penstock.plan.expr import JsonValue
from penstock.plan.target import Target

if TYPE_CHECKING:
    import pandas as pd
    import polars  # noqa: ICN001 (`pl` is a method here)
    import pyarrow as pa

    from penstock.dialects import Compiled
    from penstock.engine import Reshaped, Result

__all__ = ["Page", "Source", "as_dlt_source", "load", "reshape", "run"]

Page = list[JsonValue]
"""The records of one page, as the API gives them."""

OnEvent = Callable[[Event], None]


def _nothing(event: Event) -> None:
    """What is done with events that nobody asked for."""
    del event


class Source:
    """A document that compiled, with the values it will run with.

    Args:
        compiled: the document's plan and what was said about it.
        values: what was given for its inputs; the rest is looked for where the command line does.
        base_url: another origin to ask instead of the document's.
    """

    def __init__(
        self,
        compiled: Compiled,
        values: Mapping[str, JsonValue] | None = None,
        base_url: str | None = None,
    ) -> None:
        self.plan: plan.Source = compiled.need()
        self._compiled = compiled
        self._given = dict(values or {})
        self.base_url = base_url

    def __repr__(self) -> str:
        return f"<penstock.Source {self.name}: {', '.join(self.streams)}>"

    @property
    def name(self) -> str:
        """The source's name, which is also that of its schema in a destination."""
        return self.plan.name

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of the streams that a run loads."""
        return tuple(stream.name for stream in self.plan.streams if stream.selected)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the values that the document asks for."""
        return tuple(wanted.name for wanted in self.plan.inputs)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What was repaired in the document, and what of it changes nothing."""
        return self._compiled.diagnostics

    @cached_property
    def values(self) -> Mapping[str, JsonValue]:
        """The value of each input.

        Raises:
            PlanError: one is nowhere to be found; all of them are named.
        """
        from penstock.values import gather  # noqa: PLC0415 (`import penstock` stays fast)

        return gather(
            self.plan.inputs,
            sets=self._given,
            config=None,
            environ=os.environ,
            folder=Path.cwd(),
            source_name=self.name,
        )

    def at(self, base_url: str) -> Source:
        """The same source, asked at another origin: an emulator or a proxy."""
        return Source(self._compiled, self._given, base_url)

    # Reading.

    def read(self, stream: str, *, on_event: OnEvent = _nothing) -> Iterator[Page]:
        """The records of a stream, page by page, read while they are taken; nothing is stored.

        Raises:
            PlanError: there is no such stream, or a value is missing.
            ReadError: the API did not give what the plan asks for.
        """
        from penstock.engine import read_pages  # noqa: PLC0415 (`import penstock` stays fast)

        found = read_pages(
            self.plan, self.values, stream, base_url=self.base_url, on_event=on_event
        )
        return map(_decoded, found)

    async def read_async(self, stream: str, *, on_event: OnEvent = _nothing) -> AsyncIterator[Page]:
        """As `read`, inside an event loop that is running.

        Raises:
            PlanError: there is no such stream, or a value is missing.
            ReadError: the API did not give what the plan asks for.
        """
        from penstock.engine import Options  # noqa: PLC0415 (`import penstock` stays fast)
        from penstock.engine.reading import pages  # noqa: PLC0415 (the same)

        options = Options(base_url=self.base_url)
        found = pages(self.plan, self.values, stream, options=options, on_event=on_event)
        async with aclosing(found) as taken:
            async for page in taken:
                yield _decoded(page)

    def tables(self, stream: str) -> dict[str, pa.Table]:
        """The stream's table and its child tables by name, typed as a load would type them.

        Raises:
            PlanError: there is no such stream, or a value is missing.
            ReadError: the API did not give what the plan asks for.
        """
        from penstock.engine.reading import finished  # noqa: PLC0415 (`import penstock` stays fast)

        return finished(self.tables_async(stream))

    async def tables_async(self, stream: str) -> dict[str, pa.Table]:
        """As `tables`, inside an event loop that is running.

        Raises:
            PlanError: there is no such stream, or a value is missing.
            ReadError: the API did not give what the plan asks for.
        """
        from penstock.engine.tables import read_tables  # noqa: PLC0415 (`import penstock` stays fast)

        return await read_tables(self.plan, self.values, stream, base_url=self.base_url)

    def arrow(self, stream: str) -> pa.Table:
        """The stream's own table; lists in its records are in child tables, see `tables`.

        Of a stream whose records go to several tables it is the first.
        """
        return _first(self.tables(stream))

    async def arrow_async(self, stream: str) -> pa.Table:
        """As `arrow`, inside an event loop that is running."""
        return _first(await self.tables_async(stream))

    def df(self, stream: str) -> pd.DataFrame:
        """As `arrow`, for pandas.

        Raises:
            Error: pandas is not installed.
        """
        return _pandas(self.arrow(stream))

    async def df_async(self, stream: str) -> pd.DataFrame:
        """As `df`, inside an event loop that is running."""
        return _pandas(await self.arrow_async(stream))

    def pl(self, stream: str) -> polars.DataFrame:
        """As `arrow`, for polars.

        Raises:
            Error: polars is not installed.
        """
        return _polars(self.arrow(stream))

    async def pl_async(self, stream: str) -> polars.DataFrame:
        """As `pl`, inside an event loop that is running."""
        return _polars(await self.arrow_async(stream))

    # Loading.

    def run(
        self,
        to: str | os.PathLike[str] | None = None,
        *,
        on_event: OnEvent = _nothing,
        **options: Any,
    ) -> Result:
        """Load the source into a destination; blocks until it is done.

        Args:
            to: the destination, as `--to` of the command line takes it. Without it the one that a
                script names, or a DuckDB file called like the source.
            on_event: called with each event of the run.
            options: what `penstock.Options` takes: `select`, `full_refresh`, `db_schema`, …

        Raises:
            PlanError: a selected stream does not exist, or a value is missing.
            DestinationError: the destination cannot be opened, or keeps nothing more.
        """
        from penstock.engine import Options, execute  # noqa: PLC0415 (`import penstock` stays fast)

        target = self._compiled.target if to is None else None
        target = target or Target()
        place = str(to or target.destination or f"{self.name}.duckdb")
        options.setdefault("db_schema", target.db_schema)
        options.setdefault("full_refresh", target.full_refresh)
        options.setdefault("keep_columns", target.keep_columns)
        options.setdefault("base_url", self.base_url)
        return execute(self.plan, self.values, place, Options(**options), on_event)


def load(source: str | os.PathLike[str] | Mapping[str, object], /, **values: JsonValue) -> Source:
    """Load a document: a file, a dict, `module:attribute`, or a bundled connector's name.

    Values that the document asks for are given by name; those that are not are looked for in the
    environment and in the files where the command line looks, when they are first needed. A name
    with a dot is given as `**{"a.b": value}`.

    Raises:
        PlanError: the document has errors; all of them are in its `diagnostics`.
    """
    from penstock.engine import compile_source, compile_value  # noqa: PLC0415 (`import` stays fast)

    if isinstance(source, Mapping):
        return Source(compile_value(source, values), values)
    return Source(compile_source(os.fspath(source), values), values)


def run(
    source: Source | str | os.PathLike[str] | Mapping[str, object],
    to: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Result:
    """Load a document into a destination, in one call; the rest is as of `Source.run`.

    Raises:
        PlanError: the document has errors, or a value is missing.
        DestinationError: the destination cannot be opened, or keeps nothing more.
    """
    loaded = source if isinstance(source, Source) else load(source)
    return loaded.run(to, **options)


def reshape(
    folder: str | os.PathLike[str],
    to: str | os.PathLike[str],
    source: Source | str | os.PathLike[str] | Mapping[str, object] | None = None,
    **options: Any,
) -> Reshaped:
    """Build the tables again from pages that runs kept with `keep_pages`, without a request.

    Args:
        folder: where the pages are.
        to: the destination, as `--to` of the command line takes it.
        source: a document whose nesting, columns and contracts the tables get. Without it they
            are as they were.
        options: `nesting` ("tables", "json" or "struct", of all streams), `select` (names of
            streams), `db_schema`, `takeover`, and `on_event`, which is called with each event.

    Raises:
        PlanError: the document has errors, or a selected stream is not among the pages.
        Error: the folder holds no pages, or pages of several schemas.
        DestinationError: the destination cannot be opened, or keeps nothing more.
        ShapeError: a record cannot be shaped as it is asked for now.
    """
    from penstock.engine.reshaping import reshape as build  # noqa: PLC0415 (`import` stays fast)

    if source is not None and not isinstance(source, Source):
        source = load(source)
    return build(Path(folder), os.fspath(to), source=source.plan if source else None, **options)


def as_dlt_source(source: Source | str | os.PathLike[str] | Mapping[str, object]) -> Any:
    """The streams as a source of dlt's own, to load them into any destination that dlt has.

    Each stream is a resource that yields Arrow tables, the stream's own and its child tables. What
    the next run starts from is kept in dlt's state, and committed by dlt with the rows.

    Raises:
        PlanError: the document has errors.
        Error: dlt is not installed, or it cannot load a stream as the document asks.
    """
    from penstock.engine.bridge import dlt_source  # noqa: PLC0415 (`import` stays fast)

    loaded = source if isinstance(source, Source) else load(source)
    return dlt_source(loaded.plan, lambda: loaded.values, loaded.base_url)  # noqa: PD011 (no frame)


def _decoded(page: list[bytes]) -> Page:
    return [msgspec.json.decode(record) for record in page]


def _first(tables: dict[str, pa.Table]) -> pa.Table:
    return next(iter(tables.values()))


def _pandas(table: pa.Table) -> pd.DataFrame:
    try:
        return table.to_pandas()
    except ImportError as exc:
        raise _not_installed("pandas") from exc


def _polars(table: pa.Table) -> polars.DataFrame:
    try:
        import polars  # noqa: ICN001, PLC0415 (as above; only who asks for it has it)
    except ImportError as exc:
        raise _not_installed("polars") from exc
    return polars.from_arrow(table)


def _not_installed(library: str) -> Error:
    hint = f"install it beside Penstock: pip install {library}"
    return Error(f"{library} is not installed", code="module-missing", hint=hint)
