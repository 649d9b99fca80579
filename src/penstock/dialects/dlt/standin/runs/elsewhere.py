"""`dlt.dataset`: what a destination holds, whoever has loaded it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penstock.dialects.dlt.standin.base.errors import Unfinished
from penstock.dialects.dlt.standin.base.record import current, refuse, too_early, unknown
from penstock.dialects.dlt.standin.common.naming import schema_name
from penstock.dialects.dlt.standin.runs.answers import settle
from penstock.dialects.dlt.standin.runs.dataset import Dataset
from penstock.dialects.dlt.standin.runs.pipeline import destination_of
from penstock.plan.target import Target

if TYPE_CHECKING:
    from penstock.dialects.document import Held, Known
    from penstock.plan.door import Tables
    from penstock.plan.source import Source


class _There:
    """What a destination holds whenever a script looks: what it asked for by then is loaded."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.db_schema = target.db_schema or ""

    def _held(self) -> Held:
        settle("dlt.dataset")
        there = current().there
        if there is None:
            raise too_early("dlt.dataset")
        found = there(self._target)
        if found is None:
            message = "dlt.dataset is of a destination that is none that is known here"
            raise refuse(Unfinished(message, "name one with --to"))
        return found

    def look(self, *, writes: bool) -> Any:
        """A connection to the tables."""
        return self._held().look(writes=writes)

    def columns(self) -> Tables:
        """The columns of each table."""
        return self._held().columns()

    def loaded_before(self) -> bool:
        """Whether a run has loaded there."""
        return self._held().loaded_before()

    def known(self) -> Mapping[str, Known]:
        """What the next run starts from."""
        return self._held().known()

    def entries(self, source: Source) -> Mapping[str, Mapping[str, str]]:
        """The state of the streams of a source."""
        return self._held().entries(source)


def dataset(destination: Any, dataset_name: str, schema: Any = None, *_: Any, **__: Any) -> Dataset:
    """`dlt.dataset`: the tables of a dataset, without a pipeline."""
    where = destination_of(destination, None)
    url = where.url(dataset_name) if where is not None else None
    if where is None or url is None or url != where.url(f"{dataset_name}_"):  # as a pipeline says
        what = "dlt.dataset of a destination without a place"
        raise unknown(what, 'name it: dlt.dataset(dlt.destinations.duckdb("FILE"), NAME)')
    target = Target(destination=url, db_schema=schema_name(dataset_name))
    name = schema if isinstance(schema, str) else getattr(schema, "name", dataset_name)
    return Dataset(_There(target), str(name))
