"""What a pipeline tells of its runs: load info, packages and trace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from penstock.dialects.dlt.standin.base.errors import PipelineStepFailed
from penstock.dialects.dlt.standin.base.lacking import lacking
from penstock.dialects.dlt.standin.base.record import AskedRun, caught_up, current, unfinished
from penstock.dialects.dlt.standin.resources.schemas import described
from penstock.dialects.document import Loaded


def loaded_by(asked: AskedRun | None, what: str, name: str) -> Loaded:
    """What a run has loaded, which is done now.

    Raises:
        Refusal: nothing was asked for, or nothing may be loaded yet.
        PipelineStepFailed: the run was not loaded in full.
    """
    found = caught_up(asked) if asked is not None else None
    if found is not None:
        return found
    if asked is not None and current().load is not None:
        message = f"the pipeline {asked.pipeline!r} was not loaded"
        raise PipelineStepFailed(message, asked.pipeline)
    raise unfinished(what, name)


def settle(what: str) -> None:
    """Load what a script has asked for, before it looks at a database itself.

    Raises:
        Refusal: nothing may be loaded yet.
        PipelineStepFailed: it was not loaded in full.
    """
    left = current().left
    if left:
        loaded_by(left[-1], what, what)


@lacking("writer_metrics_asdict")
class LoadInfo:
    """What a run gives; how it went is known once something is asked of it."""

    has_failed_jobs = False

    def __init__(self, pipeline: Any = None, asked: AskedRun | None = None) -> None:
        self.pipeline = pipeline
        self._asked = asked

    def raise_on_failed_jobs(self) -> None:
        """A run of Penstock says itself what failed."""

    def __str__(self) -> str:
        done = current().done.get(self._asked.number) if self._asked is not None else None
        if done is None:
            return "Penstock loads this when the script asks for it, or has ended"
        rows = ", ".join(f"{table}: {count:,}" for table, count in done.rows.items())
        return f"{done.run_id} → {done.destination}, schema {done.db_schema}: {rows or 'no rows'}"

    def asstr(self, *_: Any, **__: Any) -> str:
        """The same as a text."""
        return str(self)

    def _loaded(self, name: str) -> Loaded:
        return loaded_by(self._asked, f"load_info.{name}", name)

    @property
    def is_empty(self) -> bool:
        """Whether no table got a row."""
        return not any(self._loaded("is_empty").rows.values())

    @property
    def loads_ids(self) -> list[str]:
        """The id of the run, by which all of its load ids begin."""
        return [self._loaded("loads_ids").run_id]

    @property
    def dataset_name(self) -> str:
        """Where the tables are."""
        return self._loaded("dataset_name").db_schema

    @property
    def row_counts(self) -> dict[str, int]:
        """Rows by table."""
        return dict(self._loaded("row_counts").rows)

    @property
    def finished_at(self) -> datetime:
        """When the run had ended."""
        return _ended(self._loaded("finished_at"))

    @property
    def started_at(self) -> datetime:
        """When the run had begun."""
        found = self._loaded("started_at")
        return _ended(found) - timedelta(seconds=found.seconds)

    @property
    def load_packages(self) -> list[Package]:
        """What was loaded: one package, as a run is whole or fails."""
        return [Package(self._loaded("load_packages"), self.pipeline)]

    @property
    def jobs(self) -> list[Job]:
        """A job for each table that got rows."""
        return self.load_packages[0].jobs["completed_jobs"]

    @property
    def first_run(self) -> bool:
        """Whether it was the first run that loaded to this place."""
        asked = self._asked
        first = self._loaded("first_run").first
        runs = (run for run in current().runs if asked is not None and run.place == asked.place)
        found = next(runs, None)
        return first and found is not None and asked is not None and found.number == asked.number

    @property
    def destination_name(self) -> str:
        """What the destination is called."""
        held = self.pipeline.destination if self.pipeline is not None else None
        return str(held) if held is not None else self._loaded("destination_name").destination

    @property
    def destination_type(self) -> str:
        """Which destination it is."""
        return f"dlt.destinations.{self.destination_name}"

    @property
    def destination_displayable_credentials(self) -> str:
        """Where the destination is, passwords masked."""
        return self._loaded("destination_displayable_credentials").destination

    staging_name = staging_type = staging_displayable_credentials = None  # rows go there at once

    def asdict(self) -> dict[str, Any]:
        """What is known of the run."""
        found = self._loaded("asdict")
        return {
            "pipeline": {"pipeline_name": self.pipeline.pipeline_name},
            "loads_ids": [found.run_id],
            "dataset_name": found.db_schema,
            "destination_name": self.destination_name,
            "destination_type": self.destination_type,
            "destination_displayable_credentials": found.destination,
            "first_run": self.first_run,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "row_counts": dict(found.rows),
            "load_packages": [package.asdict() for package in self.load_packages],
        }

    def __getattr__(self, name: str) -> Any:
        raise unfinished(f"load_info.{name}", name)


def _ended(loaded: Loaded) -> datetime:
    """When a run had ended; its id begins with when it began."""
    began = datetime.strptime(loaded.run_id[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return began + timedelta(seconds=loaded.seconds)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """That rows went to a table."""

    table_name: str
    rows: int
    state: str = "completed_jobs"
    failed_message: str | None = None

    @property
    def job_file_info(self) -> Job:
        """Where its table is named, in dlt."""
        return self


class Package:
    """What one run loaded."""

    state = "loaded"
    has_pending_transitions = False

    def __init__(self, loaded: Loaded, pipeline: Any) -> None:
        self._loaded = loaded
        self.load_id = loaded.run_id
        self.completed_at = _ended(loaded)
        self.schema_name: str = pipeline.schema_called
        done = [Job(table_name=table, rows=count) for table, count in loaded.rows.items()]
        self.jobs: dict[str, list[Job]] = {"completed_jobs": done, "failed_jobs": []}

    @property
    def schema_update(self) -> dict[str, Any]:
        """The columns that the run has added, by table."""
        return {
            table: {"name": table, "columns": described(columns)}
            for table, columns in self._loaded.added().items()
        }

    def asdict(self) -> dict[str, Any]:
        """What is known of it; the tables are those that have new columns."""
        place = {"schema_name": self.schema_name, "load_id": self.load_id}
        tables = [
            {"name": name, "columns": [
                {**column, "table_name": name, **place} for column in table["columns"].values()
            ], **place}
            for name, table in self.schema_update.items()
        ]  # fmt: skip
        jobs = [{"table_name": one.table_name, "state": one.state, **place} for one in
                self.jobs["completed_jobs"]]  # fmt: skip
        return {**place, "state": self.state, "completed_at": self.completed_at,
                "tables": tables, "jobs": jobs}  # fmt: skip

    def asstr(self, *_: Any, **__: Any) -> str:
        """The same as a text."""
        return str(self)

    def __str__(self) -> str:
        listed = ", ".join(one.table_name for one in self.jobs["completed_jobs"])
        return f"{self.load_id} is loaded: {listed or 'no rows'}"

    def __getattr__(self, name: str) -> Any:
        raise unfinished(f"load_info.load_packages[0].{name}", name)


class Step:
    """A step of a run. Penstock does them all at once: each began and ended with the run."""

    step_exception = None  # a run that fails raises, and has no trace
    exception_traces = None

    def __init__(self, step: str, info: LoadInfo) -> None:
        self.step = step
        self.step_info = info

    def __str__(self) -> str:
        return f"Step {self.step} COMPLETED: {self.step_info}"

    def asstr(self, *_: Any, **__: Any) -> str:
        """The same as a text."""
        return str(self)

    def asdict(self) -> dict[str, Any]:
        """What is known of it."""
        times = {"started_at": self.started_at, "finished_at": self.finished_at}
        return {"step": self.step, **times, "step_exception": None, "exception_traces": None}

    def __getattr__(self, name: str) -> Any:
        if name in {"started_at", "finished_at"}:
            return getattr(self.step_info, name)
        raise unfinished(f"last_trace.steps[0].{name}", name)


class Trace:
    """What is known of the last run: each of its steps tells the same."""

    def __init__(self, info: LoadInfo) -> None:
        self._info = info
        self.last_extract_info = self.last_normalize_info = self.last_load_info = info
        self.pipeline_name: str = info.pipeline.pipeline_name
        self.steps = [Step(name, info) for name in ("extract", "normalize", "load", "run")]

    def __str__(self) -> str:
        return str(self.last_load_info)

    def asstr(self, *_: Any, **__: Any) -> str:
        """The same as a text."""
        return str(self)

    def asdict(self) -> dict[str, Any]:
        """What is known of the run."""
        return self._info.asdict()

    def __getattr__(self, name: str) -> Any:
        if name in {"started_at", "finished_at"}:
            return getattr(self._info, name)
        raise unfinished(f"last_trace.{name}", name)
