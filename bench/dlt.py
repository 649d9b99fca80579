"""Beside dlt: the same document, the same API, the same DuckDB, in turn.

Run it with `python bench/dlt.py [--runs N] [--only NAME]`. It needs an interpreter that has dlt:
this one, or the one that `PENSTOCK_DLT_PYTHON` names. dlt is run as it comes (`defaults`) and as an
expert would (`tuned`: parquet loader files, rotation, two normalise workers). Printed are medians
of CPU and wall seconds of the whole process, the peak of memory, and the ratio dlt / Penstock.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import Measured, cpus, document, emulator, medians, penstock, run
from documents import children, messages, pages

DLT = os.environ.get("PENSTOCK_DLT_PYTHON", sys.executable)

# The emulated API is asked by both with the same document; only the runner differs.
_RUN = """
import json, sys
import dlt
from dlt.sources.rest_api import rest_api_source

config = json.loads(open(sys.argv[1]).read())
config.pop("name", None)
config["client"].pop("concurrency", None)
for resource in config["resources"]:
    paginator = resource.get("endpoint", {}).get("paginator")
    if isinstance(paginator, dict):
        size = paginator.pop("limit_param", None)
        if paginator["type"] == "page_number" and "limit" in paginator:
            resource["endpoint"].setdefault("params", {})[size or "limit"] = paginator.pop("limit")
options = json.loads(sys.argv[2])
pipeline = dlt.pipeline("bench", destination=dlt.destinations.duckdb("dlt.duckdb"),
                        dataset_name="bench", pipelines_dir="pipelines")
source = rest_api_source(config, parallelized=options.pop("parallelized", False))
pipeline.run(source, **options)
"""

TUNED = {
    "DATA_WRITER__FILE_MAX_ITEMS": "25000",
    "NORMALIZE__WORKERS": "2",
    "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": "25000",
}


def with_dlt(
    config: dict[str, Any], folder: Path, options: dict[str, Any], environ: dict[str, str]
) -> Measured:
    """Load a document with dlt."""
    path = document(folder, "bench", config)
    script = folder / "run_dlt.py"
    script.write_text(_RUN)
    held = dict(os.environ)
    os.environ.update(environ, RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")
    try:
        return run([DLT, str(script), str(path), json.dumps(options)], folder)
    finally:
        os.environ.clear()
        os.environ.update(held)


def with_penstock(config: dict[str, Any], folder: Path) -> Measured:
    """Load a document with Penstock."""
    path = document(folder, "bench", config)
    return run(penstock("run", str(path), "--quiet"), folder)


def pair(
    name: str,
    runs: int,
    ours: Callable[[Path], Measured],
    theirs: Callable[[Path], Measured],
    records: int = 0,
) -> None:
    """Run both in turn, and print their medians and the median of the ratios."""
    mine, others = [], []
    for _ in range(runs):
        for once, found in ((ours, mine), (theirs, others)):
            with tempfile.TemporaryDirectory() as folder:
                found.append(once(Path(folder)))
    print(medians(f"{name}: penstock", mine, records))
    print(medians(f"{name}: dlt", others, records))
    cpu = statistics.median(b.cpu / a.cpu for a, b in zip(mine, others, strict=True))
    wall = statistics.median(b.wall / a.wall for a, b in zip(mine, others, strict=True))
    print(f"{name}: dlt takes {cpu:.1f} x the CPU and {wall:.1f} x the wall time\n", flush=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--only", default="")
    wanted = parser.parse_args()
    print(cpus())
    parquet = {"loader_file_format": "parquet"}
    cases: list[tuple[str, str, dict[str, Any], dict[str, str]]] = [
        ("append, tuned", "append", parquet, TUNED),
        ("merge, tuned", "merge", parquet, TUNED),
        ("append, defaults", "append", {}, {}),
    ]
    with emulator("chat", records=wanted.records) as url:
        for name, disposition, options, environ in cases:
            if wanted.only in name:
                config = messages(url, disposition)
                pair(
                    f"{wanted.records:,} {name}",
                    wanted.runs,
                    lambda folder, c=config: with_penstock(c, folder),
                    lambda folder, c=config, o=options, e=environ: with_dlt(c, folder, o, e),
                    wanted.records,
                )
    latent = [
        ("400 pages at 50 ms", pages, 40_000, parquet),
        ("1,000 children at 50 ms", children, 20_000, parquet),
    ]
    for name, make, records, options in latent:
        if wanted.only in name:
            with emulator("chat", records=records, latency_ms=50) as url:
                config = make(url)
                pair(
                    name,
                    wanted.runs,
                    lambda folder, c=config: with_penstock(c, folder),
                    lambda folder, c=config, o=options: with_dlt(
                        c, folder, o, {**TUNED, "EXTRACT__WORKERS": "20"}
                    ),
                    records,
                )


if __name__ == "__main__":
    main()
