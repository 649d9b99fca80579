"""Datasets of files, for readers."""

from __future__ import annotations

from penstock.destinations import Dataset, open_dataset

__all__ = ["Dataset", "dataset"]


def dataset(place: str, *, db_schema: str | None = None) -> Dataset:
    """Open a dataset that a run loaded into `parquet:…` or `delta:…`, to read its tables.

    Args:
        place: its folder or URL, with or without `parquet:`; that of one schema, or the one around.
        db_schema: the schema, where there are several.

    Raises:
        DestinationError: there is no dataset.
    """
    return open_dataset(place, db_schema)
