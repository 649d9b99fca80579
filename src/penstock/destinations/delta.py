"""Delta Lake: Delta tables in a folder, with a log beside them that makes checkpoints whole.

What holds, and how:

- A checkpoint is decided by one file of the log, as in the Parquet destination, and then shown by
  one Delta commit for each table it changes. A run that dies in between leaves tables that lag
  behind the log; the next run shows the rest before it does anything else.
- Each Delta commit has the number of the log's commit as its app transaction (`penstock`), and the
  load id in its commit info, so that nothing is shown twice.
- A reader of one Delta table sees checkpoints, never half of one. Between two tables it may see
  one checkpoint of a root and an earlier one of its children, as long as the commits take.
- Tables may be optimised, compacted or vacuumed by others: what they did is taken over before the
  next rows are written. Files that no version uses are left to VACUUM.
- Delta has no time of day: it is kept as text.
"""

from __future__ import annotations

from penstock.destinations._delta_mirror import DeltaMirror
from penstock.destinations._duckdb_scratch import Scratch
from penstock.destinations._lake import FAULTS, Lake
from penstock.destinations._lake_session import Mirror
from penstock.destinations._lake_store import LocalStore, Store
from penstock.destinations.base import Destination, Fault, Kind, no_fault
from penstock.errors import DestinationError

KIND = Kind(
    name="delta",
    summary="Delta Lake tables in a folder",
    schemes=("delta",),
    urls=("delta:lake", "delta:/absolute/path"),
    nested=True,
    faults=(*FAULTS, "commit:said", "commit:shown"),
)


def destination(url: str, *, fault: Fault = no_fault) -> Destination:
    """Return the destination that `url` names."""
    place = url.partition(":")[2].removeprefix("//")
    if not place or "://" in place:
        raise DestinationError(
            "a Delta destination is a folder of this machine",
            code="url",
            hint="name one, as in delta:lake; parquet:s3://… loads into an object store",
        )
    return DeltaLake(url, place, fault=fault)


class DeltaLake(Lake):
    """A folder of datasets whose tables are Delta tables."""

    kind = "delta"

    def mirror(self, store: Store, engine: Scratch) -> Mirror:  # noqa: ARG002 (files need it)
        """Delta tables that follow the log."""
        assert isinstance(store, LocalStore)
        try:
            import deltalake  # noqa: F401, PLC0415 (the driver is loaded when something is opened)
        except ImportError as error:
            raise DestinationError(
                "the Delta Lake driver is not installed", hint="pip install 'penstock[delta]'"
            ) from error
        return DeltaMirror(store, self._fault)
