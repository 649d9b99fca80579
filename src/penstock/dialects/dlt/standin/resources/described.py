"""What a resource says of its table, as `compute_table_schema` of dlt describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penstock.dialects.dlt.models import columns_of, default_contract, is_model
from penstock.dialects.dlt.standin.base.exceptions import named

if TYPE_CHECKING:
    from penstock.dialects.dlt.standin.resources.sources import DltResource

_SAID = ("schema_contract", "table_format", "file_format", "references", "parent_table_name")
_SPELLED = {"parent_table_name": "parent"}
_OF_MERGE = {
    "strategy": "x-merge-strategy",
    "deduplicated": "x-stage-data-deduplicated",
    "source_filter": "x-merge-source-filter",
    "destination_scope": "x-merge-destination-scope",
    "skip_unchanged_rows": "x-merge-skip-unchanged-rows",
}
_VALIDITY = ("_dlt_valid_from", "_dlt_valid_to")


def columns_over(held: Any, given: Any) -> Any:
    """Columns with others over them, hint by hint; a class takes their place, and so do none."""
    if not (given and isinstance(held, (Mapping, list)) and isinstance(given, (Mapping, list))):
        return given
    found: dict[str, Any] = {}
    for columns in (held, given):
        named = columns if isinstance(columns, Mapping) else {one["name"]: one for one in columns}
        for name, hints in named.items():
            found[name] = {**found.get(name, {}), **hints}
    return found


def table_schema(resource: DltResource, item: Any = None) -> dict[str, Any]:
    """The table of a resource; `item` is a row, where functions say what it is.

    Raises:
        DataItemRequiredForDynamicTableHints: a function names the table, and there is no row.
    """

    def said(name: str) -> Any:
        held = resource.said(name)
        return held(item) if callable(held) and not isinstance(held, type) else held

    if callable(resource.table_name) and item is None:
        message = f"the table of {resource.name!r} is named by a function, which needs a row"
        raise named("DataItemRequiredForDynamicTableHints")(message)
    columns = _columns(_declared(resource))
    for hint in ("primary_key", "merge_key"):
        _key(columns, hint, said(hint))
    found: dict[str, Any] = {"columns": columns}
    found.update(_disposition(columns, said("write_disposition")))
    cursor = getattr(resource.incremental, "cursor_path", None)
    if isinstance(cursor, str) and cursor.isidentifier():
        columns.setdefault(cursor, {"name": cursor})["incremental"] = True
    for name in _SAID:
        if said(name) is not None:
            found[_SPELLED.get(name, name)] = said(name)
    if is_model(said("columns")):
        found["schema_contract"] = said("schema_contract") or default_contract(said("columns"))
    if said("max_table_nesting") is not None:
        found["x-normalizer"] = {"max_nesting": said("max_table_nesting")}
    return {**found, "name": said("table_name") or resource.name, "resource": resource.name}


def _declared(resource: DltResource) -> Any:
    """The columns that a resource declares, over those of all resources of its configuration."""
    config = resource.config if isinstance(resource.config, Mapping) else {}
    defaults = config.get("resource_defaults")
    below = defaults.get("columns") if isinstance(defaults, Mapping) else None
    held = resource.said("columns")
    return held if below is None or held is below else columns_over(below, held)


def _columns(given: Any) -> dict[str, dict[str, Any]]:
    """Declared columns by their names."""
    if is_model(given):
        return {name: {"name": name, **hints} for name, hints in columns_of(given).items()}
    listed = given.items() if isinstance(given, Mapping) else ((c["name"], c) for c in given or ())
    return {str(name): {**hints, "name": str(name)} for name, hints in listed}


def _key(columns: dict[str, dict[str, Any]], hint: str, given: Any) -> None:
    """Columns of a key, which takes the place of what columns say of it themselves."""
    if given is None:
        return
    for column in columns.values():
        column.pop(hint, None)
    for name in [given] if isinstance(given, str) else given:
        if name:
            column = columns.setdefault(str(name), {"name": str(name)})
            column.update({"nullable": column.get("nullable", False), hint: True})


def _disposition(columns: dict[str, dict[str, Any]], given: Any) -> dict[str, Any]:
    """How rows are written, with what a strategy adds to the columns."""
    if not isinstance(given, Mapping):
        return {"write_disposition": given or "append"}
    found: dict[str, Any] = {}
    if given.get("disposition") == "merge":
        found = {hint: given[key] for key, hint in _OF_MERGE.items() if given.get(key)}
    if found and given.get("strategy") == "scd2":
        columns.update(_versions(given))
        if "boundary_timestamp" in given:
            found["x-boundary-timestamp"] = given["boundary_timestamp"]
    return {**found, "write_disposition": given.get("disposition")}


def _versions(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The columns of versions."""
    since, until = given.get("validity_column_names") or _VALIDITY
    of = given.get("row_version_column_name", "_dlt_id")
    moment = {"data_type": "timestamp", "nullable": True}
    active = given.get("active_record_timestamp")
    until_hints = {"x-valid-to": True, "x-active-record-timestamp": active}
    return {
        since: {"name": since, **moment, "x-valid-from": True},
        until: {"name": until, **moment, **until_hints},
        of: {"name": of, "nullable": False, "x-row-version": True, "unique": False,
             "row_key": False},
    }  # fmt: skip
