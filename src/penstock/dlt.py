"""The drop-in for `dlt.sources.rest_api`: change the import, and Penstock reads the API.

::

    from penstock.dlt import rest_api_source, secrets

    source = rest_api_source({"client": {...}, "resources": [...]})
    source.run(to="github.duckdb")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.api import Source
from penstock.dialects.dlt.standin.base import record
from penstock.dialects.dlt.standin.resources import rest_api
from penstock.dialects.dlt.standin.resources.sources import DltSource
from penstock.dialects.dlt.standin.rest_client import parts
from penstock.dialects.dlt.standin.values.settings import Accessor
from penstock.engine import compile_built

__all__ = ["RESTAPIConfig", "config", "incremental", "rest_api_source", "secrets"]

RESTAPIConfig = dict[str, Any]
secrets = Accessor(secret=True)
config = Accessor(secret=False)
incremental = parts.Incremental


def rest_api_source(
    config: Mapping[str, Any], name: str | None = None, **settings: Any
) -> Source | DltSource:
    """The source that a `rest_api` configuration describes.

    Inside a script that Penstock executes it is what `dlt`'s own function gives there.

    Raises:
        PlanError: the configuration has errors; all of them are in its `diagnostics`.
    """
    made = rest_api.rest_api_source(config, name, **settings)
    if record.executing():
        return made
    return Source(compile_built(made))
