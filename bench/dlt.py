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
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from common import (
    DLT,
    QUIET,
    TUNED,
    Measured,
    against,
    cpus,
    document,
    emulator,
    penstock,
    run,
)
from documents import NEW, children, flat, messages, pages

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


def with_dlt(
    config: dict[str, Any], folder: Path, options: dict[str, Any], environ: dict[str, str]
) -> Measured:
    """Load a document with dlt."""
    path = document(folder, "bench", config)
    script = folder / "run_dlt.py"
    script.write_text(_RUN)
    held = dict(os.environ)
    os.environ.update(environ, **QUIET)
    try:
        return run([DLT, str(script), str(path), json.dumps(options)], folder)
    finally:
        os.environ.clear()
        os.environ.update(held)


def with_penstock(config: dict[str, Any], folder: Path) -> Measured:
    """Load a document with Penstock."""
    path = document(folder, "bench", config)
    return run(penstock("run", str(path), "--quiet"), folder)


class Case(msgspec.Struct):
    """What both load: `make` gives the document for a URL, `options` and `environ` are dlt's.

    `records` is what the API holds, `each` what is loaded where that is less. With `again` the
    second of two runs is measured.
    """

    name: str
    records: int
    latency: int  # ms
    make: Callable[[str], dict[str, Any]]
    options: dict[str, Any]
    environ: dict[str, str]
    each: int = 0
    again: bool = False

    def compare(self, url: str, runs: int) -> None:
        """Run both in turn, and print their medians and the median of the ratios."""
        config = self.make(url)
        mine: list[Measured] = []
        others: list[Measured] = []
        for _ in range(runs):
            mine.append(self._one(partial(with_penstock, config)))
            others.append(self._one(partial(self._with_dlt, config)))
        records = 0 if self.again else self.each or self.records
        against(self.name, mine, others, records)

    def _with_dlt(self, config: dict[str, Any], folder: Path) -> Measured:
        return with_dlt(config, folder, dict(self.options), self.environ)

    def _one(self, once: Callable[[Path], Measured]) -> Measured:
        with tempfile.TemporaryDirectory() as folder:
            if self.again:
                once(Path(folder))
            return once(Path(folder))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--only", default="")
    wanted = parser.parse_args()
    print(cpus())
    parquet = {"loader_file_format": "parquet"}
    messages_of = {
        "append, tuned": ("append", parquet, TUNED),
        "merge, tuned": ("merge", parquet, TUNED),
        "append, defaults": ("append", {}, {}),
    }
    cases = [
        Case(
            f"{wanted.records:,} {name}", wanted.records, 0, partial(messages, disposition=d), *how
        )
        for name, (d, *how) in messages_of.items()
    ]
    threads = {**TUNED, "EXTRACT__WORKERS": "20"}
    more = {**TUNED, "EXTRACT__WORKERS": "40"}
    new = partial(messages, disposition="merge", **NEW)
    wide = partial(children, concurrency=40)
    cases += [
        Case("100,000 flat, tuned", 2_000_000, 0, flat, parquet, TUNED, each=100_000),
        Case("1,000,000 flat, tuned", 20_000_000, 0, flat, parquet, TUNED, each=1_000_000),
        Case("a run with nothing new", 1_000, 0, new, parquet, TUNED, again=True),
        Case("400 pages at 50 ms", 40_000, 50, pages, parquet, threads),
        Case("1,000 children at 50 ms, 20 at once", 20_000, 50, children, parquet, threads),
        Case("1,000 children at 50 ms, 40 at once", 20_000, 50, wide, parquet, more),
    ]
    for case in cases:
        if wanted.only in case.name:
            with emulator("chat", records=case.records, latency_ms=case.latency) as url:
                case.compare(url, wanted.runs)


if __name__ == "__main__":
    main()
