"""Runs configurations with dlt, one after the other: what the parity tests start as a process.

It imports nothing but dlt and what dlt brings, so that any interpreter that has dlt can run it.
Jobs come and results go as pickles on the standard streams.
"""

from __future__ import annotations

import io
import os
import pickle
import runpy
import struct
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    "RUNTIME__REQUEST_MAX_ATTEMPTS": "2",
    "RUNTIME__REQUEST_BACKOFF_FACTOR": "0",
    "RUNTIME__REQUEST_TIMEOUT": "20",
    "EXTRACT__WORKERS": "1",
    "NORMALIZE__WORKERS": "1",
    "NORMALIZE__POOL_TYPE": "none",
    "LOAD__WORKERS": "1",
    "LOAD__POOL_TYPE": "none",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "RESTORE_FROM_DESTINATION": "false",
}


class _Functions(pickle.Unpickler):
    """Functions travel by name, and are found in the module both sides share.

    An incremental travels as what it was made with.
    """

    def persistent_load(self, pid: Any) -> Any:
        if isinstance(pid, tuple):
            import dlt  # noqa: PLC0415 (as below)

            return dlt.sources.incremental(**pid[1])
        import steps  # noqa: PLC0415 (on the path of this process only)

        return getattr(steps, pid)


def send(stream: BinaryIO, data: bytes) -> None:
    """One message, with its length before it."""
    stream.write(struct.pack(">Q", len(data)) + data)
    stream.flush()


def receive(stream: BinaryIO) -> bytes | None:
    """One message, or None at the end of the stream."""
    head = stream.read(8)
    return stream.read(struct.unpack(">Q", head)[0]) if len(head) == 8 else None


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Load a configuration into a DuckDB file; gives the tables, or why there are none.

    With a `postgres` in the job, the URL of a database, it goes there, and no tables are given.
    """
    from dlt.sources.rest_api import rest_api_source  # noqa: PLC0415 (loaded when asked)

    import dlt  # noqa: PLC0415 (slow, and told apart from a worker that did not start)

    folder = Path(job["folder"])
    error = ""
    if "script" in job:
        return _executed(folder, job)
    os.environ.update({**SETTINGS, **job.get("settings", {})})
    try:
        pipeline = dlt.pipeline(
            job["name"],
            pipelines_dir=str(folder / "pipelines"),
            destination=dlt.destinations.postgres(job["postgres"])
            if "postgres" in job
            else dlt.destinations.duckdb(str(folder / "dlt.duckdb")),
            dataset_name="parity",
        )
        source = rest_api_source(job["config"], name="parity")
        with _dying() if job.get("dies") else nullcontext():
            # into Postgres as it does by itself: from Parquet it makes json of jsonb
            kind = None if "postgres" in job else "parquet"
            pipeline.run(source, loader_file_format=kind, refresh=job.get("refresh"))
    except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 (what dlt says is part of the result)
        error = _causes(exc)
    return {"error": error, "tables": _tables(folder / "dlt.duckdb")}


@contextmanager
def _dying() -> Iterator[None]:
    """Stop dlt as a kill would, after the database took rows and before dlt wrote that down."""
    from dlt.common.storages.load_package import PackageStorage  # noqa: PLC0415 (as above)

    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    held = PackageStorage.save_pending_transition, PackageStorage.complete_job
    PackageStorage.save_pending_transition = lambda *_, **__: None
    PackageStorage.complete_job = dies
    try:
        yield
    finally:
        PackageStorage.save_pending_transition, PackageStorage.complete_job = held


def _executed(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """What a script loads into its own DuckDB file, executed in a folder of its own.

    What it sets in the environment is gone afterwards: the next one may be of the same names. The
    files of values are those of its folder.
    """
    from dlt.common.configuration.container import Container  # noqa: PLC0415 (as above)
    from dlt.common.configuration.specs.pluggable_run_context import (  # noqa: PLC0415 (the same)
        PluggableRunContext,
    )

    script = job["script"]
    before, environment, called = Path.cwd(), dict(os.environ), sys.argv
    os.environ.update({**job.get("settings", {}), "DLT_DATA_DIR": str(folder / "dlt")})
    os.chdir(folder)
    sys.argv = [script, *job.get("arguments", ())]
    Container()[PluggableRunContext].reload(str(folder))
    error = ""
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as exc:  # of whatever reads arguments
        error = f"exit code {exc.code}" if exc.code else ""
    except Exception as exc:  # noqa: BLE001 (what dlt says is part of the result)
        error = _causes(exc)
    finally:
        os.chdir(before)
        sys.argv = called
        os.environ.clear()
        os.environ.update(environment)
    return {"error": error, "tables": _tables(folder / "shop.duckdb", "shop_data")}


def _causes(exc: BaseException | None) -> str:
    """An error and what led to it, in one text."""
    said: list[str] = []
    while exc is not None and len(said) < 6:
        said.append(f"{type(exc).__name__}: {exc}")
        exc = exc.__cause__ or exc.__context__
    return "\n".join(said)


def _tables(file: Path, schema: str = "parity") -> dict[str, Any]:
    if not file.exists():
        return {}
    sys.path.insert(0, str(Path(__file__).parent))
    import dump  # noqa: PLC0415 (shared with the other side)

    return dump.tables(str(file), schema)


def main() -> None:
    """Take jobs until the other side closes."""
    jobs, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that dlt prints may stand between results
    os.environ.update(SETTINGS)
    sys.path.insert(0, str(Path(__file__).parent))
    import dlt  # noqa: F401, PLC0415 (the other side waits for this once)

    send(results, pickle.dumps("ready"))
    while (data := receive(jobs)) is not None:
        try:
            done = run(_Functions(io.BytesIO(data)).load())
        except Exception:  # noqa: BLE001 (a bug here, not in what is compared)
            done = {"error": "worker: " + traceback.format_exc(), "tables": {}}
        send(results, pickle.dumps(done))


if __name__ == "__main__":
    main()
