"""What functions of dlt are called with: a word that they do not take is said, as by Python."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.dialects.dlt.standin.base.errors import Refusal
from penstock.dialects.dlt.standin.base.record import refuse
from penstock.errors import closest_or_all

_TABLE = (
    *("table_name", "write_disposition", "columns", "primary_key", "schema_contract"),
    "table_format",
)
_DECORATED = (
    *(*_TABLE, "name", "section", "max_table_nesting", "merge_key", "file_format", "references"),
    *("nested_hints", "selected", "spec", "parallelized", "standalone", "parent_table_name"),
)
_SOURCE = ("name", "section", "max_table_nesting", "root_key", "schema", "schema_contract")
_WHERE = ("destination", "staging", "dataset_name", "credentials")
_KNOWN = {
    "dlt.source": (*_SOURCE, "spec", "parallelized"),
    "dlt.resource": (*_DECORATED, "incremental", "data_from"),
    "dlt.transformer": (*_DECORATED, "data_from"),
    "rest_api_source": (*_SOURCE, "config", "parallelized"),
    "run": (
        *(*_TABLE, *_WHERE, "data", "schema", "loader_file_format", "refresh"),
        *("parent_table_name", "max_parallel_items", "workers"),  # of `extract`
    ),
}


class UnknownArgument(Refusal, TypeError):  # noqa: N818 (it is told as a diagnostic)
    """An argument that a function of dlt does not have."""

    code = "unknown-key"


def known(what: str, given: Iterable[str]) -> None:
    """Refuse arguments that a function of dlt does not take.

    Raises:
        UnknownArgument: there is one.
    """
    for name in given:
        if name not in _KNOWN[what] and not name.startswith("_"):
            hint = closest_or_all(name, sorted(_KNOWN[what]))
            raise refuse(UnknownArgument(f"{what} has no argument {name!r}", hint))
