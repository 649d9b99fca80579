"""Parquet: a dataset of files in a folder or an object store, with a log that says which count.

What holds, and how:

- A checkpoint is one file of the log, made exclusively: data files are written and synced before,
  and count from then on. Who loses the race for a number was fenced.
- A local run shows that it lives by a lock on a file, which the system drops with the process. In
  an object store a run on another machine counts as alive until it ends or is taken over.
- Rows are merged by writing the parts anew that have a row of the same key, without that row; what
  needs SQL for it goes through a DuckDB in memory. Files are never changed in place.
- Files that went out of use stay for an hour, for whoever reads an earlier commit, and are then
  removed by the next run. So are files of runs that died, at once: nobody ever saw them.
- A file that somebody deleted or changed is found by its size before rows are added to its table.
"""

from __future__ import annotations

from penstock.destinations._lake import FAULTS, Lake
from penstock.destinations.base import Destination, Fault, Kind, no_fault
from penstock.errors import DestinationError

KIND = Kind(
    name="parquet",
    summary="a dataset of Parquet files, in a folder or an object store",
    schemes=("parquet",),
    urls=("parquet:lake", "parquet:/absolute/path", "parquet:s3://bucket/prefix"),
    nested=True,
    faults=FAULTS,
)


def destination(url: str, *, fault: Fault = no_fault) -> Destination:
    """Return the destination that `url` names."""
    place = url.partition(":")[2]
    if "://" not in place:
        place = place.removeprefix("//")
    if not place:
        raise DestinationError(
            "a Parquet destination needs a folder", code="url", hint="name one, as in parquet:lake"
        )
    return Lake(url, place, fault=fault)
