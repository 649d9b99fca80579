"""What a pipeline tells of itself: what it has loaded, and where."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.dialects.dlt.standin.base.errors import Unfinished
from penstock.dialects.dlt.standin.base.record import (
    AskedRun,
    caught_up,
    current,
    refuse,
    too_early,
    unfinished,
)
from penstock.dialects.dlt.standin.base.references import ABSENT, Known
from penstock.dialects.dlt.standin.common.naming import NamingConvention, schema_name
from penstock.dialects.dlt.standin.resources.schemas import InRun, Schema, in_run
from penstock.dialects.dlt.standin.runs.answers import LoadInfo, Trace, loaded_by
from penstock.dialects.dlt.standin.runs.dataset import Dataset, SqlClient
from penstock.dialects.document import Held
from penstock.plan.source import Source
from penstock.plan.target import Target


class RuntimeConfig:
    """`pipeline.runtime_config`: where messages about runs go; Penstock has no use for the rest."""

    @property
    def slack_incoming_hook(self) -> Any:
        """The address of a Slack channel, or None."""
        found = Known.lookup("runtime.slack_incoming_hook")
        return None if found is ABSENT else found

    def __getattr__(self, name: str) -> Any:
        raise unfinished(f"pipeline.runtime_config.{name}", name)


class Told:
    """A pipeline, as far as it is asked and not told."""

    pipeline_name: str
    dataset_name: str | None
    settings: dict[str, Any]
    _asked: AskedRun | None
    _schema: str | None
    _destination: Any

    def _held(self, name: str) -> Held:
        """What the destination holds: what was asked for by now is loaded first."""
        run = in_run()
        if run is not None:
            return InRun(run, schema_name(str(self.dataset_name or "")), name)
        if self._asked is not None:
            return loaded_by(self._asked, f"pipeline.{name}", name)
        there = current().there
        if there is None:
            raise too_early(f"pipeline.{name}")
        found = there(self._target())
        if found is None:
            message = f"pipeline.{name} is asked before a run says where the tables are"
            raise refuse(Unfinished(message, "give --to and --db-schema"))
        return found

    def _target(self) -> Target:
        """Where the rows of the pipeline go."""
        where = self._destination
        return Target(
            destination=where.url(self.pipeline_name) if where is not None else None,
            db_schema=schema_name(str(self.dataset_name or f"{self.pipeline_name}_dataset")),
        )

    def begun(self, source: Source) -> Mapping[str, Mapping[str, str]]:
        """Where streams that the script reads itself go on from, as in dlt: where runs ended."""
        there = current().there
        if there is None or current().load is None or self.dev_mode or self.refresh:
            return {}
        if self._asked is not None:
            caught_up(self._asked)
        found = there(self._target())
        return found.entries(source) if found is not None else {}

    def dataset(self, *_: Any, **__: Any) -> Dataset:
        """The tables."""
        return Dataset(self._held("dataset"), self.schema_called)

    def sql_client(self, *_: Any, **__: Any) -> SqlClient:
        """What runs SQL in the dataset."""
        return SqlClient(self._held("sql_client"))

    @property
    def last_trace(self) -> Trace | None:
        """What is known of the last run of the script's, if there was one."""
        if self._asked is None:
            return None
        caught_up(self._asked)
        return Trace(LoadInfo(self, self._asked))

    @property
    def default_schema(self) -> Schema:
        """The tables and columns that were loaded.

        Raises:
            SchemaNotFoundError: a function of the first run asks.
        """
        held = self._held("default_schema")
        if isinstance(held, InRun):
            held.columns()
        return Schema(self.schema_called, held)

    @property
    def schemas(self) -> dict[str, Schema]:
        """The same by its name."""
        return {self.schema_called: self.default_schema}

    @property
    def schema_called(self) -> str:
        """What the source is called; resources without one are called after the pipeline."""
        return self._schema or schema_name(self.pipeline_name)

    @property
    def default_schema_name(self) -> str | None:
        """The same; None for a function of the first run, which has no schema yet."""
        run = in_run()
        has_none = run is not None and not self._held("default_schema_name").loaded_before()
        return None if has_none else self.schema_called

    @property
    def schema_names(self) -> list[str]:
        """The same in a list."""
        name = self.default_schema_name
        return [name] if name is not None else []

    @property
    def runtime_config(self) -> RuntimeConfig:
        """What is said of runs in general."""
        return RuntimeConfig()

    @property
    def naming(self) -> NamingConvention:
        """How keys become names."""
        return NamingConvention()

    @property
    def first_run(self) -> bool:
        """Whether nothing was loaded so far."""
        return not self._held("first_run").loaded_before()

    @property
    def has_data(self) -> bool:
        """Whether something was loaded."""
        return self._held("has_data").loaded_before()

    has_pending_data = False  # what was not loaded is read again
    is_active = True
    staging = None
    collector = None

    @property
    def dev_mode(self) -> bool:
        """Whether each run loads everything anew."""
        return bool(self.settings.get("dev_mode") or self.settings.get("full_refresh"))

    @property
    def refresh(self) -> Any:
        """What each run forgets."""
        return self.settings.get("refresh")

    @property
    def pipelines_dir(self) -> str:
        """Where dlt would keep files of its pipelines: there are none."""
        said = self.settings.get("pipelines_dir")
        data = os.environ.get("DLT_DATA_DIR") or str(Path.home() / ".dlt")
        return str(said) if said is not None else str(Path(data) / "pipelines")

    @property
    def working_dir(self) -> str:
        """Where dlt would keep files of this one: there are none."""
        return str(Path(self.pipelines_dir) / self.pipeline_name)

    def _no_packages(self, *_: Any, **__: Any) -> list[Any]:
        """Load packages that are under way, and jobs that failed: a run is whole or fails."""
        return []

    list_extracted_load_packages = list_normalized_load_packages = _no_packages
    list_failed_jobs_in_package = list_pending_retry_jobs_in_package = _no_packages

    def list_completed_load_packages(self) -> list[str]:
        """The runs of the script that were loaded."""
        return LoadInfo(self, self._asked).loads_ids if self._asked is not None else []

    @property
    def state(self) -> dict[str, Any]:
        """What is kept from run to run, as dlt tells it."""
        held = self._held("state")
        known = held.known()
        resources: dict[str, Any] = {}
        source: dict[str, Any] = {"resources": resources}
        for name, one in known.items():
            source.update(one.shared)
            resources[name] = dict(one.own)
            if one.path is not None and one.last is not None:
                resources[name]["incremental"] = {one.path: {"last_value": one.last}}
        return {
            "pipeline_name": self.pipeline_name,
            "dataset_name": held.db_schema,
            "default_schema_name": self.schema_called,
            "schema_names": self.schema_names,
            "destination_name": str(self._destination) if self._destination is not None else None,
            "_local": {"first_run": not held.loaded_before()},
            **({"sources": {self.schema_called: source}} if known else {}),
        }
